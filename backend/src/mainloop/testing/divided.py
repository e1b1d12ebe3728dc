"""The program as processes divided off one that has loaded it, for tests that start it again and again.

Loading it takes longer than everything else at its start. What runs is the same `main` with the arguments, environment,
folder and output of a process of its own. It is not another Python, though: all of them have one seed of hashes, and
the time zone of the process that they were divided off.
"""

import contextlib
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_PROGRAM: Final = "mainloop.main"
_LOADED: Final = multiprocessing.get_context("forkserver")
_LOADED.set_forkserver_preload([_PROGRAM])


class Divided:
    """Such a process, handled as one of `subprocess.Popen`."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, output: Path, errors: Path
    ) -> None:
        # Ends with the tests.
        self._process = _LOADED.Process(
            target=_become, args=(list(arguments), dict(environment), folder, output, errors), daemon=True
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """How it ended, if it has: as `subprocess` says it, so negative by a signal."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("mainloop", timeout)
        return code

    def send_signal(self, sig: signal.Signals) -> None:
        # It is another process's child, so it can be gone before this one hears of it.
        with contextlib.suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, sig)


def run(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path, patience: float
) -> subprocess.CompletedProcess[str]:
    """The program to its end, and what it said."""
    with tempfile.TemporaryDirectory() as said:
        output, errors = Path(said, "output"), Path(said, "errors")
        process = Divided(arguments, environment, folder, output, errors)
        try:
            code = process.wait(patience)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            raise
        return subprocess.CompletedProcess(list(arguments), code, output.read_text(), errors.read_text())


def _become(arguments: list[str], environment: dict[str, str], folder: Path, output: Path, errors: Path) -> None:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for path, number in ((Path(os.devnull), 0), (output, 1), (errors, 2)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.exit(importlib.import_module(_PROGRAM).main(arguments))
