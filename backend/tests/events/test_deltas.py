"""Messages that are still being written."""

import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from mainloop.db import tables as t
from mainloop.events.deltas import OpenMessages
from mainloop.events.unit import Database, UnitOfWork
from mainloop.runs import store
from mainloop.testing.inprocess import InProcessServer
from mainloop_models.runner import Delta, Reasoned, Said


def piece(offset: int, text: str, message_id: str = "m") -> Delta:
    return Delta(message_id=message_id, turn=1, offset=offset, text=text)


def text_of(messages: OpenMessages, message_id: str = "m") -> str | None:
    return next((m.text for m in messages.all() if m.message_id == message_id), None)


def stored(database: Database) -> list[str]:
    return database.read(lambda c: list(c.execute(sa.select(t.chunk.c.message_id)).scalars()))


def reopened(database: Database) -> OpenMessages:
    """What the next server knows."""
    messages = OpenMessages(database)
    messages.load()
    return messages


@pytest.fixture
def messages(database: Database) -> OpenMessages:
    """The open messages of a thread `main` in its first turn."""

    def act(unit: object) -> None:
        database.write(lambda u: store.add_thread(u, "t", "session"))
        database.write(
            lambda u: store.add_agent(
                u, "t", role="session", kind="scripted", model=None, agent_session="s", demo=False
            )
        )
        database.write(lambda u: store.update(u, "t", turn=1, working=True))

    act(None)
    return OpenMessages(database)


def test_pieces_join_by_offset_overlaps_are_cut_and_gaps_refused(messages: OpenMessages) -> None:
    assert messages.take("t", [piece(0, "Hello")]) == {"m": 5}
    assert messages.take("t", [piece(3, "lo wor")]) == {"m": 9}
    assert messages.take("t", [piece(0, "Hello")]) == {"m": 9}
    assert messages.take("t", [piece(12, "!")]) == {"m": 9}
    assert messages.take("t", [piece(9, "ld"), piece(11, "!")]) == {"m": 12}
    assert text_of(messages) == "Hello world!"


def test_a_message_that_begins_in_the_middle_is_asked_for_from_its_start(messages: OpenMessages) -> None:
    assert messages.take("t", [piece(7, "rest")]) == {"m": 0}
    assert messages.all() == []


def test_a_thread_can_not_write_into_another_threads_message(messages: OpenMessages) -> None:
    messages.take("t", [piece(0, "mine")])
    messages.take("other", [piece(4, " and theirs")])
    assert text_of(messages) == "mine"


def test_of_a_running_call_s_output_the_newest_is_held_and_nothing_is_stored(
    messages: OpenMessages, database: Database
) -> None:
    def output(offset: int, text: str) -> Delta:
        return Delta(message_id="call", turn=1, what="output", offset=offset, text=text)

    def news(sent: dict[str, int]) -> list[tuple[object, object]]:
        return [(p["offset"], p["text"]) for p in messages.news(sent, None)]

    early: dict[str, int] = {}
    assert messages.take("main", [output(0, "one two")]) == {"call": 7}
    assert news(early) == [(0, "one two")]
    # What overlaps is cut; what lies in a gap was left out.
    messages.take("main", [output(4, "two three")])
    assert news(early) == [(7, " three")]
    assert messages.take("main", [output(5000, "later")]) == {"call": 5005}
    assert news(early) == [(5000, "later")]
    assert news({}) == [(5000, "later")]
    messages.take("main", [output(5005, "x" * 20_000)])
    assert news(early) == [(17_005, "x" * 8000)]
    messages.store()
    assert stored(database) == []
    assert messages.all() == []
    database.write(lambda unit: messages.call_ended(unit, "call"))
    assert news({}) == []


