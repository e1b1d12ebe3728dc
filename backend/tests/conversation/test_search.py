"""What was said is found: all of it, at once, in its newest form, and whatever is typed."""

import json
import uuid
from contextlib import closing, suppress
from http.client import HTTPConnection
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mainloop.conversation import search
from mainloop.conversation.terms import MOST_WORDS
from mainloop.db.migrate import migration
from mainloop.events.unit import Database, UnitOfWork
from mainloop.runs import mailbox, store
from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer
from mainloop_models import runner as r
from mainloop_models.asks import Option, PlanAsk, Question, QuestionAsk
from mainloop_models.events import MessageBody


def hits(server: InProcessServer, text: str, **more: Any) -> list[dict[str, Any]]:
    return server.person.get("/api/search", text=text, **more)["hits"]


def marked(hit: dict[str, Any]) -> list[str]:
    """The places of an excerpt that are marked."""
    return [hit["excerpt"][start:end] for start, end in hit["marks"]]


@pytest.mark.spec("page-14")
def test_messages_results_notices_and_asks_are_found_where_they_stand(server: InProcessServer) -> None:
    server.person.say("Start with the Überraschung, please")
    main = server.runner()
    main.hello()
    main.begin()
    main.request("spawn_session", call_id="c1", title="Read up", prompt="Compare the quokka with the wombat")
    main.reply("I have started it.")
    main.end()
    session = server.person.get("/api/sessions")["sessions"][0]["id"]
    runner = server.runner(session)
    runner.hello()
    runner.begin()
    question = Question(question="Which marsupial first?", options=[Option(label="the bilby"), Option(label="none")])
    ask = runner.ask(QuestionAsk(questions=[question]), "q1", title="Which marsupial first?")
    server.person.answer(ask, "answer", answers={"Which marsupial first?": "the numbat, I think"})
    runner.ask(PlanAsk(plan="# Plan\n\n1. Watch an echidna"), "p1", title="A plan")
    runner.request("report", text="The platypus wins.\n\nBy far.", outcome="done")
    runner.end()

    def found(text: str) -> list[tuple[str, str, str]]:
        return [(hit["thread_id"], hit["kind"], hit["who"]) for hit in hits(server, text)]

    assert found("uberrasch") == [("main", "message", "person")]
    assert found("have STARTED") == [("main", "message", "agent")]
    assert found("quokka wom") == [(session, "message", "mainloop")]
    assert found("bilby") == found("numbat") == [(session, "item", "agent")]
    assert found("echidna") == [(session, "item", "agent")]
    # The notice in the main thread comes after the result in its own.
    assert found("platypus") == [("main", "notice", "mainloop"), (session, "result", "agent")]
    # Both words, beside each other where nothing stands between them.
    assert found("wombat quokka") == [(session, "message", "mainloop")]
    assert found("quokka-wombat") == []
    assert found("quokka numbat") == []
    assert hits(server, "numbat", thread="main") == []

    for text in ("uberrasch", "quokka", "numbat", "platypus", "started"):
        for hit in hits(server, text):
            assert marked(hit), hit
            [event] = server.person.get(f"/api/threads/{hit['thread_id']}/events", after=hit["seq"] - 1, limit=1)[
                "events"
            ]
            assert (event["seq"], event["kind"]) == (hit["seq"], hit["kind"])
    [hit] = hits(server, "überraschung")
    assert marked(hit) == ["Überraschung"]
    assert hit["session"] is None
    [notice, result] = hits(server, "platypus")
    assert notice["session"] == result["session"]
    assert notice["session"]["id"] == session
    assert set(notice["session"]) == {"id", "handle", "title", "hue", "creature"}


@pytest.mark.spec("page-14")
def test_the_newest_comes_first_page_by_page_in_one_thread_or_in_all(server: InProcessServer) -> None:
    runners = list[HandRunner]()
    for name in ("session-1", "session-2"):
        server.person.post("/api/sessions", {"id": name, "prompt": "look around"})
        runner = server.runner(name)
        runner.hello()
        runner.begin()
        runners.append(runner)
    for number in range(6):
        runners[number % 2].reply(f"Finding {number}")
    pages, before = list[list[str]](), dict[str, Any]()
    for _ in range(3):
        page = server.person.get("/api/search", text="finding", limit=2, **before)
        pages.append([hit["excerpt"] for hit in page["hits"]])
        before = {"before": page["hits"][-1]["cursor"]}
        assert page["more"] is (len(pages) < 3)
    assert pages == [["Finding 5", "Finding 4"], ["Finding 3", "Finding 2"], ["Finding 1", "Finding 0"]]
    assert [hit["excerpt"] for hit in hits(server, "find", thread="session-1")] == [
        "Finding 4",
        "Finding 2",
        "Finding 0",
    ]
    answer = server.person.http.get("/api/search", params={"text": "finding", "thread": 'no" OR "such'})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_thread")
    with server.anonymous() as nobody:
        assert nobody.get("/api/search", params={"text": "finding"}).status_code == 401


