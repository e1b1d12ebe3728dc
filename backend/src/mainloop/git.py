"""Runs git for the server: with an argument list, hardened, without a prompt, and with an end."""

import io
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

# Nothing that a repository or its remote configures runs a program here.
_HARDENED = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "core.askPass=",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
    "-c", "protocol.allow=never",
    "-c", "protocol.file.allow=always",
    "-c", "protocol.git.allow=always",
    "-c", "protocol.http.allow=always",
    "-c", "protocol.https.allow=always",
    "-c", "protocol.ssh.allow=always",
    # A connection that brings nothing for a minute is over.
    "-c", "http.lowSpeedLimit=1",
    "-c", "http.lowSpeedTime=60",
)  # fmt: skip

# Of the person's git variables, those that say how to reach an address.
_REACHING = ("GIT_SSH", "GIT_SSL_", "GIT_HTTP_", "GIT_PROXY", "GIT_CONFIG_")

# Brings a branch of ours into a repository of the person's, and nothing else; git refuses to move one backwards, or where
# somebody works on it.
BRING = (
    "fetch", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--refmap=",
)  # fmt: skip


class GitFailed(Exception):
    """git ended with an error. `line` is what it said about it, in one line; `out` what it answered all the same."""

    def __init__(self, arguments: Sequence[str], code: int, stderr: str, out: bytes = b"") -> None:
        self.code = code
        self.out = out
        self.stderr = stderr
        self.line = _telling_line(stderr) or f"git ended with {code}."
        super().__init__(f"git {' '.join(arguments[:1])}: {self.line}")

    @property
    def why(self) -> str:
        """Why a branch was not brought to where it should be, as the end of a sentence."""
        if "non-fast-forward" in self.stderr:
            return "it has commits of its own."
        return f"git says: {self.line}."


class GitTimedOut(GitFailed):
    """git did not end in time and was killed."""


def git(
    *arguments: str,
    repository: Path | None = None,
    as_person: bool = False,
    timeout: float = 120,
    stdin: str | None = None,
    config: Sequence[str] = (),
    tell: Callable[[str], None] | None = None,
) -> str:
    """The output of one git command, as text: what is none comes as Python's surrogates. See `git_bytes`."""
    out = git_bytes(
        *arguments,
        repository=repository,
        as_person=as_person,
        timeout=timeout,
        stdin=None if stdin is None else stdin.encode("utf-8", "surrogateescape"),
        config=config,
        tell=tell,
    )
    return out.decode("utf-8", "surrogateescape")


def git_bytes(
    *arguments: str,
    repository: Path | None = None,
    as_person: bool = False,
    timeout: float = 120,
    stdin: bytes | None = None,
    config: Sequence[str] = (),
    behind: Sequence[str] = (),
    tell: Callable[[str], None] | None = None,
    into: IO[bytes] | None = None,
    out_of: IO[bytes] | None = None,
) -> bytes:
    """The output of one git command. `repository` is a git directory, never a work tree.

    `as_person` reads the person's own configuration, for the credentials of private addresses; without it no
    configuration but the repository's own is read. `behind`: what stands before the command, a sandbox.
    `tell` is called with each line that git says meanwhile, its progress included, from a thread of its own.
    `into` and `out_of`: files in the place of what it answers and of `stdin`, for what is too large to be held.
    Raises GitFailed.
    """
    command, environment = git_command(*arguments, repository=repository, as_person=as_person, config=config)
    with subprocess.Popen(
        [*behind, *command],
        # Somewhere without a repository above it.
        cwd="/",
        env=environment,
        stdin=out_of or (subprocess.DEVNULL if stdin is None else subprocess.PIPE),
        stdout=into or subprocess.PIPE,
        stderr=subprocess.PIPE,
        # No terminal to ask at, and one group to end it by.
        start_new_session=True,
    ) as process:
        followed = _follow(process, tell) if tell else None
        try:
            out, err = process.communicate(stdin, timeout)
            err = followed() if followed else err
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            said = f"fatal: no end after {timeout:.0f} seconds"
            raise GitTimedOut(arguments, -signal.SIGKILL, said) from None
    if process.returncode:
        raise GitFailed(arguments, process.returncode, err.decode(errors="replace"), out)
    return out or b""


def _follow(process: subprocess.Popen[bytes], tell: Callable[[str], None]) -> Callable[[], bytes]:
    """Takes over what a command says beside its output; what was said, once it has ended."""
    assert process.stderr is not None
    # A line that is written over the last one ends with a carriage return, which counts as the end of a line.
    lines = io.TextIOWrapper(process.stderr, encoding="utf-8", errors="replace")
    process.stderr = None
    said: list[str] = []

    def follow() -> None:
        with lines:
            for line in lines:
                said.append(line)
                tell(line.strip())

    following = threading.Thread(target=follow, daemon=True, name=f"git-{process.pid}")
    following.start()

    def ended() -> bytes:
        following.join()
        return "".join(said).encode()

    return ended


def git_command(
    *arguments: str, repository: Path | None = None, as_person: bool = False, config: Sequence[str] = ()
) -> tuple[list[str], dict[str, str]]:
    """The argument list and the environment of one git command, for who talks with it while it runs."""
    where = ["--git-dir", str(repository)] if repository else []
    settings = [part for setting in config for part in ("-c", setting)]
    return ["git", *_HARDENED, *settings, *where, *arguments], _environment(as_person)


def git_identity() -> dict[str, str]:
    """Who commits are by, as environment variables: the person as their own git knows them, else mainloop."""
    found = {"NAME": "mainloop", "EMAIL": "mainloop@localhost"}
    for what in found:
        try:
            said = git("config", "--global", "--get", f"user.{what.lower()}", as_person=True).strip()
        except (GitFailed, FileNotFoundError):
            continue
        found[what] = said or found[what]
    return {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in found.items()}


def _environment(as_person: bool) -> dict[str, str]:
    # Git's own credential manager and ssh open a window where they may, and projects are asked while nobody is there.
    unasked = {"GIT_TERMINAL_PROMPT": "0", "GCM_INTERACTIVE": "never", "SSH_ASKPASS_REQUIRE": "never"}
    quiet = {**unasked, "GIT_REFLOG_ACTION": "mainloop", "LC_ALL": "C.UTF-8"}
    if not as_person:
        alone = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "HOME": "/"}
        return {"PATH": os.environ.get("PATH", os.defpath), **alone, **quiet}
    person = {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(_REACHING)
    }
    for name in ("SSH_ASKPASS", "GIT_CONFIG_PARAMETERS"):
        person.pop(name, None)
    return {**person, **quiet}


def _telling_line(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    for line in lines:
        for start in ("fatal: ", "error: ", "ERROR: "):
            if line.startswith(start):
                return line.removeprefix(start)
    return lines[-1] if lines else ""
