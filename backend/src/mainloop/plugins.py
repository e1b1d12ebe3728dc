"""The slots, looked up by entry point. What ships with mainloop uses the same door as everybody else."""

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from mainloop.errors import MainloopError
from mainloop.forges.base import Forge, Place
from mainloop.notifiers.base import Notifier, Setup
from mainloop.sandboxes.base import Probe, Sandbox
from mainloop.workspaces.base import Workspaces

Slot = Literal["workspaces", "sandboxes", "forges", "notifiers"]


class UnknownPlugin(MainloopError):
    """There is no {name} among the {slot}. Installed are: {known}."""

    status = 422
    code = "unknown_plugin"


class BrokenPlugin(MainloopError):
    """{name} of the {slot} can't be loaded from {package}: {why}"""

    code = "broken_plugin"


def installed(slot: Slot) -> list[str]:
    """The names that can be asked for, in alphabetical order."""
    return sorted({entry.name for entry in entry_points(group=f"mainloop.{slot}")})


def load(slot: Slot, name: str) -> Any:
    """The class behind a name. Raises UnknownPlugin, which lists what there is, or BrokenPlugin."""
    entry = next(iter(entry_points(group=f"mainloop.{slot}", name=name)), None)
    if entry is None:
        known = ", ".join(installed(slot)) or "none"
        raise UnknownPlugin(name=name, slot=slot, known=known)
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise BrokenPlugin(name=name, slot=slot, package=_package(entry), why=error) from error


def make_workspaces(name: str, home: Path, sandbox: Sandbox) -> Workspaces:
    """The workspaces of this name, below `home`."""
    return load("workspaces", name)(home, sandbox)


def make_forge(name: str, place: Place) -> Forge:
    """The forge of this name, for one project."""
    return load("forges", name)(place)


def make_notifier(name: str, setup: Setup) -> Notifier:
    """The notifier of this name."""
    return load("notifiers", name)(setup)


def choose_sandbox(wanted: str) -> tuple[Sandbox, Probe]:
    """The sandbox that was asked for, tried. `auto`: bubblewrap where it works, else none.

    A sandbox asked for by name that does not work is returned all the same: its probe says why, and nobody is
    left unconfined who asked for confinement.
    """
    sandbox: Sandbox = load("sandboxes", "bubblewrap" if wanted == "auto" else wanted)()
    probe = sandbox.probe()
    if wanted != "auto" or probe.ok:
        return sandbox, probe
    fallback: Sandbox = load("sandboxes", "none")()
    without = fallback.probe()
    return fallback, Probe(without.ok, without.text, " ".join((probe.text, probe.hint)).strip())


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.module
