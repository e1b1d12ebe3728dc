"""The slot for sandboxes: what stands around an agent and everything it starts.

A sandbox is only an argument list. Whoever holds the agent puts it before the agent's command, so the
agent, its tools and their children are all inside, and all of them die with the process that started it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

# The program by which all that an agent started ends with it, where the system itself does not see to that.
ENDING: Final = Path(__file__).with_name("ending.py")


@dataclass(frozen=True)
class Policy:
    """What the inside may see and change. Everything that is not named here or part of the system is unseen."""

    # Where the command starts. Lies in `writable` or `read_only`.
    chdir: Path
    # Folders it may change: the workspace and the session's own home.
    writable: tuple[Path, ...] = ()
    # Files and folders it may read besides: the mirror's objects, certificates. Missing ones are left out.
    read_only: tuple[Path, ...] = ()
    # Folders that stay unseen where they lie below something that is shown: mainloop's own home.
    # What `writable` and `read_only` name inside of them is seen all the same.
    hidden: tuple[Path, ...] = ()
    network: bool = True


@dataclass(frozen=True)
class Probe:
    """What a sandbox did when it was tried. `text` says it in words, `hint` what the person can do about it."""

    ok: bool
    text: str
    hint: str = ""


class Sandbox(Protocol):
    """Stateless; made without arguments, shared by all sessions, called from any thread."""

    @property
    def name(self) -> str:
        """What the person calls it in the settings."""
        ...

    @property
    def confined(self) -> bool:
        """Whether it keeps the inside from the person's files. False shows a badge on every session."""
        ...

    def wrap(self, policy: Policy) -> list[str]:
        """The argument list to put before a command, see `inside`; [] for none.

        It changes nothing and starts nothing, and the same policy gives the same list. The command has to be
        started by a thread that lives as long as the agent: the sandbox dies with that thread.
        """
        ...

    def probe(self) -> Probe:
        """Starts one and tries what it promises: takes a fraction of a second and leaves nothing behind.

        Never raises: a sandbox that can't start here is an answer, with a hint.
        """
        ...


def inside(wrap: Sequence[str], command: Sequence[str]) -> list[str]:
    """The command as it is started: behind its sandbox, if there is one. Start it in the policy's `chdir` as well."""
    return [*wrap, "--", *command] if wrap else list(command)
