"""`mainloop service`: the server comes back after a reboot, by systemd on Linux and launchd on macOS.

What is installed is one file that says who wrote it; a file of somebody else is never touched. Stopping or restarting
the service ends the server alone: runners go on.
"""

import getpass
import os
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mainloop.errors import MainloopError

MARK: Final = "Written by `mainloop service install`"
LABEL: Final = "mainloop"


class NotOurs(MainloopError):
    """{path} was not written by mainloop, so it was left as it is. Move it away if mainloop is to take its place."""

    code = "not_ours"


class NoServiceManager(MainloopError):
    """There is no systemd for users here ({why}), as in most containers. Let what starts this machine or container run \
`{command}`, and start it again when it ends: sessions go on where they were."""

    code = "no_service_manager"


def unit(command: Sequence[str], home: Path, folder: Path) -> str:
    """The systemd unit that runs `command` on `home`, in the folder its `.env` lies in."""
    return f"""\
# {MARK}; `mainloop service uninstall` removes it.
[Unit]
Description=mainloop, one conversation to manage all of your AI sessions

[Service]
ExecStart={" ".join(_quoted(part) for part in command)}
WorkingDirectory={_escaped(str(folder))}
Environment={_quoted(f"MAINLOOP_HOME={home}", dollar="$")}
Environment={_quoted(f"PATH={os.environ.get('PATH', os.defpath)}", dollar="$")}
# The server alone is stopped: runners and their agents outlive it, and the next start finds them.
KillMode=process
Restart=on-failure
RestartSec=2

[Install]
WantedBy=default.target
"""


def property_list(command: Sequence[str], home: Path, folder: Path) -> bytes:
    """The same for launchd."""
    return plistlib.dumps(
        {
            "Label": LABEL,
            "Comment": MARK,
            "ProgramArguments": list(command),
            "WorkingDirectory": str(folder),
            "EnvironmentVariables": {"MAINLOOP_HOME": str(home), "PATH": os.environ.get("PATH", os.defpath)},
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            # Runners outlive the server.
            "AbandonProcessGroup": True,
        }
    )


class SystemService:
    """The person's own service. `home`: mainloop's; `folder`: where it is started, with its `.env`."""

    def __init__(self, home: Path, folder: Path) -> None:
        # -P and the full path: what is started does not depend on the folder it starts in.
        self.command = (sys.executable, "-P", "-m", "mainloop.main", "up")
        self._home = home
        self._folder = folder
        self._mac = sys.platform == "darwin"

    @property
    def path(self) -> Path:
        if self._mac:
            return Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        below = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        return Path(below) / "systemd" / "user" / "mainloop.service"

    def install(self) -> list[str]:
        """What was done and what to do, in sentences. Raises NotOurs, NoServiceManager."""
        self._refuse_foreign()
        self._refuse_without_manager()
        content = (
            property_list(self.command, self._home, self._folder)
            if self._mac
            else unit(self.command, self._home, self._folder).encode()
        )
        before = self.path.read_bytes() if self.path.exists() else None
        if before != content:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self.path.with_name(f".{self.path.name}.new")
            unfinished.write_bytes(content)
            unfinished.rename(self.path)
        said = [f"{self.path} {'is as it should be' if before == content else 'is written'}."]
        if self._mac:
            _run("launchctl", "bootout", f"gui/{os.getuid()}/{LABEL}")
            return [
                *said,
                *_tried(
                    "It runs, and comes back when you sign in.",
                    "launchctl",
                    "bootstrap",
                    f"gui/{os.getuid()}",
                    str(self.path),
                ),
            ]
        said += _tried("systemd has read it.", "systemctl", "--user", "daemon-reload")
        said += _tried(
            "mainloop runs, and comes back when this machine starts.",
            "systemctl", "--user", "enable", "--now", self.path.name,
        )  # fmt: skip
        if before is not None and before != content:
            said.append("It was changed: `systemctl --user restart mainloop` takes that up; agents go on meanwhile.")
        return [*said, _lingering()]

    def uninstall(self) -> list[str]:
        """The server is stopped and does not come back; runners go on, the home stays. Raises NotOurs."""
        self._refuse_foreign()
        if not self.path.exists():
            return ["No service is installed."]
        if self._mac:
            said = _tried("The server is stopped.", "launchctl", "bootout", f"gui/{os.getuid()}/{LABEL}")
        else:
            said = _tried("The server is stopped.", "systemctl", "--user", "disable", "--now", self.path.name)
        self.path.unlink()
        if not self._mac:
            _run("systemctl", "--user", "daemon-reload")
        return [*said, f"{self.path} is removed. {self._home} stays as it is, and agents that work go on."]

    def status(self) -> list[str]:
        """What is installed and whether it runs."""
        if not self.path.exists():
            return ["No service is installed. `mainloop service install` does it."]
        if MARK not in self.path.read_text(errors="replace"):
            return [f"{self.path} is there, but was not written by mainloop."]
        if self._mac:
            return [
                f"{self.path} is installed.",
                *_tried("It is loaded.", "launchctl", "print", f"gui/{os.getuid()}/{LABEL}"),
            ]
        active = _run("systemctl", "--user", "is-active", self.path.name)
        state = active.stdout.strip() if active is not None else ""
        return [f"{self.path} is installed.", f"systemd says: {state or 'nothing, it does not answer'}.", _lingering()]

    def _refuse_foreign(self) -> None:
        if self.path.exists() and MARK not in self.path.read_text(errors="replace"):
            raise NotOurs(path=self.path)

    def _refuse_without_manager(self) -> None:
        if self._mac:
            return
        answer = _run("systemctl", "--user", "show-environment")
        if answer is None or answer.returncode:
            said = "systemctl is not installed" if answer is None else _last_line(answer.stderr) or "it does not answer"
            command = f"MAINLOOP_HOME={self._home} {' '.join(self.command)}"
            raise NoServiceManager(why=said.rstrip("."), command=command)


def _lingering() -> str:
    """systemd ends a person's services with their last session, unless told otherwise."""
    user = getpass.getuser()
    answer = _run("loginctl", "show-user", user, "--property=Linger")
    if answer is not None and answer.stdout.strip() == "Linger=yes":
        return f"Lingering is on for {user}: mainloop runs also while you are signed out."
    return (
        f"Lingering is off for {user}: systemd starts mainloop when you sign in and ends it, with its agents, when you "
        f"sign out. `loginctl enable-linger {user}` lets it run from the start of the machine and go on."
    )


def _tried(done: str, *command: str) -> list[str]:
    answer = _run(*command)
    if answer is not None and answer.returncode == 0:
        return [done]
    why = "it is not installed" if answer is None else _last_line(answer.stderr) or f"it ended with {answer.returncode}"
    return [f"`{' '.join(command)}` did not work: {why}"]


def _run(*command: str) -> subprocess.CompletedProcess[str] | None:
    """None where the program is missing."""
    if shutil.which(command[0]) is None:
        return None
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str, dollar: str = "$$") -> str:
    """One word of a unit: systemd knows the quotes and backslashes of C, expands %, and in commands $."""
    for character, stands in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", dollar)):
        text = text.replace(character, stands)
    return f'"{text}"'
