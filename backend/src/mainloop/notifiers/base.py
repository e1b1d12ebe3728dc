"""The slot for notifiers: ways to reach the person.

A notifier keeps nothing, and may be called from any thread. What it needs to reach one place (an address,
keys) is a `Target`, a few texts that the caller keeps and shows to nobody again.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from mainloop.errors import MainloopError
from mainloop.outgoing import Outgoing

Target = Mapping[str, str]


class BadTarget(MainloopError):
    """Nothing can be sent there: {why}"""

    status = 422
    code = "bad_target"


class NotDelivered(MainloopError):
    """It was not delivered: {why}"""

    status = 502
    code = "not_delivered"

    def __init__(self, *, why: str, again: bool, after: float = 0, reached: bool = True) -> None:
        """`again`: whether another try may help, `after` so many seconds at least. `reached`: whether anybody was there."""
        super().__init__(why=why)
        self.again = again
        self.after = after
        self.reached = reached


class TargetGone(MainloopError):
    """This way to reach you does not exist any more: {why}"""

    status = 410
    code = "target_gone"


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True)


class Setup(NamedTuple):
    """What notifiers are made with: the key of this installation, its public part, its address, and the way out."""

    key: str
    public: str
    home: str
    outgoing: Outgoing


class Notification(_Data):
    """What the person is told. One with the tag of an earlier one takes its place; with `about` clear it takes it away."""

    id: str
    about: Literal["push", "digest", "test", "clear"]
    tag: str
    title: str = ""
    # One line.
    text: str = ""
    # The path of the page that it leads to.
    path: str = "/"
    items: tuple[str, ...] = ()
    # Answers of its one item that may be given where it is shown.
    actions: tuple[Literal["allow", "deny"], ...] = ()
    # How many wait in all.
    badge: int = 0
    urgent: bool = False
    # Of no use after so many seconds.
    lasts: int = 6 * 3600


class Notifier(Protocol):
    """Made with a `Setup`."""

    def complete(self, target: Target) -> dict[str, str]:
        """What is kept of what the person gave: with a secret of ours where there is one."""
        ...

    def check(self, target: Target) -> None:
        """Raises BadTarget, BadAddress or PrivateAddress where nothing can be sent to it."""
        ...

    def send(self, target: Target, notification: Notification) -> None:
        """Told again with the same `id` it is told once, as far as the other side can.

        Raises NotDelivered, and TargetGone where it never will be again.
        """
        ...
