"""Starts runners through a process of theirs that has loaded everything before (`mainloop_agent.spawner`)."""

import logging
import os
import select
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

# A process shows no more than it was started with, and a runner shows the path of its run file.
_ROOM: Final = " " * 4096
# The first answer includes the loading.
_PATIENCE: Final = 60.0


class Spawner:
    """One such process, started when it is first needed. It ends with this one; its runners don't."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self._home = home
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Start it ahead of the first run."""
        with self._lock, suppress(OSError):
            self._living()

    def start(self, run_file: Path) -> int | None:
        """The process id of the new runner; None where it has to be started in another way."""
        with self._lock:
            try:
                number = self._ask(self._living(), run_file)
            except OSError as error:
                log.warning("the spawner does not answer: %s", error)
                number = 0
            if not number:
                self._end()
            return number or None

    def _living(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", "mainloop_agent.spawner", _ROOM],
                cwd=self._home,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                # What ends the server by its terminal does not end it in the middle of a start.
                start_new_session=True,
            )
            weakref.finalize(self, _end, self._process)
        return self._process

    def _ask(self, process: subprocess.Popen[bytes], run_file: Path) -> int:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(os.fsencode(run_file) + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], _PATIENCE)
            piece = process.stdout.read(64) if ready else b""
            if not piece:
                raise OSError("it has ended" if ready else "it takes too long")
            answer += piece
        return int(answer)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    # Closes its pipes, too.
    with suppress(ValueError):  # they are closed already
        process.communicate()