@pytest.mark.spec("page-15")
def test_what_was_edited_or_withdrawn_is_not_found_as_it_was(server: InProcessServer) -> None:
    server.person.say("first", message_id="message-0")
    runner = server.runner()
    runner.hello()
    runner.begin()
    server.person.say("an aardvark", message_id="message-1")
    server.person.say("an ocelot", message_id="message-2")
    assert hits(server, "aardvark") == []  # it stands above the composer, where it can be edited
    path = "/api/threads/main/messages"
    assert server.person.http.patch(f"{path}/message-1", json={"text": "an armadillo"}).status_code == 200
    assert server.person.http.delete(f"{path}/message-2").status_code == 200
    runner.end()
    runner.begin()
    [hit] = hits(server, "armadillo")
    seq: int = hit["seq"]
    event = server.person.events()[seq - 1]
    assert (event["body"]["id"], event["body"]["status"]) == ("message-1", "delivered")
    assert hits(server, "aardvark") == hits(server, "ocelot") == []


@pytest.mark.spec("page-15")
def test_a_long_text_is_found_by_its_middle_and_a_file_by_its_name(server: InProcessServer) -> None:
    kept = server.person.http.post("/api/attachments", content=b"notes").json()
    files = [{"id": kept["id"], "name": "Minutes of March.txt"}]
    body = {"id": "message-1", "text": "x " * 9000 + " needle 東京 " + "y " * 9000, "attachments": files}
    server.person.post("/api/threads/main/messages", body, expect=201)
    runner = server.runner()
    runner.hello()
    runner.begin()
    assert "blob" in json.dumps(server.person.events()[-2]["body"])
    for text in ("needle", "東京", "needle 東"):
        [hit] = hits(server, text)
        assert len(hit["excerpt"]) < 300
        assert marked(hit)
    assert len(hits(server, "x")) == 1
    runner.reply("word " * MOST_WORDS + "beyond", "long-1")
    assert hits(server, "beyond") == []
    # Fewer words than that, and each so long that a database can't hold all of them.
    runner.reply(
        "before " + " ".join(f"{number:05}" + "𝒳ж" * 40 for number in range(MOST_WORDS - 2)) + " after", "long-2"
    )
    assert len(hits(server, "before")) == 1
    assert hits(server, "after") == []


HOSTILE = [
    "",
    " ",
    '"',
    "'",
    "\\",
    "*",
    "(",
    ")",
    ":",
    "^",
    "-",
    "NEAR",
    "NEAR(a b, 2)",
    "AND",
    "OR NOT",
    '"unclosed',
    "a* OR b",
    "words:a",
    "in:main",
    "-a",
    "{words} : x",
    "' OR 1=1 --",
    "a' | 'b':* & !c <-> d",
    "\x00",
    "%",
    "_",
    "\u202eevil\u202c",
    "👩\u200d👩\u200d👧",
    "🏳️\u200d🌈",
    "שלום",
    "\U0001fae8",
    "東京都",
    "ｆｕｌｌ",
    "ก็",
    "﷽" * 20,
    "a" * 5000,
    "a " * 5000,
    "e\u0301" * 50,
    "½ ⅷ ² ﬁ",
    "<script>alert(1)</script>",
]


@pytest.mark.spec("page-16")
def test_whatever_is_searched_for_is_text(server: InProcessServer) -> None:
    server.person.say("nothing of the kind, a plain b")
    runner = server.runner()
    runner.hello()
    runner.begin()
    for text in HOSTILE:
        assert server.person.http.get("/api/search", params={"text": text}).status_code == 200, text
    assert hits(server, "a AND b") == []  # nobody said AND
    assert hits(server, "a* plain") != []
    assert hits(server, "words:a") == []
    long = server.person.http.build_request("GET", "/api/search")
    with closing(HTTPConnection("127.0.0.1", server.settings.port)) as connection:
        connection.request("GET", f"/api/search?text={'a%20' * 250_000}", headers=dict(long.headers))
        assert connection.getresponse().status < 500
    for wrong in ({"limit": 0}, {"limit": 10**9}, {"before": "x"}, {"before": 2**70}):
        assert server.person.http.get("/api/search", params={"text": "a", **wrong}).status_code == 422, wrong


