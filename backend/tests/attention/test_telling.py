"""What needs the person reaches them: through the API, with real web pushes to a service on loopback."""

from collections.abc import Callable
from typing import Any

import pytest

from mainloop.events import unit
from mainloop.testing.clock import Clock
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop.testing.push_service import PushService
from mainloop.testing.waiting import eventually
from mainloop_models.asks import PermissionAsk
from mainloop_models.events import AgentError
from mainloop_models.runner import AskOpened

from .phones import ALWAYS, answer, attention, outcomes, ready, subscribe, whys


@pytest.mark.spec("attention-8", "attention-9")
def test_what_waits_is_told_once_encrypted_and_goes_away_everywhere_when_it_is_answered(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    phone, other = ready(server, push), push.browser("other")
    subscribe(server.pair(), other)
    ask = server.working().ask_permission("make install")
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
    runner = server.working()
    asks: list[Callable[[], object]] = [
        lambda: runner.ask_permission("pytest -q tests"),
        lambda: runner.ask_permission("make install"),
        # Of what is not shown whole, nobody can say what it does.
        lambda: runner.ask_permission(f"pytest {'x' * 400}"),
        lambda: [runner.ask_permission("pytest") for _ in range(2)],
        lambda: runner.ask_question("Run **`pytest`**?"),
    ]
    for number, ask in enumerate(asks, start=1):
        ask()
        clock.go_on(minutes=3)
        server.look_after()
        phone.wait_for(number)
    assert [word["actions"] for word in phone.got] == [["allow", "deny"], [], [], [], []]
    # Nothing draws Markdown there.
    assert phone.got[-1]["text"] == "Run pytest?"


@pytest.mark.spec("attention-10")
def test_what_was_answered_before_its_time_reaches_nobody(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    phone = ready(server, push)
    runner = server.working()
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
    ask = server.working().ask_permission()
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
    runner, quiet = server.working(), server.working("session-2")
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
    phone, runner = ready(server, push), server.working()
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


@pytest.mark.spec("attention-14")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_restarted_server_tells_nothing_twice_and_forgets_nothing(
    new_server: NewServer, push: PushService, clock: Clock
) -> None:
    server = new_server(reachable="127.0.0.1")
    phone = ready(server, push)
    key = attention(server)["key"]
    runner = server.working()
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
    ask = server.working().ask_permission("make noise")

    def mute(what: str, ident: str, muted: bool = True) -> dict[str, Any]:
        return server.person.put("/api/attention/muted", {"what": what, "id": ident, "muted": muted})

    old = [f"old-{number}" for number in range(500)]
    server.person.put("/api/attention/preferences", {**ALWAYS, "muted_sessions": old})
    # On every device at once.
    other = server.pair()
    with other.follow(other.state()["cursor"]) as follower:
        mute("project", "p")
        # What it says is read, since of two servers one may say late what the other has changed since.
        follower.until(lambda name, data: (name, data) == ("preferences", {"thread_id": "main"}))
        assert other.get("/api/attention/preferences")["muted_projects"] == ["p"]
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


@pytest.mark.spec("attention-48")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_each_item_says_why_it_was_told_and_what_became_of_it(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    ready(server, push)
    ask = server.working().ask_permission("make install")

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


@pytest.mark.spec("attention-9")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_one_of_several_goes_when_the_last_of_it_was_answered_or_told_again(
    server: InProcessServer, push: PushService, clock: Clock
) -> None:
    phone = ready(server, push)
    runner = server.working()
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
    ask = server.working().ask_permission()
    phone.answering.clear()
    clock.go_on(seconds=61)
    server.look_after()
    eventually(lambda: phone.asked)
    answer(server, ask)
    phone.answering.set()
    assert [word["about"] for word in phone.wait_for(2)] == ["push", "clear"]


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
        server.working(f"session-{number}").end("failed", error=AgentError(code="other", message="It broke."))
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
    asking = server.working("session-9")
    for number in range(3):
        answer(server, asking.ask_question(f"Which {number}?"), "dismiss")
    assert offers() == []
