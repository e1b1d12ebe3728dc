"""`python -m mainloop.notifiers.apprise_sending`: sends one thing by one address, both read from stdin as JSON.

Answers `{"state": sent | bad | private | failed, "why"}` on stdout. A process of its own, since Apprise opens its
connections itself: here each name is looked at before it is used, redirects included.
"""

import json
import logging
import socket
import sys
from typing import Any

import apprise

from mainloop.outgoing import Outgoing, PrivateAddress

LONGEST_WHY = 300


def main() -> int:
    wanted: dict[str, Any] = json.load(sys.stdin)
    said: list[str] = []
    refused: list[str] = []
    watch(Outgoing(wanted["reachable"]), refused)
    listen(said)
    service: Any = apprise.Apprise.instantiate(wanted["address"], suppress_exceptions=True)  # pyright: ignore[reportUnknownMemberType]
    if service is None:
        return answer("bad")
    if wanted["title"] is None:
        return answer("sent")
    try:
        sent = bool(service.notify(body=wanted["text"] or wanted["title"], title=wanted["title"]))
    except Exception as error:  # whatever a service's code makes of an answer
        said.append(type(error).__name__)
        sent = False
    if refused:
        return answer("private", refused[0])
    return answer("sent") if sent else answer("failed", said[-1] if said else "")


def watch(outgoing: Outgoing, refused: list[str]) -> None:
    """No name, and no number, leads to a private address that is not listed."""
    resolve = socket.getaddrinfo

    def looked_at(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        found = resolve(host, port, *more, **named)
        try:
            outgoing.refuse_private(str(host), [str(info[4][0]) for info in found])
        except PrivateAddress as error:
            refused.append(str(host))
            raise OSError(error.sentence) from error
        return found

    socket.getaddrinfo = looked_at


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
