"""The ways by which somebody is told: browsers, mail, addresses; what is refused, fails, hangs and is switched off."""

import email.message
import email.policy
import socketserver
import threading
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mainloop.attention import service, store
from mainloop.db import tables as t
from mainloop.durable.phases import AT_A_TIME
from mainloop.testing.clock import Clock
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop.testing.push_service import PushService
from mainloop.testing.waiting import eventually

from .phones import ALWAYS, answer, attention, outcomes, ready, subscribe


@pytest.mark.spec("attention-13")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_service_that_has_enough_is_asked_again_and_one_that_knows_nobody_is_not(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    phone = ready(server, push)
    tablet = push.browser("tablet")
    subscribe(server.pair(), tablet)
    phone.answers, tablet.answers = [429, 500], [410]
    server.working().ask_permission()
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
    server.working().ask_permission("make install")
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


@pytest.mark.spec("attention-25")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_machine_without_a_line_for_days_switches_nothing_off_and_what_still_waits_goes_out_once_there_is_one(
    server: InProcessServer, push: PushService, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "TRIES", tries_each := 2)
    with PushService() as elsewhere:
        server.person.put("/api/attention/preferences", {**ALWAYS, "reminders": False})
        phone, tablet = push.browser("phone"), elsewhere.browser("tablet")
        way = subscribe(server.person, phone)
        subscribe(server.pair(), tablet)
        push.close()
        elsewhere.close()

        def tries(item: str) -> list[int]:
            """Of those that were not delivered yet."""
            told = [n for n in attention(server)["notifications"] if n["items"] == [item]]
            return [d["tries"] for n in told for d in n["deliveries"] if d["state"] == "waiting"]

        def sent() -> int:
            return [state for state, _ in outcomes(server)].count("sent")

        def fails(item: str) -> None:
            """The tablet does not get it although the phone is reached, again and again."""
            while before := tries(item):
                clock.go_on(hours=1)
                reached = sent()
                server.person.post(f"/api/attention/notifiers/{way}/test", {})
                eventually(lambda reached=reached: sent() > reached)
                server.look_after()
                eventually(lambda before=before: tries(item) != before)

        def told() -> list[list[str]]:
            return [word["items"] for word in phone.got if word["about"] == "push"]

        over = server.working().ask_permission("make one")
        clock.go_on(seconds=61)
        server.look_after()
        eventually(lambda: tries(over) == [1, 1])
        answer(server, over)
        still = server.working("session-2").ask_permission("make two")
        clock.go_on(minutes=3)
        server.look_after()
        eventually(lambda: tries(still) == [1, 1])
        # Days, and more tries than a way has with a line.
        while min(before := tries(still)) <= tries_each + 2:
            clock.go_on(days=1)
            server.look_after()
            eventually(lambda before=before: all(now > was for now, was in zip(tries(still), before, strict=True)))
        assert [n["gone"] for n in attention(server)["notifiers"]] == ["", ""]
        assert ways_off(server) == []
        assert {state for state, _ in outcomes(server)} == {"late", "waiting"}
        # One of them is reached: what could not go out does, and what can't yet fails by itself from now on.
        push.back()
        clock.go_on(days=1)
        server.look_after()
        eventually(lambda: told() == [[still]])
        fails(still)
        assert sorted({state for state, _ in outcomes(server)}) == ["failed", "late", "sent"]
        assert ways_off(server) == []
        # Days later it still is not, though others are.
        answer(server, still)
        clock.go_on(days=3)
        last = server.working("session-3").ask_permission("make three")
        clock.go_on(minutes=3)
        server.look_after()
        eventually(lambda: told() == [[still], [last]])
        fails(last)
        eventually(lambda: ways_off(server))
        assert sorted("switched off" in n["gone"] for n in attention(server)["notifiers"]) == [False, True]


@pytest.mark.spec("attention-14", "attention-25")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_what_waits_for_the_line_outlives_the_server_and_a_line_that_goes_again(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    with PushService() as elsewhere:
        server.person.put("/api/attention/preferences", {**ALWAYS, "reminders": False})
        phone, tablet = push.browser("phone"), elsewhere.browser("tablet")
        subscribe(server.person, phone)
        subscribe(server.pair(), tablet)
        push.close()
        elsewhere.close()
        server.working().ask_permission("make one")
        clock.go_on(seconds=61)
        server.look_after()

        def waiting() -> list[int]:
            told = attention(server)["notifications"]
            return [d["tries"] for n in told for d in n["deliveries"] if d["state"] == "waiting"]

        def try_again() -> None:
            before = waiting()
            clock.go_on(hours=1)
            server.look_after()
            eventually(lambda: all(now > was for now, was in zip(waiting(), before, strict=False)))

        eventually(lambda: len(waiting()) == 2 and all(waiting()))
        # More often than a way is tried with a line.
        while min(waiting()) <= service.TRIES:
            try_again()
        server.stop()
        server.start()
        push.back()
        try_again()
        phone.wait_for(1)
        eventually(lambda: len(waiting()) == 1)
        # Reached was the phone, and then nobody any more.
        push.close()
        for _ in range(service.TRIES + 1):
            try_again()
            assert len(waiting()) == 1
        elsewhere.back()
        clock.go_on(hours=1)
        server.look_after()
        tablet.wait_for(1)


@pytest.mark.spec("attention-25")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_of_the_digests_that_waited_for_the_line_those_of_earlier_days_are_not_sent(
    new_server: NewServer, push: PushService, clock: Clock
) -> None:
    server = new_server(time_zone="UTC", reachable="127.0.0.1")
    phone = push.browser("phone")
    subscribe(server.person, phone)
    hour = (clock.now() + timedelta(hours=5)).strftime("%H:00")
    server.person.put("/api/attention/preferences", {**ALWAYS, "reminders": False, "digest_hours": [hour]})
    server.person.put("/api/presence", None)
    push.close()
    days = 3
    for day in range(1, days + 1):
        server.working(f"session-{day}").end(text="It is built.")
        clock.go_on(days=1)
        server.look_after()

        def tried(day: int = day) -> bool:
            said = [n for n in attention(server)["notifications"] if n["about"] == "digest"]
            return len(said) == day and all(d["tries"] for n in said for d in n["deliveries"])

        eventually(tried)
    push.back()
    clock.go_on(hours=2)
    server.look_after()
    eventually(lambda: "waiting" not in [state for state, _ in outcomes(server)])
    assert [state for state, _ in outcomes(server)] == ["sent", *["late"] * (days - 1)]
    assert [word["about"] for word in phone.got] == ["digest"]


@pytest.mark.spec("attention-24")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_way_that_fails_is_noticed_also_where_each_time_one_answers_before_its_last_try(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    tablet = push.browser("tablet")
    subscribe(server.person, tablet)
    server.person.put("/api/attention/preferences", ALWAYS)
    for number in (1, 2):
        tablet.answers = [503]
        ask = server.working(f"session-{number}").ask_permission()
        clock.go_on(minutes=3)
        server.look_after()
        eventually(lambda number=number: len(outcomes(server)) == number and "503" in outcomes(server)[0][1])
        answer(server, ask)
        clock.go_on(hours=1)
        server.look_after()
        eventually(lambda number=number: [state for state, _ in outcomes(server)] == ["late"] * number)
        clock.go_on(days=4)
    (item,) = eventually(lambda: ways_off(server))
    assert "503" in item["notice"]["text"]


@pytest.mark.spec("attention-25")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_of_what_another_server_has_settled_nothing_is_kept(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    phone = ready(server, push)
    phone.answers = [503]
    server.working().ask_permission()
    clock.go_on(seconds=61)
    server.look_after()
    eventually(lambda: [state for state, why in outcomes(server) if "503" in why] == ["waiting"])
    attending = server.parts.attention
    (ident,) = attending.line.known()
    server.parts.database.write(attending.tidy)
    assert attending.line.known() == {ident}
    server.parts.database.write(lambda unit: store.settle(unit, ident, "sent"))
    server.parts.database.write(attending.tidy)
    assert attending.line.known() == set()


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
    ask = server.working().ask_permission("make install")
    clock.go_on(seconds=61)
    server.look_after()
    assert phone.wait_for(1)[0]["items"] == [ask]
    # One after the other, as long as the first one hangs.
    assert hanging.asked == 1


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
    server.working().ask_permission()
    clock.go_on(seconds=61)
    server.look_after()
    eventually(lambda: any("503" in why for _, why in outcomes(server)))
    (device,) = [d["id"] for d in other.get("/api/devices")["devices"] if d["this"]]
    server.person.http.delete(f"/api/devices/{device}")
    clock.go_on(minutes=2)
    server.look_after()
    eventually(lambda: any("signed out" in why for _, why in outcomes(server)))
    assert tablet.got == []
