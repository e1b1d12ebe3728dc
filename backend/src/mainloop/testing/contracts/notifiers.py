"""What holds for every notifier. A subclass names its adapter and gives the other side as `world`."""

from typing import Any, Protocol

import pytest

from mainloop.attention.keys import new_key, public_part
from mainloop.errors import MainloopError
from mainloop.notifiers.base import BadTarget, NotDelivered, Notification, Notifier, Setup, Target, TargetGone
from mainloop.outgoing import BadAddress, Outgoing, PrivateAddress

WORD = Notification(
    id="1", about="push", tag="session-1", title="otter", text="Run make, “ü” and 🦦?", items=("a",), badge=3
)


class World(Protocol):
    """The other side of a notifier, real or as real as a machine without a network allows."""

    # Where the person is.
    target: Target

    def got(self) -> list[dict[str, Any]]:
        """What reached the person."""
        ...

    def next_answers(self, answer: str) -> None:
        """What the other side does with the next one: `busy`, `gone` or `broken`."""
        ...

    def away(self) -> None:
        """Nobody answers there from now on."""
        ...


def setup(reachable: str = "127.0.0.1") -> Setup:
    key = new_key()
    return Setup(key, public_part(key), "https://mainloop.example", Outgoing(reachable))


class NotifierContract:
    # Whether it can tell one who is gone from one who does not answer well.
    knows_who_is_gone = True

    def make(self, setup: Setup) -> Notifier:
        raise NotImplementedError

    @pytest.fixture
    def notifier(self) -> Notifier:
        return self.make(setup())

    def test_what_is_said_arrives_as_it_was_said(self, notifier: Notifier, world: World) -> None:
        notifier.check(world.target)
        notifier.send(world.target, WORD)
        (got,) = world.got()
        assert (got["title"], got["text"]) == (WORD.title, WORD.text)

    def test_who_is_busy_or_broken_is_to_be_asked_again(self, notifier: Notifier, world: World) -> None:
        for answer in ("busy", "broken"):
            world.next_answers(answer)
            with pytest.raises(NotDelivered) as failed:
                notifier.send(world.target, WORD)
            assert failed.value.again
            assert failed.value.after > 0
            assert failed.value.reached
        assert world.got() == []
        notifier.send(world.target, WORD)
        assert len(world.got()) == 1

    def test_who_is_gone_is_not_asked_again(self, notifier: Notifier, world: World) -> None:
        world.next_answers("gone")
        with pytest.raises(TargetGone if self.knows_who_is_gone else NotDelivered):
            notifier.send(world.target, WORD)

    def test_who_does_not_answer_may_be_back_later(self, notifier: Notifier, world: World) -> None:
        world.away()
        with pytest.raises(NotDelivered) as failed:
            notifier.send(world.target, WORD)
        assert failed.value.again
        assert not failed.value.reached

    def test_nothing_goes_to_a_private_address_that_is_not_listed(self, world: World) -> None:
        with pytest.raises((PrivateAddress, BadAddress)):
            self.make(setup(reachable="")).send(world.target, WORD)
        assert world.got() == []

    def test_nonsense_is_no_target(self, notifier: Notifier, world: World) -> None:
        for target in ({}, dict.fromkeys(world.target, ""), dict.fromkeys(world.target, "nonsense")):
            with pytest.raises(MainloopError) as refused:
                notifier.check(target)
            assert refused.value.status == BadTarget.status
