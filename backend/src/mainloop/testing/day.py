"""A recorded day: what a busy main thread and its sixty sessions were, from the first message to the last.

    python -m mainloop.testing.day HOME          fills HOME with it, as if it had ended just now
    python -m mainloop.testing.day record FILE   makes it anew: a real server, real runners, scripted agents (minutes)

`FILE` is `bench/recorded/day.json.gz`. The same seed says the same; ids, hashes and the order of what happened side by
side are those of the recording. Scripts, folders and the machine's name are taken out of it, and its minutes are spread
over a day: from the time a thing happened, to the time the plan of the day has for it.
"""

import base64
import gzip
import json
import random
import re
import subprocess
import sys
import tempfile
import uuid
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import sqlalchemy as sa

from mainloop.conversation import search
from mainloop.db import tables as t
from mainloop.db.engine import Instant, make_engine
from mainloop.db.migrate import revision_of
from mainloop.db.opening import open_database
from mainloop.testing.repositories import Repository
from mainloop.testing.server import Person, ServerProcess, script

RECORDED: Final = Path(__file__).resolve().parents[4] / "bench" / "recorded" / "day.json.gz"
MORNING: Final = datetime(2026, 3, 12, 8, 4, tzinfo=UTC)
LASTING: Final = timedelta(hours=10, minutes=20)
SEED: Final = 1
# Ways in, what lives with a process, and what is made anew from the log.
_LEFT_OUT: Final = {"event", "said", "device", "pairing", "phase", "executor", "chunk", "notifier", "delivery", "told"}
Step = dict[str, Any]

