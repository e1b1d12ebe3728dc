"""What tests of telling say to the server, and hear from it."""

import uuid
from typing import Any

from mainloop.testing.inprocess import InProcessServer
from mainloop.testing.push_service import Browser, PushService
from mainloop.testing.server import Person

ALWAYS: dict[str, Any] = {"quiet_from": None, "quiet_until": None}


def subscribe(person: Person, browser: Browser, *, mobile: bool = True) -> str:
    given = {**browser.subscription, "mobile": mobile}
    return person.put("/api/attention/subscription", given)["id"]


def ready(server: InProcessServer, push: PushService) -> Browser:
    """A phone that is told at any hour."""
    server.person.put("/api/attention/preferences", ALWAYS)
    phone = push.browser("phone")
    subscribe(server.person, phone)
    return phone


def answer(server: InProcessServer, item: str, decision: str = "allow") -> None:
    server.person.post(f"/api/inbox/{item}/answer", {"id": str(uuid.uuid4()), "decision": decision})


def attention(server: InProcessServer) -> dict[str, Any]:
    return server.person.get("/api/attention")


def whys(server: InProcessServer, item: str) -> list[str]:
    items: list[dict[str, Any]] = attention(server)["items"]
    return [decision["why"] for one in items if one["item"] == item for decision in one["decisions"]]


def outcomes(server: InProcessServer) -> list[tuple[str, str]]:
    return [(d["state"], d["why"]) for n in attention(server)["notifications"] for d in n["deliveries"]]
