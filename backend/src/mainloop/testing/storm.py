"""A storm: server, runners, agents, tools, the machine and the database are killed at random, while people write,
answer and watch. Afterwards the books have to be right.

What is written, answered and killed, and in which order, follows from the seed; when they meet, from the machine.
"""

import json
import random
import signal
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from mainloop.access.service import new_code
from mainloop.testing import ledger
from mainloop.testing.kills import Model, Victim, database_of, kill, processes
from mainloop.testing.scripted_model import call, script
from mainloop.testing.server import Person, ServerProcess, frames

MAIN: Final = "main"
SIGNALS: Final = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
VICTIMS: Final[dict[Victim, int]] = {"server": 3, "runner": 4, "agent": 4, "tool": 2, "machine": 1}
# A storm that has passed may be followed by so much stillness (seconds) before what is not done counts as stuck.
STILL: Final = 120.0
# A person has so many messages under way in one conversation.
UNDER_WAY: Final = 3
# So long nothing may be done between two kills (seconds).
PATIENCE: Final = 5.0
WORDS: Final = "one two three four five six seven eight nine ten eleven twelve"
REFUSED: Final = (404, 409, 410, 422)


@dataclass(frozen=True)
class Weather:
    """How bad it gets."""

    seed: int
    kills: int
    sessions: int = 3
    browsers: int = 2
    # Seconds between two kills, on average.
    pause: float = 1.0
    # Breaks every connection to the database, where that is not a file.
    database: Callable[[], None] | None = None
    # What real agents talk to: it knows what they were told.
    model: Model | None = None


@dataclass
class Toll:
    """What it has cost, and what was wrong afterwards: nothing, or the sentences in `wrong`."""

    weather: Weather
    killed: Counter[str] = field(default_factory=Counter[str])
    said: int = 0
    turns: int = 0
    cut_off: int = 0
    answered: int = 0
    results: int = 0
    runs: int = 0
    events: int = 0
    commands: int = 0
    seconds: float = 0
    wrong: list[str] = field(default_factory=list[str])