# -- what is worked on -------------------------------------------------------------------------------------------
# How a session goes, what it is called, what it says in the end.
_SESSIONS: Final = (
    ("merge", "Flaky CSV export test", "Rows came back in whatever order the database liked. I sorted the query."),
    ("merge", "Changelog for 4.2", "Forty-one entries, grouped by what a person notices."),
    ("answer", "Why is the search slow", "The second query reads the whole table: its index begins with another column."),
    ("ask", "Dark-mode transactional emails", "All eleven templates share one layout, so it is one file."),
    ("merge", "Retry the webhooks", "Five tries over an hour, then the sender is told."),
    ("answer", "Compare two loggers", "Use **pino** in the service.\n\n| | lines/s |\n|---|---|\n| pino | 410,000 |\n| winston | 61,000 |"),
    ("plan", "Postgres 15 to 17", "The copy runs beside the old one; the switch took 38 seconds."),
    ("merge", "Rate limits per key", "Each key has its own bucket; the old limit is the default."),
    ("answer", "What breaks with the new SQLite", "Nothing breaks, but the default of one setting has changed."),
    ("permission", "Index for the slow query", "The index is there; the query takes 12 ms where it took 800."),
    ("merge", "Shrink the product images", "31 MB became 9 MB, and nobody sees it."),
    ("answer", "Read the security advisory", "We are not affected: the broken function is never called."),
    ("fail", "Weekly digest", ""),
    ("merge", "Typed configuration", "A wrong setting is refused at the start, with its name."),
    ("answer", "Licences of what we ship", "All permissive but one, which is used in tests only."),
    ("ask", "Currency on the invoice", "The invoice says the currency of the order."),
    ("merge", "Faster first page", "The largest paint moved from 2.9 to 1.6 s on a phone."),
    ("answer", "Which tests are slowest", "Six of them take half the time; four wait for a clock."),
    ("merge", "Address form for Japan", "Prefecture before city, and no state."),
    ("cancel", "Try it in Rust", ""),
    ("answer", "What customers ask most", "Where is my parcel, by far; then returns."),
    ("merge", "Health check that means it", "It asks the database now, with a timeout of a second."),
    ("merge", "Unsubscribe in one click", "The header is there, and the link needs no sign-in."),
    ("permission", "Rotate the signing key", "The new key signs, the old one is accepted until Monday."),
    ("answer", "How big is the cart table", "4.1 million rows, of which nine tenths are older than a month."),
    ("merge", "Delete old carts", "A job takes a thousand a minute; nothing waits for it."),
    ("plan", "Move the pictures to one bucket", "All are moved and counted twice; the old bucket is read-only."),
    ("merge", "Readable error pages", "They say what happened and what can be done."),
    ("answer", "Draft the release notes", "Half a page: search, invoices, dark mails."),
    ("merge", "Keyboard in the menu", "Arrows, Home, End and the first letter."),
    ("ask", "Wording of the refund mail", "The shorter one, with the date in the first line."),
    ("merge", "Sort by rating", "Ties are broken by the number of ratings."),
    ("answer", "Sort the backlog", "Nineteen of 64 are done already; here is the rest, by worth."),
    ("fail", "Sync with the warehouse", ""),
    ("merge", "Focus after a dialog", "It goes back to where it was."),
    ("merge", "Pin the build images", "By digest, with a job that proposes newer ones."),
    ("answer", "Cost of the nightly job", "Eleven cents a night, nearly all of it for reading."),
    ("merge", "Nightly job reads less", "Only what has changed since the last time."),
    ("answer", "Explain the 502s on Friday", "A deploy ended connections that still had requests."),
    ("merge", "Drain before a deploy", "It waits for what is under way, half a minute at most."),
    ("merge", "Empty states", "Each says what would be here and how it comes about."),
    ("answer", "Compare three mail services", "Prices differ by a factor of four; two of them keep data here."),
    ("merge", "Count stock in one place", "Two counters became one, under a lock of the row."),
    ("cancel", "Voice search", ""),
    ("merge", "Test data without names", "Made up from a list, the same each time."),
    ("answer", "What the linter would find", "212 places, 190 of which mend themselves."),
    ("merge", "Lint, the harmless part", "190 places, no change in what runs."),
    ("answer", "Who still uses the old API", "Three keys, all of one partner."),
    ("merge", "Say when the old API ends", "A header and a line in the answer, from today."),
    ("answer", "Read up on passkeys", "Possible without a new service; two weeks of work."),
    ("merge", "Alt texts", "Every picture of a product has one, from its title."),
    ("answer", "How long returns take", "Six days at the median, nineteen for one carrier."),
    ("merge", "Return label in the mail", "It is in the mail and behind the link."),
    ("review", "Search p95 above 800 ms", "The order of the index was wrong. p95 is 140 ms on the copy."),
    ("review", "Two-column checkout", "One column below 900 px, two above."),
    ("review", "Retry lost uploads", "They go on where they were, also after a reload."),
    ("open-ask", "Which grey for quoted replies", ""),
    ("open-plan", "Split the orders table", ""),
    ("working", "Find the memory leak", ""),
    ("working", "Translate the help pages", ""),
)  # fmt: skip
_TALK: Final = (
    ("Good morning. What is open from yesterday?", "Nothing waits for you. Two changes were merged in the evening."),
    ("Keep everything small today, one thing a change.", "Understood: one thing a change."),
    ("How far are we?", "About half. Nothing has failed twice."),
    ("Who would notice if the nightly job stopped?", "Nobody for a day; then the stock would be wrong."),
    ("Leave the receipts alone, finance prints them.", "They stay as they are."),
    ("What did today cost so far?", "The page *Cost* has it to the cent, by session."),
    ("That is enough new work for today.", "Then I start nothing more and tell you what comes in."),
)
_WAVES: Final = (1, 2, 3, 2, 4, 1, 3, 5, 2, 3, 1, 4, 2, 3, 5, 2, 1, 3, 4, 2, 3, 2, 2)