def test_pieces_survive_the_server_and_go_on_where_they_were(messages: OpenMessages, database: Database) -> None:
    messages.take("t", [piece(0, "One ")])
    messages.store()
    messages.take("t", [piece(4, "two ")])
    messages.store()
    messages.take("t", [piece(8, "never stored")])

    later = reopened(database)

    assert text_of(later) == "One two "
    assert later.take("t", [piece(20, "?")]) == {"m": 8}
    assert later.take("t", [piece(8, "three")]) == {"m": 13}
    later.store()
    assert text_of(reopened(database)) == "One two three"


def test_pieces_vanish_with_the_commit_of_their_message(messages: OpenMessages, database: Database) -> None:
    messages.take("t", [piece(0, "Hello")])
    messages.store()
    with pytest.raises(RuntimeError):
        database.write(lambda unit: [messages.landed(unit, "m"), _fail()])
    assert text_of(messages) == "Hello"
    assert stored(database) == ["m"]

    database.write(lambda unit: messages.landed(unit, "m"))

    assert messages.all() == []
    assert stored(database) == []


def _fail() -> None:
    raise RuntimeError("on purpose")


def test_pieces_stored_while_their_message_lands_do_not_come_back(messages: OpenMessages, database: Database) -> None:
    messages.take("t", [piece(0, "Hello")])
    asked = threading.Event()
    write = database.write

    def announced(act: Callable[[UnitOfWork], None]) -> None:
        asked.set()
        write(act)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "write", announced)
        storing = threading.Thread(target=messages.store)

        def lands(unit: UnitOfWork) -> None:
            messages.landed(unit, "m")
            # The writer of pieces read them before this commit and writes them after it.
            storing.start()
            asked.wait()

        write(lands)
        storing.join()
    messages.store()
    assert stored(database) == []


def test_a_message_that_lands_whole_costs_no_further_commit(messages: OpenMessages, database: Database) -> None:
    messages.take("t", [piece(0, "Hello")])
    messages.store()
    database.write(lambda unit: messages.landed(unit, "m"))
    commits: list[object] = []
    event.listen(database.engine, "commit", commits.append)
    messages.store()
    assert commits == []


def test_pieces_of_a_turn_that_is_over_are_forgotten_at_start(messages: OpenMessages, database: Database) -> None:
    messages.take("t", [piece(0, "Hello")])
    messages.store()
    database.write(lambda unit: store.update(unit, "t", turn=1, working=False))
    assert reopened(database).all() == []
    assert stored(database) == []


def test_a_piece_with_a_zero_byte_stops_no_other_piece(messages: OpenMessages, database: Database) -> None:
    messages.take("t", [piece(0, "a\x00b"), piece(0, "fine", "n")])
    messages.store()
    later = reopened(database)
    assert text_of(later) == "a\ufffdb"
    assert text_of(later, "n") == "fine"


def test_a_message_that_lands_in_the_batch_that_ends_its_turn_stays_whole(server: InProcessServer) -> None:
    server.person.say("hello")
    runner = server.runner()
    runner.hello()
    turn = runner.begin()
    runner.delta("m1", 0, "It is half")
    runner.write(Said(id="m1", turn=turn, text="It is half past two."))
    runner.end(text="It is half past two.")
    assert server.person.replies() == ["It is half past two."]


def test_a_half_written_reply_survives_a_restart_and_is_finished_once(
    server: InProcessServer, request: pytest.FixtureRequest
) -> None:
    person = server.person
    person.say("hello")
    runner = server.runner()
    runner.hello()
    turn = runner.begin()
    runner.delta("m1", 0, "It is hal")
    server.stop()
    server.start()
    assert [m["text"] for m in person.state()["open_messages"]] == ["It is hal"]
    assert runner.delta("m1", 9, "f past") == 15
    runner.say(Reasoned(id="r1", turn=turn, text="hm"), Said(id="m1", turn=turn, text="It is half past two."))
    assert person.state()["open_messages"] == []
    runner.end(text="It is half past two.")
    assert person.replies() == ["It is half past two."]
    server.stop()
    server.start()
    assert person.state()["open_messages"] == []
