"""What needs the person reaches them: through the API, with real web pushes to a service on loopback."""

import email.message
import email.policy
import socketserver
import threading
import uuid
from collections.abc import Callable, Generator
from typing import Any

import pytest
import sqlalchemy as sa

from mainloop.attention import service
from mainloop.db import tables as t
from mainloop.durable.phases import AT_A_TIME
from mainloop.events import unit
from mainloop.testing.by_hand import HandRunner
from mainloop.testing.clock import Clock
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop.testing.push_service import Browser, PushService
from mainloop.testing.server import Person
from mainloop.testing.waiting import eventually
from mainloop_models.asks import PermissionAsk
from mainloop_models.events import AgentError
from mainloop_models.runner import AskOpened

ALWAYS: dict[str, Any] = {"quiet_from": None, "quiet_until": None}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch, service)


@pytest.fixture
def push() -> Generator[PushService]:
    with PushService() as service:
        yield service


@pytest.fixture
def server(new_server: NewServer) -> InProcessServer:
    return new_server(reachable="127.0.0.1")


def subscribe(person: Person, browser: Browser, *, mobile: bool = True) -> str:
    given = {**browser.subscription, "mobile": mobile}
    return person.put("/api/attention/subscription", given)["id"]


def ready(server: InProcessServer, push: PushService) -> Browser:
    """A phone that is told at any hour."""
    server.person.put("/api/attention/preferences", ALWAYS)
    phone = push.browser("phone")
    subscribe(server.person, phone)
    return phone


def working(server: InProcessServer, ident: str = "session-1") -> HandRunner:
    server.person.post("/api/sessions", {"id": ident, "prompt": "look around"})
    runner = server.runner(ident)
    runner.hello()
    runner.begin()
    return runner


def answer(server: InProcessServer, item: str, decision: str = "allow") -> None:
    server.person.post(f"/api/inbox/{item}/answer", {"id": str(uuid.uuid4()), "decision": decision})


def attention(server: InProcessServer) -> dict[str, Any]:
    return server.person.get("/api/attention")


def whys(server: InProcessServer, item: str) -> list[str]:
    items: list[dict[str, Any]] = attention(server)["items"]
    return [decision["why"] for one in items if one["item"] == item for decision in one["decisions"]]


def outcomes(server: InProcessServer) -> list[tuple[str, str]]:
    return [(d["state"], d["why"]) for n in attention(server)["notifications"] for d in n["deliveries"]]