def _session(kind: str, title: str, said: str, chance: random.Random) -> str:
    """What a session is told, and what its agent will do."""
    name = re.sub(r"\W+", "-", title.lower()).strip("-")
    lines = "".join(f"{name}, line {n}\n" for n in range(chance.randint(3, 60)))
    commit = [_bash("git add --all"), _bash(f'git commit --quiet --message "{title}"')]
    look = _step("I look at what is there first.", _todo(0), _bash("git log --oneline -5"), _bash("ls"))
    look["thinking"] = f"{title}: what is there decides how small this can be."
    steps: list[Step] = [
        look,
        _step("", *(_bash(f"cat {file}") for file in ("README.md", "shop/orders.py", "test.sh"))),
    ]
    done = [_step("", _use("report", text=said, outcome="done")), _step(said)]
    change = [
        _step("It is small.", _todo(1), _use("Write", file_path=f"shop/{name}.py", content=lines)),
        _step("", _bash("sh test.sh")),
        *(_step("", call) for call in commit),
    ]
    question = {
        "question": f"{title}: which of the two?",
        "header": "Choice",
        "multiSelect": False,
        "options": [
            {"label": "#9aa4a0", "description": "softer"},
            {"label": "#c9d1cd", "description": "as in the app"},
        ],
    }
    plan = [
        _step("This one needs a plan.", _use("EnterPlanMode")),
        _step("", _use("ExitPlanMode", plan=f"# {title}\n\n1. Copy everything\n2. Compare both\n3. Switch over\n4. Drop "
                       "the old one (cannot be undone)\n\nWrites pause for about 40 seconds.")),
    ]  # fmt: skip
    match kind:
        case "merge" | "review":
            steps += [*change, *done]
        case "answer":
            steps += done
        case "ask" | "open-ask":
            steps += [
                _step("One thing I can't decide from the code.", _use("AskUserQuestion", questions=[question])),
                *done,
            ]
        case "plan" | "open-plan":
            steps = [look, *plan, *done]
        case "permission":
            steps += [_step("It needs a command of its own.", _bash("touch deployed && echo 1 > deployed")), *done]
        case "fail":
            steps += [{"error": {"status": 401, "message": "invalid x-api-key", "times": 99}}]
        case _:
            steps += [_step("This takes a while.", _todo(1), _bash("sleep 4000"))]
    for step in steps:
        step["usage"] = {"input_tokens": chance.randint(900, 9000), "output_tokens": chance.randint(50, 900),
                         "cost_usd": round(chance.uniform(0.004, 0.06), 4)}  # fmt: skip
    return f"{title}. Say what you found in a sentence or two. {script(*steps)}"


def _step(text: str, *tools: Step) -> Step:
    return {**({"text": text} if text else {}), **({"tools": list(tools)} if tools else {})}


def _use(name: str, **given: Any) -> Step:
    return {"name": name, "input": given}


def _bash(command: str) -> Step:
    return _use("Bash", command=command)


def _todo(at: int) -> Step:
    steps = ("Look at what is there", "Make the change", "Test and report")
    status = ("completed", "in_progress", "pending")
    todos = [
        {"content": text, "activeForm": text, "status": status[(number > at) + (number >= at)]}
        for number, text in enumerate(steps)
    ]
    return _use("TodoWrite", todos=todos)


