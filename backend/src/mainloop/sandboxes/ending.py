"""`python -I -S ending.py -- COMMAND`: runs a command and ends with it whatever it has started, detached or not.

For a Linux that lets nobody make process namespaces, where the kernel itself would do that. It also ends, with all of it,
when the process that started it ends. A program of its own, which imports nothing of mainloop.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# Of <linux/prctl.h>.
PDEATHSIG, CHILD_SUBREAPER = 1, 36
# Who was asked to end has so long (seconds); then all is ended, which takes at most so long unless a disk hangs.
GRACE, DYING = 3.0, 5.0
TOLD = (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


def main(command: list[str]) -> int:
    """The exit status of the command, as a shell has it."""
    parent = os.getppid()
    # Whoever kills the runner with its whole group leaves this process to do its part.
    with suppress(PermissionError):
        os.setpgid(0, 0)
    # Whatever loses its parent becomes a child of this process.
    prctl(CHILD_SUBREAPER, 1)
    prctl(PDEATHSIG, signal.SIGHUP)
    if os.getppid() != parent:
        return 1
    signal.pthread_sigmask(signal.SIG_BLOCK, TOLD)
    child = os.fork()
    if child == 0:
        become(command)
    # Only the command reads and writes there.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    status = ended(child)
    end_all()
    if status is None:
        return 1
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def become(command: list[str]) -> None:
    """This process is the command from here on."""
    try:
        prctl(PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD)
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
    finally:
        os._exit(127)


def ended(child: int) -> int | None:
    """How the command ended; None where it has to be ended now."""
    until = None
    while True:
        left = 3600.0 if until is None else until - time.monotonic()
        told = signal.sigtimedwait(TOLD, max(0.0, left))
        if told is None:
            if until is not None:
                return None
        elif told.si_signo == signal.SIGCHLD:
            status = reaped(child)
            if status is not None:
                return status
        elif told.si_signo == signal.SIGHUP:
            return None
        else:
            until = time.monotonic() + GRACE
            os.kill(child, told.si_signo)


def reaped(child: int) -> int | None:
    """Takes note of all that have ended; the status of the command, if it is among them."""
    found = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                found = ended[1]
    return found


def end_all() -> None:
    """Nothing runs any more below this process; all are stopped first, so that none starts another."""
    until = time.monotonic() + DYING
    while time.monotonic() < until:
        pids = list(below(os.getpid()))
        for step in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, step)
        reaped(0)
        if alone():
            return
        signal.sigtimedwait((signal.SIGCHLD,), 0.1)


def alone() -> bool:
    """Whether nothing is left below this process: what had lost its parent was its own."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def below(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                for child in (task / "children").read_text().split():
                    yield int(child)
                    yield from below(int(child))


def prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
