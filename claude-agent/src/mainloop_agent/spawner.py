"""`python -m mainloop_agent.spawner ROOM`: becomes runners by dividing itself, so that none has to load the program.

Loading it takes longer than everything else at a runner's start. Each line of the input is the path of a run file; each
line of the output is the number of the runner's process, or 0 where it could not be started. Ends with its input.
Linux only: `ROOM` is as long as a path may be, since a process shows no more than it was started with.
"""

import ctypes
import gc
import logging
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from mainloop_agent.__main__ import run_of


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Starts a runner for each line, for as long as lines come."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    # What is loaded stays where it is, shared by all.
    gc.collect()
    gc.freeze()
    while line := requests.readline():
        try:
            if os.fork() == 0:
                _become(Path(os.fsdecode(line.removesuffix(b"\n"))), answers)
        except OSError as error:
            logging.warning("a runner could not be started: %s", error)
            _answer(answers, 0)


def _become(run_file: Path, answers: BinaryIO) -> None:
    """From here on this process is the runner of `run_file`. Ends with it."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        try:
            be_called(sys.executable, "-I", "-m", "mainloop_agent", str(run_file))
            os.chdir(run_file.parent)
            output = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except (OSError, ValueError):
            traceback.print_exc()
            return _answer(answers, 0)
        with suppress(OSError):  # who asked may be dead by now: the run goes on all the same
            # Under its own name, so whoever is told of it finds it.
            _answer(answers, os.getpid())
        for ours, theirs in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
            os.dup2(ours, theirs)
        code = run_of(run_file)
    except BaseException:
        traceback.print_exc()
    finally:
        logging.shutdown()
        # Nothing of the process that it was is carried to its end.
        os._exit(code)


def _answer(answers: BinaryIO, number: int) -> None:
    answers.write(b"%d\n" % number)
    answers.flush()


def be_called(*command: str) -> None:
    """This process shows `command` as what it was started with. Raises ValueError where that is too long."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    shown = b"".join(os.fsencode(part) + b"\0" for part in command)
    if len(shown) > end - begin:
        raise ValueError(f"{command[-1]} is too long a name")
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, shown, len(shown))


if __name__ == "__main__":
    be_called(sys.executable, "-I", "-m", "mainloop_agent.spawner")
    serve(sys.stdin.buffer, sys.stdout.buffer)