# -- recording ---------------------------------------------------------------------------------------------------
class _Day:
    """The person, for a day: says, waits, answers, reviews, merges."""

    def __init__(self, person: Person, seed: int) -> None:
        self._person = person
        self._chance = random.Random(seed)
        self._turn = 0
        self._project = ""
        # The real moments at which the plan of the day has a time.
        self.moments: list[datetime] = [datetime.now(UTC)]
        self.marks: list[dict[str, Any]] = []

    def begin(self, source: Path) -> None:
        person = self._person
        self._project = person.post("/api/projects", {"name": "shop", "source": str(source)})["id"]
        person.until("the project", lambda: person.state()["projects"][0]["state"] == "ready")
        person.http.patch(
            f"/api/projects/{self._project}", json={"settings": {"test": "sh test.sh"}}
        ).raise_for_status()
        for pattern in ("git add *", "git commit *", "sh test.sh", "sleep *"):
            given = {"tool": "Bash", "pattern": pattern, "scope": "project", "project": self._project}
            person.post("/api/permissions", given)
        self._mark()

    def run(self) -> None:
        waves = list(self._waves())
        talk = iter(_TALK)
        before: list[tuple[str, str]] = []
        for number, wave in enumerate(waves):
            if number % 4 == 0:
                self._say(*next(talk, _TALK[-1]))
            if at_lunch := number == len(waves) // 2:
                self._person.put("/api/presence")
            begun = self._start(wave)
            self._settle(before)
            before = begun
            if at_lunch:
                self._settle(begun)
                before = []
                # Back: a mark says what happened meanwhile.
                self._person.put("/api/presence")
            if number in (len(waves) // 3, 2 * len(waves) // 3):
                self._mark()
        self._settle(before)
        self._mark()

    def end(self) -> None:
        """Whatever still works is stopped, and every agent's process ends."""
        person = self._person
        for session in person.get("/api/sessions")["sessions"]:
            if session["state"] == "working":
                person.post(f"/api/threads/{session['id']}/interrupt", {"turn": session["turn"]})
                person.until_session(session["id"], "idle", "in_review")
        for session in person.get("/api/sessions")["sessions"]:
            if session["state"] in ("idle", "in_review", "waiting") and not session["parked"]:
                person.http.post(f"/api/sessions/{session['id']}/park", json={})
        person.until(
            "all to be parked",
            lambda: all(
                s["parked"] or s["state"] in ("done", "failed", "cancelled")
                for s in person.get("/api/sessions")["sessions"]
            ),
        )
        self._mark()

    def _waves(self) -> Iterator[list[tuple[str, str, str]]]:
        rest = list(_SESSIONS)
        for size in _WAVES:
            wave, rest = rest[:size], rest[size:]
            if wave:
                yield wave
        if rest:
            yield rest

    def _mark(self) -> None:
        state = self._person.state()
        self.marks.append({"cursor": state["cursor"], "state": state})
        self.moments.append(datetime.now(UTC))

    def _say(self, text: str, answer: str, *tools: Step) -> None:
        self._turn += 1
        steps = [_step(answer, *tools), _step("They are on their way.")] if tools else [_step(answer)]
        self._person.say(f"{text} {script(*steps)}")
        self._person.until_turn_ended(self._turn)
        self.moments.append(datetime.now(UTC))

    def _start(self, wave: list[tuple[str, str, str]]) -> list[tuple[str, str]]:
        """One message of the person, and the sessions that come of it: how each goes, and its id."""
        titles = " and ".join(title[0].lower() + title[1:] for _, title, _ in wave)
        spawn = [
            _use("spawn_session", title=title, prompt=_session(kind, title, said, self._chance), project=self._project)
            for kind, title, said in wave
        ]
        self._say(f"Next: {titles}.", "I start a session for each, so they can run side by side.", *spawn)
        there = {s["title"]: s["id"] for s in self._person.get("/api/sessions")["sessions"]}
        return [(kind, there[title]) for kind, title, _ in wave]

    def _settle(self, wave: list[tuple[str, str]]) -> None:
        for kind, ident in wave:
            self._settle_one(kind, ident)
            self.moments.append(datetime.now(UTC))

    def _settle_one(self, kind: str, ident: str) -> None:
        person = self._person

        def item() -> dict[str, Any]:
            return person.until_item(lambda i: i["session_id"] == ident)

        match kind:
            case "ask":
                question = item()["ask"]["questions"][0]
                answers = {question["question"]: question["options"][0]["label"]}
                self._answer(item()["id"], "answer", answers=answers)
            case "plan":
                self._answer(item()["id"], "approve")
            case "permission":
                self._answer(item()["id"], "allow")
            case "fail":
                self._answer(item()["id"], "dismiss")
            case "cancel":
                person.until_session(ident, "working")
                person.post(f"/api/sessions/{ident}/cancel", {"reason": "Not now."})
            case "open-ask" | "open-plan":
                item()
            case "working":
                person.until_event(
                    "its long command",
                    lambda e: e["kind"] == "tool_call" and "sleep" in json.dumps(e["body"]["input"]),
                    ident,
                )
            case _:
                pass
        if kind in ("ask", "plan", "permission", "answer"):
            person.until_session(ident, "idle")
        if kind in ("merge", "review"):
            self._review(ident, merge=kind == "merge")
        if kind == "answer" and self._chance.random() < 0.3:
            person.say(f"Thanks, that is all I wanted to know. {script(_step('Good.'))}", ident)
            person.until_turn_ended(2, ident)
            person.post(f"/api/sessions/{ident}/close", {})
            person.until_session(ident, "done")

    def _answer(self, item: str, decision: str, **more: Any) -> None:
        self._person.answer(item, decision, **more)

    def _review(self, ident: str, *, merge: bool) -> None:
        person = self._person

        def passed() -> Any:
            change = person.get(f"/api/sessions/{ident}")["change"]
            return change if change and change["checks"] and change["checks"][0]["state"] == "passed" else None

        change = person.until("its tests", passed)
        if merge:
            verdict = {"id": str(uuid.uuid4()), "verdict": "approved", "commit": change["commit"]}
            person.post(f"/api/sessions/{ident}/change/review", verdict)
            person.until_session(ident, "done")


def record(file: Path, seed: int = SEED) -> None:
    """Make the day and write it down."""
    with tempfile.TemporaryDirectory(prefix="mainloop-day-", dir="/var/tmp") as folder:
        home, source = Path(folder) / "home", Path(folder) / "shop"
        repository = Repository.make(source)
        repository.commit(
            "The shop",
            {
                "README.md": "# The shop\n\nOrders, invoices, mail.\n",
                "shop/orders.py": "def total(lines):\n    return sum(line.price * line.count for line in lines)\n",
                "test.sh": "echo '38 passed in 0.41s'\n",
            },
        )
        # A day's starts come within minutes, and so does being away.
        ceilings = {"MAINLOOP_MAX_STARTS_PER_DAY": "100", "MAINLOOP_MAX_STARTS_AT_ONCE": "100"}
        server = ServerProcess(home, {"MAINLOOP_MAX_ALIVE": "6", "MAINLOOP_AWAY_MINUTES": "0.03", **ceilings})
        server.start()
        try:
            day = _Day(server.person(), seed)
            day.begin(source)
            day.run()
            day.end()
        except Exception:
            sys.stderr.write(server.log()[-8000:])
            raise
        finally:
            server.stop()
        engine = make_engine(f"sqlite:///{home / 'mainloop.db'}")
        with engine.connect() as connection:
            events = [_event(row) for row in connection.execute(sa.select(t.event).order_by(t.event.c.cursor))]
            made: dict[str, Any] = {
                "seed": seed,
                "revision": revision_of(connection),
                "marks": day.marks,
                "events": events,
                "rows": {table.name: rows for table in t.metadata.sorted_tables if (rows := _rows(connection, table))},
            }
        engine.dispose()
        spread = _spread(day.moments)
        names = {str(home): "/home/sam/.mainloop", str(source): "/home/sam/shop"}
        mirrors = [at for at in (home / "mirrors").glob("*.git") if not at.stem.endswith(".kept")]
        whole = {**_cleaned(made, names, spread), "mirrors": {at.stem: _bundle(at) for at in mirrors}}
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
        file.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _event(row: Any) -> dict[str, Any]:
    """As the API hands it out."""
    of = {"cursor": str(row.cursor), "thread_id": row.thread_id, "seq": row.seq, "kind": row.kind}
    return {**of, "at": row.at.isoformat(), "body": json.loads(row.body)}


def _rows(connection: sa.Connection, table: sa.Table) -> list[dict[str, Any]]:
    if table.name in _LEFT_OUT:
        return []
    found = [dict(row) for row in connection.execute(sa.select(table)).mappings()]
    for number, row in enumerate(found):
        for name, value in row.items():
            if isinstance(value, datetime):
                row[name] = value.isoformat()
            if name == "token_hash":
                row[name] = f"recorded-{number}"
            # A server that has none makes one.
            if name == "push_key":
                row[name] = ""
            if name == "host" and value:
                row[name] = "desk"
            if name == "pid":
                row[name] = None
    return found


def _bundle(mirror: Path) -> str:
    done = subprocess.run(["git", "bundle", "create", "-", "--all"], cwd=mirror, capture_output=True, check=True)
    return base64.b64encode(done.stdout).decode()


def _spread(moments: list[datetime]) -> Callable[[datetime], datetime]:
    """From the minutes of the recording to the hours of the day, evenly from moment to moment."""
    step = LASTING / (len(moments) - 1)

    def spread(at: datetime) -> datetime:
        number = min(max(bisect_right(moments, at) - 1, 0), len(moments) - 2)
        part = (at - moments[number]) / (moments[number + 1] - moments[number])
        return MORNING + step * (number + part)

    return spread


_MOMENT: Final = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")


def _cleaned(value: Any, names: dict[str, str], spread: Callable[[datetime], datetime]) -> Any:
    """Without scripts, folders of this machine and its name; every time as the day has it."""
    if isinstance(value, dict):
        return {key: _cleaned(inner, names, spread) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_cleaned(inner, names, spread) for inner in cast("list[Any]", value)]
    if not isinstance(value, str):
        return value
    if _MOMENT.match(value):
        return _as_text(spread(datetime.fromisoformat(value)))
    for name, instead in names.items():
        value = value.replace(name, instead)
    start, end = value.find("[[script]]"), value.rfind("[[/script]]")
    if start >= 0:
        value = value[:start].rstrip() + (value[end + len("[[/script]]") :] if end > start else "")
    return value


def _as_text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# -- loading -----------------------------------------------------------------------------------------------------
def recorded(file: Path = RECORDED) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(file.read_bytes()))
    return found