class Browser(threading.Thread):
    """Follows the stream from one connection to the next, and knows of each thread what the page would know."""

    def __init__(self, person: Person, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self._person = person
        self._over = over
        self.cursor: str = person.state()["cursor"]
        self.seqs: dict[str, int] = {}
        self.wrong: list[str] = []
        self._line: socket.socket | None = None
        self.under_way: dict[str, set[str]] = {}
        self.turns: dict[str, int] = {}
        self.items: dict[str, dict[str, Any]] = {}
        # Turns begun and ended, calls, asks: all but words.
        self.done = 0

    def run(self) -> None:
        while not self._over.is_set():
            with suppress(httpx.HTTPError):
                self._follow()
            self._over.wait(0.1)

    def _follow(self) -> None:
        with self._person.http.stream("GET", "/api/events", params={"after": self.cursor, "live": "none"}) as answer:
            if answer.status_code != 200:
                return
            self._line = answer.extensions["network_stream"].get_extra_info("socket")
            for name, cursor, data in frames(answer.iter_lines()):
                if name == "reset":
                    self.wrong.append(f"A browser at {self.cursor} was told to load everything again.")
                if name == "event":
                    self._take(data)
                    self.cursor = cursor
                if self._over.is_set():
                    return

    def leave(self) -> None:
        """Hang up, whatever comes or does not come. Everybody has been told that it is over."""
        while self.is_alive():
            with suppress(OSError):
                if self._line is not None:
                    self._line.shutdown(socket.SHUT_RDWR)
            self.join(0.5)
        self._person.http.close()

    def _take(self, event: dict[str, Any]) -> None:
        thread, seq, kind, body = event["thread_id"], event["seq"], event["kind"], event["body"]
        before = self.seqs.get(thread, seq - 1)
        if seq - before != 1:
            self.wrong.append(f"A browser saw {seq} after {before} of {thread}.")
        self.seqs[thread] = seq
        self.done += kind in ("turn_started", "turn_ended", "tool_call", "item")
        if kind == "message" and body["role"] != "assistant":
            under_way = self.under_way.setdefault(thread, set())
            (under_way.add if body["status"] == "queued" else under_way.discard)(body["id"])
        elif kind == "turn_started":
            self.turns[thread] = body["turn"]
        elif kind == "turn_ended":
            self.turns.pop(thread, None)
        elif kind == "item" and body["state"] == "open":
            self.items[body["id"]] = body
        elif kind == "item":
            self.items.pop(body["id"], None)


def _mark(ident: str) -> str:
    """By which a message is known in what the model is told."""
    return f"Request {ident[:8]}."


class Storm:
    """One installation in it. `server` runs when it begins and when it ends."""

    def __init__(self, server: ServerProcess, weather: Weather) -> None:
        self._server = server
        self._weather = weather
        self._database = database_of(server)
        self._me = self._person()
        self._calm = threading.Event()
        self._over = threading.Event()
        self._browsers = [Browser(self._person(), self._over) for _ in range(weather.browsers)]
        self._accepted: dict[str, str] = {}
        self._toll = Toll(weather)

    def rage(self) -> Toll:
        """Begin, kill, let it pass, and look at what is left."""
        began = time.monotonic()
        threads = [MAIN, *(self._start(n) for n in range(self._weather.sessions))]
        authors = [threading.Thread(target=self._write, args=(thread,), daemon=True) for thread in threads]
        answerer = threading.Thread(target=self._answer, daemon=True)
        for each in (*self._browsers, *authors, answerer):
            each.start()
        try:
            self._kill()
        finally:
            self._calm.set()
        for author in authors:
            author.join()
        books = self._settled()
        self._over.set()
        answerer.join()
        for browser in self._browsers:
            browser.leave()
        self._me.http.close()
        self._look(books)
        self._database.close()
        self._toll.seconds = time.monotonic() - began
        return self._toll

    # -- who kills ---------------------------------------------------------------------------------------------
    def _kill(self) -> None:
        dice = random.Random(f"{self._weather.seed} kills")
        victims = {**VICTIMS, **({"database": 2} if self._weather.database else {})}
        while self._toll.killed.total() < self._weather.kills:
            self._calm.wait(dice.expovariate(1 / self._weather.pause))
            self._until_something_is_done()
            victim = dice.choices(list(victims), list(victims.values()))[0]
            self._end(dice, victim)
            if self._server.process is not None and self._server.process.poll() is not None:
                # What dies while nobody can be told of it.
                if dice.random() < 0.4:
                    self._end(dice, dice.choice(("runner", "agent", "tool")))
                self._calm.wait(dice.random())
                self._server.start()

    def _until_something_is_done(self) -> None:
        """On a slow machine, too, turns come on between two kills: where nothing is done, nothing can be lost."""
        before, until = self._browsers[0].done, time.monotonic() + PATIENCE
        while self._browsers[0].done == before and time.monotonic() < until:
            self._calm.wait(0.05)

    def _end(self, dice: random.Random, victim: str) -> None:
        if victim == "database":
            assert self._weather.database is not None
            self._weather.database()
            self._toll.killed[victim] += 1
            return
        number = dice.choice(SIGNALS)
        folders = sorted((self._server.home / "threads").glob("*"))
        order = [path.name for path in dice.sample(folders, len(folders))]
        # Whoever has none of these is left alone; a tool only lives for a moment.
        for thread in order if victim not in ("server", "machine") else order[:1]:
            if kill(self._server, thread, victim, number):  # pyright: ignore[reportArgumentType]
                self._toll.killed[victim] += 1
                return

    # -- who writes --------------------------------------------------------------------------------------------
    def _person(self) -> Person:
        return Person(self._server.url, new_code(self._database))

    def _start(self, number: int) -> str:
        ident = str(uuid.UUID(int=random.Random(f"{self._weather.seed} session {number}").getrandbits(128), version=4))
        self._insist("/api/sessions", {"id": ident, "prompt": "Say hello.", "title": f"work {number}"})
        return ident

    def _write(self, thread: str) -> None:
        """Say one thing after the other, in no hurry, and sometimes stop what runs."""
        dice = random.Random(f"{self._weather.seed} author {thread}")
        watch = self._browsers[0]
        while not self._calm.is_set():
            if len(watch.under_way.get(thread, ())) < UNDER_WAY:
                steps = self._main_steps(dice) if thread == MAIN else self._steps(dice)
                self._say(dice, thread, script(*steps), dice.choice(("queue", "queue", "steer")))
            if dice.random() < 0.1 and (turn := watch.turns.get(thread)):
                self._insist(f"/api/threads/{thread}/interrupt", {"turn": turn})
            self._calm.wait(dice.random() * 3)
        self._say(dice, thread, script({"text": "Done, and good night."}), "queue")

    def _say(self, dice: random.Random, thread: str, text: str, mode: str) -> None:
        ident = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        body = {"id": ident, "text": f"{_mark(ident)} {text}", "mode": mode}
        if self._insist(f"/api/threads/{thread}/messages", body):
            self._accepted[ident] = thread

    def _steps(self, dice: random.Random) -> list[dict[str, Any]]:
        return [*(self._step(dice) for _ in range(dice.randint(0, 3))), {"text": WORDS, **self._slowly(dice)}]

    def _step(self, dice: random.Random) -> dict[str, Any]:
        match dice.choice(("command", "look", "ask", "report")):
            case "command":
                mark = f"{dice.getrandbits(48):012x}"
                return call("Bash", command=f"echo {mark} >> runs; sleep {dice.random():.1f}")
            case "look":
                return {"text": "I look.", **call("Bash", command="ls -la")}
            case "ask":
                options = [{"label": "left", "description": ""}, {"label": "right", "description": ""}]
                asked = {"question": "Which one?", "header": "", "multiSelect": False, "options": options}
                return call("mcp__mainloop__ask", questions=[asked])
            case _:
                return call("mcp__mainloop__report", text=f"Found {dice.getrandbits(32):08x}.")

    def _main_steps(self, dice: random.Random) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = []
        if dice.random() < 0.2:
            prompt = script({"text": WORDS, **self._slowly(dice)})
            title = f"side {dice.getrandbits(32):08x}"
            steps.append(call("mcp__mainloop__spawn_session", title=title, prompt=prompt, wake=dice.random() < 0.5))
        return [*steps, {"text": WORDS, **self._slowly(dice)}]

    @staticmethod
    def _slowly(dice: random.Random) -> dict[str, Any]:
        return {"chunks": dice.randint(1, 12), "chunk_delay": dice.random() * 0.2}

    # -- who answers -------------------------------------------------------------------------------------------
    def _answer(self) -> None:
        """Answer what waits, from another browser than the one that wrote."""
        dice = random.Random(f"{self._weather.seed} answers")
        watch = self._browsers[-1]
        while not self._over.wait(0.2 + dice.random()):
            for item in list(watch.items.values()):
                body = {"id": str(uuid.uuid4()), **self._decision(dice, item)}
                if self._insist(f"/api/inbox/{item['id']}/answer", body):
                    self._toll.answered += 1
                watch.items.pop(item["id"], None)

    @staticmethod
    def _decision(dice: random.Random, item: dict[str, Any]) -> dict[str, Any]:
        match item["kind"]:
            case "permission":
                return {"decision": "allow" if dice.random() < 0.8 else "deny"}
            case "question":
                return {"decision": "answer", "answers": {q["question"]: "left" for q in item["ask"]["questions"]}}
            case "plan":
                return {"decision": "approve"}
            case _:
                return {"decision": "retry"}

    def _insist(self, path: str, body: dict[str, Any]) -> bool:
        """Send it until it was taken or refused: what a browser's outbox does. Whether it was taken."""
        while True:
            with suppress(httpx.TransportError):
                answer = self._me.http.post(path, json=body)
                if answer.status_code < 300:
                    return True
                if answer.status_code in REFUSED:
                    return False
                if answer.status_code < 500:
                    self._toll.wrong.append(f"{path} was answered with {answer.status_code}: {answer.text}")
                    return False
            self._over.wait(0.2)

    # -- afterwards --------------------------------------------------------------------------------------------
    def _settled(self) -> ledger.Ledger:
        """The books when everything has come to its end, or when nothing has moved for too long."""
        moved, cursor = time.monotonic(), -1
        while True:
            books = ledger.read(self._database)
            if books.cursor != cursor:
                moved, cursor = time.monotonic(), books.cursor
            done = not ledger.unsettled(books) and not any(item.state == "open" for item in books.items)
            if (done and self._caught_up(books)) or time.monotonic() - moved > STILL:
                return books
            self._over.wait(1)

    def _caught_up(self, books: ledger.Ledger) -> bool:
        return all(
            browser.seqs.get(thread.id, thread.last_seq) == thread.last_seq
            for browser in self._browsers
            for thread in books.threads
        )

    def _look(self, books: ledger.Ledger) -> None:
        toll = self._toll
        toll.said = len(self._accepted)
        ended = [e.body["outcome"] for e in books.events if e.kind == "turn_ended"]
        toll.turns, toll.cut_off = len(ended), ended.count("cut_off")
        toll.results = sum(1 for e in books.events if e.kind == "result")
        toll.runs, toll.events = len(books.runs), len(books.events)
        toll.wrong += ledger.faults(books)
        toll.wrong += ledger.unsettled(books)
        toll.wrong += [f"Item {item.id} is still open: {item.title}" for item in books.items if item.state == "open"]
        toll.wrong += self._lost(books)
        toll.wrong += self._forgotten()
        toll.wrong += self._commands(books)
        toll.wrong += self._left_over(books)
        for browser in self._browsers:
            toll.wrong += browser.wrong
        if not self._caught_up(books):
            toll.wrong.append("A browser has not seen everything.")

    def _lost(self, books: ledger.Ledger) -> Iterator[str]:
        status = {message.id: message.status for message in books.messages}
        for ident, thread in self._accepted.items():
            if status.get(ident) != "finished":
                yield f"{thread}: message {ident} was accepted and is {status.get(ident, 'lost')}."

    def _forgotten(self) -> Iterator[str]:
        """An agent that goes on knows all that was said to it, whatever died meanwhile."""
        if self._weather.model is None:
            return
        requests = self._weather.model.requests(lambda request: request["path"] == "/v1/messages")
        told = [json.dumps(request["body"]["messages"]) for request in requests]
        for thread in {*self._accepted.values()}:
            said = [ident for ident, its in self._accepted.items() if its == thread]
            last = next((words for words in reversed(told) if _mark(said[-1]) in words), "")
            yield from (f"{thread}: its agent has forgotten message {i}." for i in said if _mark(i) not in last)

    def _commands(self, books: ledger.Ledger) -> Iterator[str]:
        """A command runs at most once, whatever died; and it ran where the log says that it did."""
        for session in books.sessions:
            path = self._server.home / "threads" / session.id / "workspace" / "runs"
            lines = Counter[str](path.read_text().split() if path.exists() else ())
            self._toll.commands += lines.total()
            yield from (f"{session.id}: {mark} ran {count} times." for mark, count in lines.items() if count > 1)

    def _left_over(self, books: ledger.Ledger) -> Iterator[str]:
        """Nothing runs but the newest runs and what is theirs."""
        alive = {run.thread_id: run.pid for run in books.runs if run.state == "live"}
        for thread in books.threads:
            running = processes(self._server.home, thread.id)
            if running.tools:
                yield f"{thread.id}: tools {running.tools} still run."
            if thread.id not in alive and running.all():
                yield f"{thread.id}: has no run, but {running.all()} still run."
            if len(running.runners) > 1:
                yield f"{thread.id}: has {len(running.runners)} runners."