@pytest.mark.spec("attention-8", "attention-9")
def test_what_waits_is_told_once_encrypted_and_goes_away_everywhere_when_it_is_answered(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    phone, other = ready(server, push), push.browser("other")
    subscribe(server.pair(), other)
    ask = working(server).ask_permission("make install")
    server.look_after()
    eventually(lambda: whys(server, ask) == ["grace"])
    clock.go_on(seconds=61)
    server.look_after()
    (word,) = phone.wait_for(1)
    handle = server.person.get("/api/sessions/session-1")["handle"]
    assert (word["title"], word["text"], word["path"]) == (handle, "Run make install?", f"/s/session-1#ask={ask}")
    assert (word["tag"], word["items"], word["badge"]) == ("session-1", [ask], 1)
    assert phone.headers[0]["urgency"] == "high"
    clock.go_on(minutes=5)
    server.look_after()
    eventually(lambda: whys(server, ask) == ["grace", "push", "told"])
    eventually(lambda: outcomes(server) == [("sent", ""), ("sent", "")])
    answer(server, ask)
    clear = phone.wait_for(2)[1]
    assert (clear["about"], clear["tag"]) == ("clear", "session-1")
    assert len(phone.got) == 2
    # Two devices that are subscribed at once hear the same.
    assert other.wait_for(2) == phone.got


@pytest.mark.spec("attention-41")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_buttons_go_along_with_one_thing_of_low_risk_that_is_shown_whole(
    new_server: NewServer, push: PushService, clock: Clock
) -> None:
    server = new_server(reachable="127.0.0.1", sandbox="bubblewrap")
    phone = ready(server, push)
    runner = working(server)
    asks: list[Callable[[], object]] = [
        lambda: runner.ask_permission("pytest -q tests"),
        lambda: runner.ask_permission("make install"),
        # Of what is not shown whole, nobody can say what it does.
        lambda: runner.ask_permission(f"pytest {'x' * 400}"),
        lambda: [runner.ask_permission("pytest") for _ in range(2)],
        lambda: runner.ask_question("Run pytest?"),
    ]
    for number, ask in enumerate(asks, start=1):
        ask()
        clock.go_on(minutes=3)
        server.look_after()
        phone.wait_for(number)
    assert [word["actions"] for word in phone.got] == [["allow", "deny"], [], [], [], []]


@pytest.mark.spec("attention-10")
def test_what_was_answered_before_its_time_reaches_nobody(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    phone = ready(server, push)
    runner = working(server)
    early = runner.ask_permission("make one")
    server.look_after()
    answer(server, early)
    # Decided, and answered before it was sent.
    late = runner.ask_permission("make two")
    phone.answers = [503]
    clock.go_on(seconds=61)
    server.look_after()
    eventually(lambda: any(n["deliveries"][0]["tries"] == 1 for n in attention(server)["notifications"]))
    answer(server, late)
    clock.go_on(seconds=61)
    server.look_after()
    eventually(lambda: outcomes(server) == [("late", "It was answered, or told again, before it was sent.")])
    assert phone.got == []


@pytest.mark.spec("attention-11")
def test_nobody_who_looks_is_told_and_who_left_is(server: InProcessServer, push: PushService, clock: Clock) -> None:
    phone = ready(server, push)
    ask = working(server).ask_permission()
    clock.go_on(seconds=50)
    server.person.put("/api/presence", None)
    server.look_after()
    eventually(lambda: whys(server, ask)[-1:] == ["looking"])
    clock.go_on(seconds=40)
    server.look_after()
    phone.wait_for(1)
    assert whys(server, ask)[-2:] == ["looking", "push"]


@pytest.mark.spec("attention-12")
def test_several_at_once_are_one_word_and_muted_or_put_off_ones_none(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    phone = ready(server, push)
    server.person.put("/api/attention/preferences", {**ALWAYS, "muted_sessions": ["session-2"]})
    runner, quiet = working(server), working(server, "session-2")
    asks = [runner.ask_permission(f"make {n}") for n in range(4)]
    muted = quiet.ask_permission("make noise")
    server.person.post(f"/api/inbox/{asks[3]}/snooze", {})
    clock.go_on(seconds=61)
    server.look_after()
    (word,) = phone.wait_for(1)
    assert (word["title"], word["path"], word["badge"]) == ("3 things need you", "/sessions", 4)
    assert set(word["items"]) == set(asks[:3])
    eventually(lambda: (whys(server, muted)[-1:], whys(server, asks[3])[-1:]) == (["muted"], ["put_off"]))


@pytest.mark.spec("attention-12")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_five_hundred_at_once_are_one_word_also_where_the_clock_jumps(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    phone, runner = ready(server, push), working(server)
    asks = [
        AskOpened(
            id=f"ask-session-1-call-{n}",
            call_id=f"call-{n}",
            turn=1,
            title=f"Run make {n}?",
            ask=PermissionAsk(tool="Bash", input={"command": f"make {n}"}, command=f"make {n}"),
        )
        for n in range(500)
    ]
    runner.say(*asks)
    clock.go_on(seconds=61)
    server.look_after()
    (word,) = phone.wait_for(1)
    assert (word["title"], word["badge"]) == ("500 things need you", 500)
    for hours in (-1, 1):
        clock.go_on(hours=hours)
        server.look_after()
        assert len(attention(server)["notifications"]) == 1
    clock.go_on(minutes=31)
    server.look_after()
    assert phone.wait_for(2)[1]["badge"] == 500
    clock.go_on(hours=5)
    server.look_after()
    assert len(attention(server)["notifications"]) == 2


@pytest.mark.spec("attention-13")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_service_that_has_enough_is_asked_again_and_one_that_knows_nobody_is_not(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    phone = ready(server, push)
    tablet = push.browser("tablet")
    subscribe(server.pair(), tablet)
    phone.answers, tablet.answers = [429, 500], [410]
    working(server).ask_permission()
    clock.go_on(seconds=61)
    server.look_after()

    def gone() -> list[str]:
        return [n["gone"] for n in attention(server)["notifiers"] if n["gone"]]

    eventually(gone)
    assert "answered 410" in gone()[0]

    def tries() -> list[int]:
        return sorted(d["tries"] for n in attention(server)["notifications"] for d in n["deliveries"])

    for times in (1, 2):
        eventually(lambda times=times: tries() == [1, times])
        clock.go_on(minutes=2)
        server.look_after()
    phone.wait_for(1)
    eventually(lambda: sorted(state for state, _ in outcomes(server)) == ["failed", "sent"])
    assert tablet.got == []


@pytest.mark.spec("attention-14")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_restarted_server_tells_nothing_twice_and_forgets_nothing(
    new_server: NewServer, push: PushService, clock: Clock
) -> None:
    server = new_server(reachable="127.0.0.1")
    phone = ready(server, push)
    key = attention(server)["key"]
    runner = working(server)
    first = runner.ask_permission("make one")
    clock.go_on(seconds=61)
    server.look_after()
    phone.wait_for(1)
    second = runner.ask_permission("make two")
    server.stop()
    server.start()
    clock.go_on(minutes=3)
    server.look_after()
    assert phone.wait_for(2)[1]["items"] == [second]
    eventually(lambda: whys(server, first)[-1:] == ["told"])
    assert attention(server)["key"] == key
    # And once more, half an hour later; then never again.
    for _ in range(3):
        clock.go_on(minutes=31)
        server.look_after()
    # In one, which takes the place of both.
    last = phone.wait_for(4)[2:]
    assert sorted(items for word in last for items in word["items"]) == sorted([first, second])
    assert sorted((word["about"], word["tag"]) for word in last) == [("clear", "session-1"), ("push", "needs-you")]
    assert len(phone.got) == 4


@pytest.mark.spec("attention-15")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_test_is_sent_and_its_outcome_said(server: InProcessServer, push: PushService) -> None:
    phone = push.browser("phone")
    way = subscribe(server.person, phone)
    server.person.post(f"/api/attention/notifiers/{way}/test", {})
    (word,) = phone.wait_for(1)
    assert word["about"] == "test"
    eventually(lambda: outcomes(server) == [("sent", "")])
    # A browser has one subscription: its newest.
    other = push.browser("other")
    newer = subscribe(server.person, other)
    assert [n["id"] for n in attention(server)["notifiers"]] == [newer]
    assert "target" not in attention(server)["notifiers"][0]
    assert server.person.http.post(f"/api/attention/notifiers/{way}/test").status_code == 404
    assert server.person.http.delete(f"/api/attention/notifiers/{newer}").status_code == 204
    assert attention(server)["notifiers"] == []


@pytest.mark.spec("attention-16")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_subscription_that_lies_is_refused_in_words(new_server: NewServer, push: PushService) -> None:
    server = new_server()
    honest = push.browser("phone").subscription
    keys = honest["keys"]
    cases = {
        "https://127.0.0.1/x": "private_address",
        "https://169.254.169.254/latest/meta-data": "private_address",
        "https://[::ffff:10.0.0.1]/x": "private_address",
        "http://example.com/x": "bad_address",
        "https://me:secret@example.com/x": "bad_address",
        "javascript:alert(1)": "bad_address",
        "https://example.com:99999/x": "bad_address",
    }
    for endpoint, code in cases.items():
        answer = server.person.http.put("/api/attention/subscription", json={"endpoint": endpoint, "keys": keys})
        assert (answer.status_code, answer.json()["code"]) == (422, code), endpoint
    for broken in ({**keys, "p256dh": "AAAA"}, {**keys, "auth": "AAAA"}, {**keys, "p256dh": "ä"}):
        given = {"endpoint": "https://example.com/x", "keys": broken}
        assert server.person.http.put("/api/attention/subscription", json=given).json()["code"] == "bad_target"
    # A name that is private where it is looked up is refused when it is used.
    given = {"endpoint": "https://localhost/x", "keys": keys}
    way = server.person.put("/api/attention/subscription", given)["id"]
    server.person.post(f"/api/attention/notifiers/{way}/test", {})
    eventually(lambda: [state for state, _ in outcomes(server)] == ["failed"])
    assert "MAINLOOP_REACHABLE" in outcomes(server)[0][1]


@pytest.mark.spec("attention-17")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_quiet_hours_are_both_or_neither(server: InProcessServer) -> None:
    for until in (None, "07:00:00Z"):
        given = {"quiet_from": "22:00", "quiet_until": until}
        refused = server.person.http.put("/api/attention/preferences", json=given)
        assert (refused.status_code, refused.json()["code"]) == (422, "bad_input"), until
    kept = {"quiet_from": "23:00:00", "quiet_until": "06:00:00", "always": ["permission"], "reminders": False}
    server.person.put("/api/attention/preferences", kept)
    assert attention(server)["preferences"].items() >= kept.items()
    server.person.put("/api/attention/preferences", {"reminders": True})
    assert attention(server)["preferences"].items() >= {**kept, "reminders": True}.items()


@pytest.mark.spec("attention-46")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_one_tap_mutes_and_leaves_the_rest_as_it_is(server: InProcessServer, push: PushService, clock: Clock) -> None:
    phone = ready(server, push)
    ask = working(server).ask_permission("make noise")

    def mute(what: str, ident: str, muted: bool = True) -> dict[str, Any]:
        return server.person.put("/api/attention/muted", {"what": what, "id": ident, "muted": muted})

    old = [f"old-{number}" for number in range(500)]
    server.person.put("/api/attention/preferences", {**ALWAYS, "muted_sessions": old})
    mute("project", "p")
    muted = mute("session", "session-1")
    assert muted["quiet_from"] is None
    assert (muted["muted_projects"], len(muted["muted_sessions"])) == (["p"], 500)
    assert mute("session", "session-1") == muted == server.person.get("/api/attention/preferences")
    clock.go_on(seconds=61)
    server.look_after()
    eventually(lambda: whys(server, ask)[-1:] == ["muted"])
    mute("session", "session-1", muted=False)
    mute("kind", "permission")
    server.look_after()
    eventually(lambda: whys(server, ask)[-1:] == ["muted"])
    mute("kind", "permission", muted=False)
    server.look_after()
    assert phone.wait_for(1)[0]["items"] == [ask]
    refused = server.person.http.put("/api/attention/muted", json={"what": "person", "id": "x", "muted": True})
    assert refused.status_code == 422


@pytest.mark.spec("attention-21")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_what_a_way_is_for_is_changed_without_its_address(server: InProcessServer) -> None:
    given = {"kind": "webhook", "name": "pager", "address": "https://example.com/hook"}
    way = server.person.post("/api/attention/notifiers", given, expect=201)["id"]
    purpose = {"name": "nights", "kinds": ["ceiling"], "hours_from": "22:00", "hours_until": "06:00"}
    changed = server.person.http.patch(f"/api/attention/notifiers/{way}", json=purpose).json()
    assert (changed["name"], changed["kinds"], changed["hours"]) == ("nights", ["ceiling"], ["22:00:00", "06:00:00"])
    assert attention(server)["notifiers"] == [changed]
    half = server.person.http.patch(f"/api/attention/notifiers/{way}", json={**purpose, "hours_until": None})
    assert half.json()["code"] == "bad_input"
    assert server.person.http.patch("/api/attention/notifiers/none", json=purpose).json()["code"] == "unknown_notifier"


@pytest.mark.spec("attention-48")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_each_item_says_why_it_was_told_and_what_became_of_it(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    ready(server, push)
    ask = working(server).ask_permission("make install")

    def of_item() -> dict[str, Any]:
        return server.person.get(f"/api/attention/items/{ask}")

    assert (of_item()["title"], of_item()["notification"]) == ("Run make install?", None)
    server.look_after()
    eventually(lambda: [one["why"] for one in of_item()["decisions"]] == ["grace"])
    clock.go_on(seconds=61)
    server.look_after()

    def went() -> list[dict[str, Any]]:
        told = of_item()["notification"]
        return [] if told is None else told["deliveries"]

    eventually(lambda: [one["state"] for one in went()] == ["sent"])
    assert [one["why"] for one in of_item()["decisions"]][:2] == ["grace", "push"]
    answer(server, ask)
    assert of_item()["state"] == "answered"
    assert server.person.http.get("/api/attention/items/nothing").json()["code"] == "unknown_item"


class Postbox:
    """A mail server on loopback: what was sent, as it was sent."""

    def __init__(self) -> None:
        postbox = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 postbox\r\n")
                while line := self.rfile.readline().strip().upper():
                    if line == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        lines = iter(self.rfile.readline, b".\r\n")
                        postbox.mails.append(email.message_from_bytes(b"".join(lines), policy=email.policy.default))
                    elif line == b"QUIT":
                        self.wfile.write(b"221 bye\r\n")
                        return
                    self.wfile.write(b"250 ok\r\n")

        self.mails: list[email.message.EmailMessage] = []
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]


@pytest.fixture
def postbox() -> Generator[Postbox]:
    postbox = Postbox()
    with postbox.server as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield postbox
        server.shutdown()


@pytest.mark.spec("attention-22", "attention-23")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_mail_is_sent_for_the_kinds_it_is_for_and_its_address_is_never_said(
    server: InProcessServer, postbox: Postbox, clock: Clock
) -> None:
    server.person.put("/api/attention/preferences", ALWAYS)
    address = f"mailto://127.0.0.1:{postbox.port}?from=loop@example.org&to=sam@example.org&mode=insecure"
    given = {"kind": "apprise", "name": "mail", "address": address}
    server.person.post("/api/attention/notifiers", {**given, "kinds": ["permission"]}, expect=201)
    server.person.post("/api/attention/notifiers", {**given, "name": "never", "kinds": ["plan"]}, expect=201)
    assert "sam@example.org" not in str(attention(server))
    working(server).ask_permission("make install")
    clock.go_on(seconds=61)
    server.look_after()
    eventually(lambda: postbox.mails)
    (mail,) = postbox.mails
    assert mail["to"] == "sam@example.org"
    assert "Run make install?" in mail.as_string()
    eventually(lambda: outcomes(server) == [("sent", "")])


@pytest.mark.spec("attention-22")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_what_nothing_can_be_sent_to_is_refused_in_words(server: InProcessServer) -> None:
    for kind, address, code in (
        ("webhook", "https://10.1.2.3/x", "private_address"),
        ("webhook", "mailto:me@example.org", "bad_address"),
        ("apprise", "nonsense://x", "bad_target"),
    ):
        answer = server.person.http.post(
            "/api/attention/notifiers", json={"kind": kind, "name": "x", "address": address}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, code)


def ways_off(server: InProcessServer) -> list[dict[str, Any]]:
    return [item for item in server.person.get("/api/inbox")["items"] if item["kind"] == "way"]


@pytest.mark.spec("attention-24", "attention-31")
def test_a_way_by_which_nothing_arrives_for_days_is_switched_off_said_and_used_again_once_it_works(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    phone = push.browser("phone")
    way = subscribe(server.person, phone)

    def tried() -> list[tuple[str, str]]:
        return [(state, why) for state, why in outcomes(server) if state != "waiting"]

    def try_it(answer: int) -> None:
        before = len(tried())
        phone.answers = [answer]
        server.person.post(f"/api/attention/notifiers/{way}/test", {})
        eventually(lambda: len(tried()) > before)

    def gone() -> str:
        return attention(server)["notifiers"][0]["gone"]

    # Said once to be wrong, so nothing is tried again.
    try_it(400)
    assert gone() == ""
    clock.go_on(days=4)
    try_it(400)
    eventually(lambda: "switched off" in gone())
    (item,) = ways_off(server)
    assert (item["thread_id"], item["decisions"]) == ("main", ["retry", "dismiss"])
    # Its own word is one of what needs the person; writing to the main agent is no answer to it.
    server.person.say("How is it going?")
    assert [one["id"] for one in ways_off(server)] == [item["id"]]
    # Tried from there once more, it does not work yet, which is said again; then it does.
    phone.answers = [503]
    answer(server, item["id"], "retry")
    eventually(lambda: [one["id"] for one in ways_off(server) if one["id"] != item["id"]])
    try_it(201)
    eventually(lambda: (gone(), ways_off(server)) == ("", []))
    # Removed, it waits for nobody either.
    clock.go_on(days=1)
    try_it(400)
    clock.go_on(days=4)
    try_it(400)
    eventually(lambda: ways_off(server))
    assert server.person.http.delete(f"/api/attention/notifiers/{way}").status_code == 204
    assert ways_off(server) == []


@pytest.mark.spec("attention-13")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_of_a_browser_that_is_gone_or_signed_out_no_address_is_kept(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    def kept() -> list[dict[str, str]]:
        query = sa.select(t.notifier.c.target)
        return list(server.parts.database.read(lambda connection: connection.execute(query).scalars()))

    phone, tablet = push.browser("phone"), push.browser("tablet")
    phone.answers = [410]
    way = subscribe(server.person, phone)
    other = server.pair()
    subscribe(other, tablet)
    server.person.post(f"/api/attention/notifiers/{way}/test", {})
    eventually(lambda: "answered 410" in attention(server)["notifiers"][0]["gone"])
    assert sorted(len(target) for target in kept()) == [0, 3]
    device = other.state()["device"]["id"]
    assert server.person.http.delete(f"/api/devices/{device}").status_code in (200, 204)
    assert len(attention(server)["notifiers"]) == 1
    server.parts.database.write(server.parts.attention.tidy)
    assert kept() == [{}]


@pytest.mark.spec("attention-32")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_way_that_hangs_holds_up_neither_the_others_nor_the_sessions(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    hanging = push.browser("hook")
    hanging.answering.clear()
    hanging.answers = [410]
    dead = {"kind": "webhook", "name": "dead", "address": hanging.endpoint}
    way = server.person.post("/api/attention/notifiers", dead, expect=201)["id"]
    # More than the server carries out at a time.
    for _ in range(AT_A_TIME + 1):
        server.person.post(f"/api/attention/notifiers/{way}/test", {})
    eventually(lambda: hanging.asked)
    phone = ready(server, push)
    ask = working(server).ask_permission("make install")
    clock.go_on(seconds=61)
    server.look_after()
    assert phone.wait_for(1)[0]["items"] == [ask]
    # One after the other, as long as the first one hangs.
    assert hanging.asked == 1


@pytest.mark.spec("attention-9")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_one_of_several_goes_when_the_last_of_it_was_answered_or_told_again(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    phone = ready(server, push)
    runner = working(server)
    first, second = runner.ask_permission("make one"), runner.ask_permission("make two")
    clock.go_on(seconds=61)
    server.look_after()
    assert phone.wait_for(1)[0]["tag"] == "needs-you"
    answer(server, second)
    clock.go_on(minutes=31)
    server.look_after()
    # What is left is told again under its session, and what spoke of both goes.
    told = {(word["about"], word["tag"]) for word in phone.wait_for(3)[1:]}
    assert told == {("push", "session-1"), ("clear", "needs-you")}
    answer(server, first)
    assert phone.wait_for(4)[3]["tag"] == "session-1"


@pytest.mark.spec("attention-9")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_what_is_answered_while_it_is_on_its_way_goes_after_it(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    phone = ready(server, push)
    ask = working(server).ask_permission()
    phone.answering.clear()
    clock.go_on(seconds=61)
    server.look_after()
    eventually(lambda: phone.asked)
    answer(server, ask)
    phone.answering.set()
    assert [word["about"] for word in phone.wait_for(2)] == ["push", "clear"]


@pytest.mark.spec("attention-14")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_browser_that_was_signed_out_is_told_nothing_more(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    ready(server, push)
    other = server.pair()
    tablet = push.browser("tablet")
    subscribe(other, tablet)
    tablet.answers = [503]
    working(server).ask_permission()
    clock.go_on(seconds=61)
    server.look_after()
    eventually(lambda: any("503" in why for _, why in outcomes(server)))
    (device,) = [d["id"] for d in other.get("/api/devices")["devices"] if d["this"]]
    server.person.http.delete(f"/api/devices/{device}")
    clock.go_on(minutes=2)
    server.look_after()
    eventually(lambda: any("signed out" in why for _, why in outcomes(server)))
    assert tablet.got == []


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_look_that_stumbles_keeps_no_other_from_looking(server: InProcessServer) -> None:
    looked: list[str] = []

    def stumbles(connection: object) -> list[unit.Act]:
        raise TypeError("as a bad row makes it")

    def looks(connection: object) -> list[unit.Act]:
        looked.append("looked")
        return [lambda _: 1 / 0, lambda _: looked.append("done")]

    server.parts.janitor.every_beat(stumbles)
    server.parts.janitor.every_beat(looks)
    server.look_after()
    assert looked[:2] == ["looked", "done"]


@pytest.mark.spec("attention-33")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_who_dismissed_three_in_a_row_may_mute_the_kind_and_is_asked_once(server: InProcessServer) -> None:
    def offers() -> list[str]:
        return attention(server)["offers"]

    def breaks(number: int, decision: str = "dismiss") -> None:
        working(server, f"session-{number}").end("failed", error=AgentError(code="other", message="It broke."))
        (item,) = server.person.get("/api/inbox")["items"]
        assert item["kind"] == "failure"
        answer(server, item["id"], decision)

    for number in range(2):
        breaks(number)
    assert offers() == []
    breaks(2)
    assert offers() == ["failure"]
    # Asked and said no to, it is not asked again; muted, it is settled.
    server.person.put("/api/attention/preferences", {**ALWAYS, "kept_kinds": ["failure"]})
    assert offers() == []
    server.person.put("/api/attention/preferences", {**ALWAYS, "muted_kinds": ["failure"], "kept_kinds": []})
    assert offers() == []
    # One that was tried again shows that they want to know.
    server.person.put("/api/attention/preferences", {**ALWAYS, "muted_kinds": []})
    assert offers() == ["failure"]
    breaks(3, "retry")
    assert offers() == []
    # What asks is never muted by a suggestion.
    asking = working(server, "session-9")
    for number in range(3):
        answer(server, asking.ask_question(f"Which {number}?"), "dismiss")
    assert offers() == []