def load(home: Path, until: datetime | None = None, *, file: Path = RECORDED, database_url: str = "") -> None:
    """Make `home` one in which that day has just ended, at `until` (now)."""
    home.mkdir(parents=True, exist_ok=True)
    day = recorded(file)
    ahead = (until or datetime.now(UTC)) - datetime.fromisoformat(day["events"][-1]["at"])
    later = _cleaned(
        {"events": day["events"], "rows": day["rows"]}, {"/home/sam/.mainloop": str(home)}, lambda at: at + ahead
    )
    replies = Counter(
        event["thread_id"]
        for event in day["events"]
        if event["kind"] == "message" and event["body"]["role"] == "assistant"
    )
    engine = open_database(database_url or f"sqlite:///{home / 'mainloop.db'}", home)
    with engine.begin() as connection:
        connection.execute(sa.delete(t.installation))
        for row in later["rows"]["thread"]:
            row["replies"] = replies[row["id"]]
        for table in t.metadata.sorted_tables:
            if rows := later["rows"].get(table.name):
                connection.execute(table.insert(), [_typed(table, row) for row in rows])
        connection.execute(
            t.event.insert(), [_typed(t.event, {**e, "body": json.dumps(e["body"])}) for e in later["events"]]
        )
        # Nobody runs here: whoever is needed is started anew.
        living = sa.update(t.run).where(t.run.c.state.in_(("starting", "live")))
        connection.execute(living.values(state="ended", end="parked"))
        search.fill(connection)
    engine.dispose()
    for name, bundle in day["mirrors"].items():
        _unbundle(home / "mirrors" / f"{name}.git", base64.b64decode(bundle))


def _unbundle(mirror: Path, bundle: bytes) -> None:
    mirror.mkdir(parents=True)
    packed = mirror / "bundle"
    packed.write_bytes(bundle)
    for command in (
        ["init", "--quiet", "--bare", "--initial-branch=main"],
        ["fetch", "--quiet", "bundle", "+refs/*:refs/*"],
    ):
        subprocess.run(["git", *command], cwd=mirror, check=True)
    packed.unlink()


def _typed(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    """A row as the database takes it: what it has no column for any more is left out."""
    typed = {name: value for name, value in row.items() if name in table.c}
    for name, value in typed.items():
        if value is not None and isinstance(table.c[name].type, Instant):
            typed[name] = datetime.fromisoformat(value)
        elif value is not None and isinstance(table.c[name].type, sa.Integer):
            typed[name] = int(value)
    return typed


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        match sys.argv[1:]:
            case ["record", file]:
                record(Path(file))
            case [home]:
                load(Path(home))
            case _:
                sys.exit(__doc__)
