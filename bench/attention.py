"""Measures of reaching the person: deciding of ten thousand things, and how long after its time something is sent."""

import http.client
import statistics
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from measured import Row, folder, ours, ratio

from mainloop.attention.policy import Preferences, Waiting, decide, grace
from mainloop.testing.push_service import Browser, PushService
from mainloop.testing.server import ServerProcess, script

WAITING: Final = 10_000
TIMES: Final = 5
SENT: Final = 20
PATIENCE: Final = 90.0


def decisions() -> list[Row]:
    """One look at ten thousand items of which nothing is known yet, all due at once."""
    now = datetime.now(UTC)
    kinds = ("permission", "question", "plan", "failure")
    waiting = [Waiting(f"{n:05}", kinds[n % 4], now - timedelta(hours=1, seconds=n % 600)) for n in range(WAITING)]
    mine: list[float] = []
    bare: list[float] = []
    for _ in range(TIMES):
        began = time.process_time()
        decided = decide(now, waiting, None, None, Preferences(UTC, quiet=None))
        mine.append((time.process_time() - began) * 1000)
        assert len(decided.told) == WAITING
        began = time.process_time()
        sorted([(item.opened_at, item.id) for item in waiting])
        bare.append((time.process_time() - began) * 1000)
    a, b = statistics.median(mine), statistics.median(bare)
    return [Row(f"{WAITING:,} decisions, CPU", f"{a:.0f} ms", f"{b:.1f} ms", ratio(a, b), "")]


def sent() -> list[Row]:
    """A word by web push until its service has it, read; and how long after its grace an ask is there."""
    with PushService() as push, folder() as at:
        settings = {"MAINLOOP_REACHABLE": "127.0.0.1", "MAINLOOP_COMMANDS": "ask"}
        with ours(ServerProcess(at, settings)) as server:
            person, phone = server.person(), push.browser("phone")
            person.put("/api/attention/preferences", {"quiet_from": None, "quiet_until": None})
            way: str = person.put("/api/attention/subscription", {**phone.subscription, "mobile": True})["id"]
            words: list[float] = []
            for number in range(SENT):
                began = time.monotonic()
                person.post(f"/api/attention/notifiers/{way}/test")
                arrives(phone, number + 1)
                words.append((time.monotonic() - began) * 1000)
            step: dict[str, Any] = {"tools": [{"name": "Bash", "input": {"command": "date >> had; echo asked"}}]}
            person.post("/api/sessions", {"id": str(uuid.uuid4()), "prompt": script(step, {"text": "done"})})
            item = person.until_item(lambda item: item["kind"] == "permission")
            due = datetime.fromisoformat(item["opened_at"]) + grace("permission")
            arrives(phone, SENT + 1)
            late = (datetime.now(UTC) - due).total_seconds()
        bare = [requested(push.browser(f"bare-{number}")) for number in range(SENT)]
    a, b = statistics.median(words[1:]), statistics.median(bare[1:])
    return [
        Row("word → at the service of a browser", f"{a:.0f} ms", f"{b:.1f} ms", ratio(a, b), ""),
        Row("ask is due → at the service of a browser", f"{late:.1f} s", "", "", "5 s"),
    ]


def arrives(phone: Browser, number: int) -> None:
    until = time.monotonic() + PATIENCE
    while len(phone.got) < number:
        if time.monotonic() > until:
            raise RuntimeError("nothing was sent")
        time.sleep(0.002)


def requested(browser: Browser) -> float:
    """Milliseconds of a bare request to the same service."""
    browser.answers = [204]
    parts = urlsplit(browser.endpoint)
    began = time.monotonic()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.request("POST", parts.path, body=b"x" * 400)
    connection.getresponse().read()
    connection.close()
    return (time.monotonic() - began) * 1000


ROWS: Final = {"attention decisions": decisions, "attention sent": sent}
