"""`python -m mainloop_agent RUN_FILE`: one runner process, one run.

Ends with 0 when the run is over, 3 when another runner of the thread lives, 4 when the server refused this run.
"""

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from mainloop_agent.bounds import adopt, end_all
from mainloop_agent.lock import Lock, LockHeldError
from mainloop_agent.runner import live
from mainloop_agent.server import Refused, Server
from mainloop_models.runner import RunFile

log = logging.getLogger("mainloop_agent")

LOCK_HELD, REFUSED = 3, 4
# Between two looks at the lock's file.
LOOK_SECONDS = 1.0
# An agent's environment is laid over ours: nothing else of ours may reach it.
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")


def read_token(path: Path) -> str:
    """Read once: nobody who comes later finds it."""
    token = path.read_text().strip()
    path.unlink()
    return token


def clear_environment() -> None:
    for name in list(os.environ):
        if name not in KEPT_VARIABLES:
            del os.environ[name]


async def keep(lock: Lock) -> None:
    """Returns when the lock is somebody else's."""
    with suppress(LockHeldError):
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            lock.keep()


async def run_to_its_end(run: RunFile, token: str, lock: Lock) -> int:
    parking = asyncio.Event()
    loop = asyncio.get_running_loop()
    server = Server(run.server, token)
    life = asyncio.create_task(live(run, server, parking))

    def told_to_end() -> None:
        log.info("told to end")
        # The second time at once: what is not told yet is in the spool.
        if parking.is_set():
            life.cancel()
        parking.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_end)
    kept = asyncio.create_task(keep(lock))
    kept.add_done_callback(lambda _: life.cancel())
    try:
        await life
    except Refused as refused:
        log.warning("this run is over: %s", refused)
        return REFUSED
    except asyncio.CancelledError:
        if kept.done():
            log.warning("another runner of thread %s holds its lock", run.thread_id)
            return LOCK_HELD
        log.warning("ended at once")
    finally:
        kept.cancel()
        await server.close()
    return 0


def run_of(path: Path) -> int:
    """This process is the runner of the run file at `path`, to its end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Its lines would tell every poll.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    run = RunFile.model_validate_json(path.read_text())
    clear_environment()
    try:
        lock = Lock(Path(run.home) / "lock")
    except LockHeldError:
        Path(run.token_file).unlink(missing_ok=True)
        log.warning("another runner of thread %s lives", run.thread_id)
        return LOCK_HELD
    log.info("run %s of thread %s begins", run.run, run.thread_id)
    adopt()
    code = asyncio.run(run_to_its_end(run, read_token(Path(run.token_file)), lock))
    # What its agent left behind, where no sandbox has ended that, ends before anybody else holds the lock.
    end_all()
    log.info("run %s ends", run.run)
    return code


def main() -> int:
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m mainloop_agent RUN_FILE\n")
        return 2
    return run_of(Path(sys.argv[1]))


if __name__ == "__main__":
    sys.exit(main())
