"""`make dev`: the server and the page's development server, both reloading, ended by Ctrl-C.

The server is restarted when Python files change. Runners are processes of their own that outlive
it, so a restart ends no agent's turn.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from watchfiles import PythonFilter, watch

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / ".venv" / "bin"
WATCHED = [ROOT / "backend" / "src", ROOT / "backend" / "migrations", ROOT / "models" / "src"]
SERVER_PORT = 8000
PAGE_PORT = 3000
# The link leads to the page's own port, so it is printed here.
SERVER = [str(PROGRAMS / "mainloop"), "up", "--port", str(SERVER_PORT), "--no-link"]
PAGE = ["npm", "run", "dev", "-w", "frontend", "--", "--port", str(PAGE_PORT), "--strictPort"]
START_LIMIT = 120.0
# Longer than the server takes to finish the requests that are under way.
STOP_LIMIT = 20.0


class Stopped(Exception):
    """One of the two ended by itself, or could not start."""


class Child:
    """A process in a group of its own, so that Ctrl-C reaches it once, through us."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self.command = command
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, cwd=ROOT, env=self.environment, start_new_session=True)

    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def stop(self) -> None:
        process = self.process
        if process is None or process.poll() is not None:
            return
        # The group, because npm does not hand signals on. Runners lead groups of their own.
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            print(f"The {self.name} does not end on its own; it is killed.", flush=True)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()


def main() -> int:
    for port in (PAGE_PORT, SERVER_PORT):
        if taken(port):
            print(f"Port {port} is taken: stop the program that listens there, then try again.")
            return 1
    environment = {"MAINLOOP_PUBLIC_URL": f"http://localhost:{PAGE_PORT}", **os.environ}
    environment["PATH"] = f"{PROGRAMS}{os.pathsep}{environment.get('PATH', '')}"
    server = Child("server", SERVER, environment)
    page = Child("page", PAGE, environment)
    over = threading.Event()
    reloader = threading.Thread(target=restart_on_change, args=(server, over))
    signal.signal(signal.SIGTERM, interrupt)
    try:
        server.start()
        page.start()
        wait_for_health(server)
        print_link()
        reloader.start()
        while not over.wait(0.5):
            if page.ended():
                raise Stopped("The page's development server has ended; its last lines say why.")
    except KeyboardInterrupt:
        print("\nStopping …", flush=True)
        return 0
    except Stopped as problem:
        print(problem, file=sys.stderr)
        return 1
    finally:
        # Stopping takes its bounded time; a second Ctrl-C would only leave something behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        over.set()
        if reloader.is_alive():
            reloader.join()
        page.stop()
        server.stop()
    return 0


def interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def taken(port: int) -> bool:
    """Whether somebody listens there, on either of the addresses that `localhost` means."""
    for address in ("127.0.0.1", "::1"):
        try:
            with socket.create_connection((address, port), timeout=1):
                return True
        except OSError:
            continue
    return False


def wait_for_health(server: Child) -> None:
    limit = time.monotonic() + START_LIMIT
    while time.monotonic() < limit:
        if server.ended():
            raise Stopped("The server has ended; its last lines say why.")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{SERVER_PORT}/api/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise Stopped(f"The server did not answer within {START_LIMIT:.0f} seconds.")


def print_link() -> None:
    """The link that signs this browser in, on the page's own port."""
    made = subprocess.run(
        [str(PROGRAMS / "mainloop"), "pair", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise Stopped(f"`mainloop pair` failed: {made.stderr.strip()}")
    link: dict[str, str] = json.loads(made.stdout)
    path = urlsplit(link["url"]).path or "/pair"
    print(f"\n  Open http://localhost:{PAGE_PORT}{path}#{link['code']}\n", flush=True)


def restart_on_change(server: Child, over: threading.Event) -> None:
    watched = [folder for folder in WATCHED if folder.is_dir()]
    for changes in watch(*watched, watch_filter=PythonFilter(), stop_event=over):
        names = sorted({Path(name).name for _, name in changes})
        print(f"Restarting the server: {', '.join(names[:3])} changed.", flush=True)
        server.restart()


if __name__ == "__main__":
    sys.exit(main())
