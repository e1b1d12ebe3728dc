"""`python -m mainloop.notifiers.apprise_sending`: sends one thing by one address, both read from stdin as JSON.

Answers `{"state": sent | bad | many | private | failed | away, "why"}` on stdout; `away`: nobody was there. A process of its
own, since Apprise opens its connections itself: here each address is looked at when it is used, redirects included.
"""

import json
import logging
import socket
import sys
from typing import Any, cast

import apprise

from mainloop.outgoing import Outgoing, PrivateAddress

LONGEST_WHY = 300


def main() -> int:
    wanted: dict[str, Any] = json.load(sys.stdin)
    said: list[str] = []
    refused: list[str] = []
    reached: list[object] = []
    watch(Outgoing(wanted["reachable"]), refused)
    note(reached)
    listen(said)
    service: Any = apprise.Apprise.instantiate(wanted["address"], suppress_exceptions=True)  # pyright: ignore[reportUnknownMemberType]
    # That of this machine writes a file here, and reaches nobody.
    if service is None or type(service).__name__ == "NotifySyslog":
        return answer("bad")
    if len(service) > 1:
        return answer("many")
    if wanted["title"] is None:
        return answer("sent")
    try:
        sent = bool(service.notify(body=wanted["text"] or wanted["title"], title=wanted["title"]))
    except Exception as error:  # whatever a service's code makes of an answer
        said.append(type(error).__name__)
        sent = False
    if refused:
        return answer("private", refused[0])
    if sent:
        return answer("sent")
    return answer("failed" if reached else "away", said[-1] if said else "")


def watch(outgoing: Outgoing, refused: list[str]) -> None:
    """From here on nothing in this process reaches a private address that is not listed, or starts a program."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            reach(arguments[1])
        elif event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
            raise OSError("no program is started here")

    def reach(address: object) -> None:
        if address is None:
            return
        host = str(cast("tuple[object, ...]", address)[0]) if isinstance(address, tuple) else ""
        try:
            if not host:
                raise PrivateAddress(host="A part of this machine")
            outgoing.addresses(host, 0)
        except PrivateAddress as error:
            refused.append(host or "a part of this machine")
            raise OSError(error.sentence) from error

    sys.addaudithook(hook)


def note(reached: list[object]) -> None:
    """Who was reached from here on."""

    class Noted(socket.socket):
        def connect(self, address: Any, /) -> None:
            super().connect(address)
            reached.append(address)

    socket.socket = Noted


def listen(said: list[str]) -> None:
    """What the service said of a failure."""

    class Note(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage()[:LONGEST_WHY])

    logger = logging.getLogger("apprise")
    logger.handlers = [Note(logging.WARNING)]
    logger.setLevel(logging.WARNING)
    logger.propagate = False


def answer(state: str, why: str = "") -> int:
    json.dump({"state": state, "why": why}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