# -- in general --------------------------------------------------------------------------------------------------
class Log:
    """A thread in a database whose events are indexed as the server has it done."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.thread = str(uuid.uuid4())
        self.database.write(lambda unit: store.add_thread(unit, self.thread, "session"))

    def found(self, text: str) -> list[str]:
        """The texts in this thread that are found."""

        def look(connection: sa.Connection) -> list[str]:
            return [hit.excerpt for hit in search.find(connection, text, thread_id=self.thread, limit=50)]

        return self.database.read(look)


@pytest.fixture
def indexed(database: Database) -> Database:
    database.along_with_events(search.keep)
    return database


# A test's own thread keeps examples apart.
many = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
WORDS = ("grey", "greyhound", "Éclair", "東京", "the", "score.py", "🎉", "don't", "naïve")


def standing(texts: list[str], query: list[str]) -> list[str]:
    """What has all these words, read word by word."""
    plain = {"Éclair": "eclair", "naïve": "naive"}

    def has(text: str, word: str) -> bool:
        return any(plain.get(w, w).startswith(plain.get(word, word)) for w in text.split())

    return [text for text in reversed(texts) if all(has(text, word) for word in query)]


@pytest.mark.spec("page-15")
@many
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["say", "edit", "withdraw", "deliver", "reply", "fail"]),
            st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join),
        ),
        max_size=14,
    ),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3),
)
def test_what_stands_in_a_thread_is_found_and_nothing_else(
    indexed: Database, acts: list[tuple[str, str]], query: list[str]
) -> None:
    log = Log(indexed)
    queue, texts = dict[str, str](), list[str]()

    class Failed(Exception):
        pass

    for act, text in acts:

        def work(unit: UnitOfWork, act: str = act, text: str = text) -> None:
            first = next(iter(queue), None)
            match act:
                case "say":
                    ident = str(uuid.uuid4())
                    mailbox.post(unit, log.thread, mailbox.Letter(ident, text))
                    queue[ident] = text
                case "edit" if first:
                    mailbox.change(unit, log.thread, first, text, None)
                    queue[first] = text
                case "withdraw" if first:
                    mailbox.withdraw(unit, log.thread, first)
                    del queue[first]
                case "deliver" if first:
                    mailbox.deliver(unit, log.thread, [first])
                    texts.append(queue.pop(first))
                case "reply":
                    unit.append(log.thread, "message", MessageBody(id=str(uuid.uuid4()), role="assistant", text=text))
                    texts.append(text)
                case "fail":
                    unit.append(log.thread, "message", MessageBody(id=str(uuid.uuid4()), role="assistant", text=text))
                    unit.write_events()
                    raise Failed
                case _:
                    pass

        with suppress(Failed):
            indexed.write(work)
    assert log.found(" ".join(query)) == standing(texts, query)


@pytest.mark.spec("page-14", "page-16")
@many
@given(st.text(max_size=80), st.data())
@example("e\u0301te\u0301 👩\u200d👩\u200d👧 ½", None)
@example("が ﷺ Ǆ ΐ ﬃ", None)
def test_every_text_is_found_by_each_of_its_parts(indexed: Database, text: str, data: st.DataObject | None) -> None:
    log = Log(indexed)
    text = mailbox.clean(f"a{text}")
    indexed.write(lambda u: u.append(log.thread, "message", MessageBody(id="m", role="assistant", text=text)))
    for part in text.split():
        if any(sign.isalnum() for sign in part):
            assert len(log.found(part)) == 1, part
            assert len(log.found(part.upper())) == 1, part
    if data is not None:
        log.found(data.draw(st.text(max_size=40)))  # any answer, but one


def test_what_was_said_before_there_was_an_index_is_found_after_the_upgrade(server: InProcessServer) -> None:
    server.person.say("a tapir")
    runner = server.runner()
    runner.hello()
    runner.begin()
    ask = runner.ask_permission("make tapirs")
    runner.say(r.Said(id="said-1", turn=1, text="Tapirs it is"))
    server.person.answer(ask, "deny", text="no tapirs here")
    before = hits(server, "tapir")
    assert len(before) == 3
    engine = server.parts.database.engine
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(sa.text("DROP TABLE said_words"))
        connection.execute(sa.text("DROP TABLE said"))
        with Operations.context(MigrationContext.configure(connection)):
            migration("0011").upgrade()
    assert hits(server, "tapir") == before
