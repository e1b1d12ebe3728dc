"""The life of an item, whatever happens in whatever order: properties, not cases."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop.testing.server import Person
from mainloop_models import runner as r
from mainloop_models.asks import PlanAsk, form_of

# The server lives in this process, and its threads draw lots of their own while a story is made up.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")
SLOW: Final = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)
DECISIONS: Final = {
    "permission": ("allow", "deny"),
    "plan": ("approve", "deny"),
    "question": ("answer", "dismiss"),
    "form": ("deny", "dismiss"),
}
FORM: Final = form_of("How many?", {"type": "object", "properties": {"n": {"type": "integer"}}})
OVER: Final = ("cancelled", "done", "failed")

which = st.integers(0, 9)
deeds = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(sorted(DECISIONS))),
    st.tuples(st.just("ask"), st.sampled_from(sorted(DECISIONS))),
    st.tuples(st.just("answer"), which, st.integers(0, 1), st.integers(0, 1)),
    st.tuples(st.just("both"), which),
    *(st.tuples(st.just(name), which) for name in ("again", "withdraw", "take", "snooze", "ask_again")),
    *(st.tuples(st.just(name)) for name in ("replay", "end", "interrupt", "cancel", "close", "restart")),
)

# What is done to an ask once it was answered, and once it has closed itself.
AFTER: Final = [(name, 0) for name in ("again", "take", "withdraw", "ask_again", "both", "snooze", "again")]
EVERYTHING: Final[list[tuple[Any, ...]]] = [
    ("ask", "permission"),
    ("answer", 0, 0, 0),
    *AFTER,
    ("replay",),
    ("restart",),
    *AFTER,
    ("cancel",),
    ("ask", "plan"),
    ("ask", "question"),
    ("ask", "form"),
    ("end",),
    ("ask", "permission"),
    ("interrupt",),
    ("ask", "question"),
    ("ask", "permission"),
    ("restart",),
    ("close",),
    *((name, n) for n in range(8) for name in ("both", "again")),
]


@dataclass
class Story:
    """Sessions one after the other, their asks, and two devices that answer."""

    server: InProcessServer
    new_server: NewServer
    devices: list[Person]
    session: str = ""
    runner: HandRunner | None = None
    # Every ask so far: its kind and its session. Every answer that was accepted: its id and what it was.
    asks: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    accepted: dict[str, list[tuple[str, str]]] = field(default_factory=dict[str, list[tuple[str, str]]])

    def do(self, deed: tuple[Any, ...]) -> None:
        name, *given = deed
        act: Callable[..., None] = getattr(self, name)
        if name in ("again", "answer", "both", "withdraw", "take", "snooze", "ask_again"):
            if not self.asks:
                return
            given[0] = list(self.asks)[given[0] % len(self.asks)]
        act(*given)
        self.check()

    def at_work(self) -> HandRunner:
        if self.runner is None:
            self.session = f"session-{uuid.uuid4()}"
            self.devices[0].post("/api/sessions", {"id": self.session, "prompt": "look around"})
            self.runner = self.server.runner(self.session)
            self.runner.hello()
            self.runner.begin()
        return self.runner

    def mine(self, ask: str) -> bool:
        return self.runner is not None and self.asks[ask][1] == self.session

    # ---- what can happen --------------------------------------------------------------------------------------
    def ask(self, kind: str) -> None:
        runner = self.at_work()
        make = {
            "permission": runner.ask_permission,
            "question": runner.ask_question,
            "plan": lambda: runner.ask(PlanAsk(plan="1. Look")),
            "form": lambda: runner.ask(FORM),
        }
        self.asks[make[kind]()] = (kind, self.session)

    def ask_again(self, ask: str) -> None:
        """The same call is made again, as after a resume."""
        if self.mine(ask) and self.asks[ask][0] == "permission":
            self.at_work().ask_permission(call_id=f"call-{ask.rsplit('-call-', 1)[1]}")

    def answer(self, ask: str, device: int, choice: int) -> None:
        self.give(ask, device, DECISIONS[self.asks[ask][0]][choice], f"answer-{uuid.uuid4()}")

    def both(self, ask: str) -> None:
        """Two devices at once, one for and one against."""

        def give(number: int) -> None:
            self.answer(ask, number, number)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(give, (0, 1)))

    def again(self, ask: str) -> None:
        """The answer to an accepted answer was lost: it is sent again, and gets the same."""
        for ident, decision in self.accepted.get(ask, []):
            before = self.item(ask)
            status, body = self.send(ask, 0, decision, ident)
            assert (status, body["answer"]) == (200, before["answer"])

    def withdraw(self, ask: str) -> None:
        if self.mine(ask):
            self.at_work().say(r.AskWithdrawn(ask_id=ask, reason="The call was interrupted."))

    def take(self, ask: str) -> None:
        if self.mine(ask):
            self.at_work().say(r.AnswerTaken(ask_id=ask))

    def snooze(self, ask: str) -> None:
        self.devices[1].http.post(f"/api/inbox/{ask}/snooze", json={})

    def replay(self) -> None:
        """A runner that does not know what arrived says all of it again."""
        if self.runner is not None:
            before = self.log()
            self.runner.send(self.runner.spool)
            assert self.log() == before

    def end(self, outcome: Any = "completed") -> None:
        if self.runner is not None:
            self.runner.end(outcome)
            assert self.open_in(self.session) == []
            self.devices[0].say("go on", self.session)
            self.runner.begin()

    def interrupt(self) -> None:
        self.end("interrupted")

    def cancel(self) -> None:
        if self.runner is not None:
            self.devices[1].post(f"/api/sessions/{self.session}/cancel")
            self.over()

    def close(self) -> None:
        if self.runner is not None:
            self.runner.end()
            self.devices[1].post(f"/api/sessions/{self.session}/close")
            self.over()

    def over(self) -> None:
        assert self.runner is not None
        assert self.open_in(self.session) == []
        self.runner.die()
        self.runner = None

    def restart(self) -> None:
        """The server ends, and another one goes on with its books; runners and browsers live on."""
        before = (self.log(), self.listed())
        port = self.server.settings.port
        self.server.stop()
        self.server = self.new_server(port=port)
        assert (self.log(), self.listed()) == before

    # ---- what is there ----------------------------------------------------------------------------------------
    def send(self, ask: str, device: int, decision: str, ident: str) -> tuple[int, Any]:
        body: dict[str, Any] = {"id": ident, "decision": decision}
        if decision == "answer":
            body["text"] = "as you like"
        done = self.devices[device].http.post(f"/api/inbox/{ask}/answer", json=body)
        return done.status_code, done.json()

    def give(self, ask: str, device: int, decision: str, ident: str) -> None:
        status, body = self.send(ask, device, decision, ident)
        if status == 200:
            assert body["answer"]["decision"] == decision
            self.accepted.setdefault(ask, []).append((ident, decision))
        else:
            assert (status, body["code"]) in ((409, "already_answered"), (409, "item_closed"))
            assert body["item"]["id"] == ask

    def log(self) -> dict[str, list[Any]]:
        """Each ask with all that the log ever said of it."""
        told: dict[str, list[Any]] = {ask: [] for ask in self.asks}
        for session in {session for _, session in self.asks.values()}:
            for event in self.devices[0].events(session):
                if event["kind"] == "item":
                    told[event["body"]["id"]].append(event["body"])
        return told

    def item(self, ask: str) -> Any:
        return self.log()[ask][-1]

    def listed(self) -> list[str]:
        return sorted(item["id"] for item in self.devices[1].get("/api/inbox")["items"])

    def open_in(self, session: str) -> list[str]:
        return [i["id"] for i in self.devices[0].get("/api/inbox")["items"] if i["thread_id"] == session]

    def check(self) -> None:
        log = self.log()
        for ask, told in log.items():
            answers = [body["answer"] for body in told if body["state"] == "answered"]
            assert all(answer == answers[0] for answer in answers), "an answer never changes"
            states = [body["state"] for body in told]
            assert "answered" not in states or set(states[states.index("answered") :]) == {"answered"}, "nor goes"
            accepted = self.accepted.get(ask, [])
            assert len(accepted) == (1 if answers else 0), "an ask has one answer"
            assert [answer["decision"] for answer in answers[:1]] == [decision for _, decision in accepted]
            if told[-1]["state"] == "closed":
                assert told[-1]["closed_by"], "what closes itself says why"
        assert self.listed() == sorted(ask for ask, told in log.items() if told[-1]["state"] == "open")
        for session in {session for _, session in self.asks.values()}:
            state = self.devices[0].get(f"/api/sessions/{session}")["state"]
            waits = self.open_in(session)
            assert not (state in OVER and waits), "a session that is over waits for nothing"
            assert bool(waits) == (state == "waiting")
        if self.runner is not None:
            for given in self.runner.work().answers:
                assert [(given.answer.decision.value)] == [d for _, d in self.accepted[given.ask_id]]


def play(server: InProcessServer, new_server: NewServer, examples: int) -> None:
    devices = [server.pair(), server.pair()]
    newest = [server]

    @settings(max_examples=examples, suppress_health_check=SLOW, database=None)
    @example(EVERYTHING)
    @given(st.lists(deeds, min_size=8, max_size=20))
    def one(story: list[tuple[Any, ...]]) -> None:
        told = Story(newest[0], new_server, devices)
        try:
            for deed in story:
                told.do(deed)
        finally:
            newest[0] = told.server
            if told.runner is not None:
                told.devices[0].post(f"/api/sessions/{told.session}/cancel")
                told.runner.die()

    one()


@pytest.mark.spec("inbox-7", "inbox-16", "inbox-17")
def test_an_item_has_one_answer_and_none_is_left_open_whatever_happens(new_server: NewServer) -> None:
    play(new_server(), new_server, 2)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.spec("inbox-7", "inbox-16", "inbox-17")
def test_an_item_has_one_answer_and_none_is_left_open_in_many_stories(new_server: NewServer) -> None:
    play(new_server(), new_server, 40)
