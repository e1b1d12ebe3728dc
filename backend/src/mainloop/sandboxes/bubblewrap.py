"""Linux namespaces through bubblewrap: the agent sees the system, its workspace and its own home, and nothing else."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

from mainloop.sandboxes.base import Policy, Probe
from mainloop.sandboxes.trial import try_out
from mainloop.settings import memory

_SYSTEM = ("/usr", "/etc", "/opt")
_LINKED = ("/bin", "/sbin", "/lib", "/lib32", "/libx32", "/lib64")

# Tool chains outside the system's folders. Of ~/.cargo and its like only the programs: beside them lie tokens.
_TOOL_CHAINS = (
    "/nix",
    "/gnu/store",
    "/run/current-system",
    "/home/linuxbrew/.linuxbrew",
    "~/.asdf",
    "~/.bun/bin",
    "~/.cargo/bin",
    "~/.deno/bin",
    "~/.local/bin",
    "~/.local/lib",
    "~/.local/share/fnm",
    "~/.local/share/mise",
    "~/.local/share/uv",
    "~/.nvm",
    "~/.pyenv",
    "~/.rbenv",
    "~/.rustup",
    "~/.sdkman/candidates",
    "~/.volta",
)

# A folder that is only to be empty.
_LEAST = os.sysconf("SC_PAGE_SIZE")

_INSTALL = "Install it: `apt install bubblewrap`, `dnf install bubblewrap` or `pacman -S bubblewrap`."
_UBUNTU = """\
This system lets only listed programs make user namespaces. Put these lines into /etc/apparmor.d/bwrap:

abi <abi/4.0>,
include <tunables/global>
profile bwrap {program} flags=(unconfined) {{
  userns,
  include if exists <local/bwrap>
}}

Then run `sudo apparmor_parser -r /etc/apparmor.d/bwrap` and start mainloop again."""
_NO_NAMESPACES = (
    "This system refuses user namespaces, as most containers do. Run mainloop outside of one, or in a container that "
    "allows them; without, agents run unconfined."
)
_ROOT = (
    "mainloop runs as root. Agents share its network and with it sockets that only root may use: "
    "better run it as an ordinary user."
)


class Bubblewrap:
    name = "bubblewrap"
    confined = True

    def wrap(self, policy: Policy) -> list[str]:
        """Later arguments lie on top of earlier ones."""
        return [
            self._program,
            # SIGKILL for all of it when the thread that started it ends.
            "--die-with-parent",
            # No terminal to push keys into.
            "--new-session",
            # A user namespace of its own and none inside it: less kernel to attack.
            "--unshare-user",
            *(["--disable-userns"] if self._version >= (0, 8) else []),
            # Root keeps all capabilities otherwise, and with them remounts the host's /usr.
            *("--cap-drop", "ALL"),
            # Its own processes, which die with the first; no shared memory and no host name of the host.
            *("--unshare-pid", "--unshare-ipc", "--unshare-uts"),
            *([] if policy.network else ["--unshare-net"]),
            *("--proc", "/proc", "--dev", "/dev"),
            *self._in_memory("/dev/shm", memory() // 16),
            *("--remount-ro", "/dev"),
            *self._in_memory("/tmp", memory() // 8),
            *self._in_memory("/run", memory() // 16),
            *_system(self._in_memory),
            *_shown(policy),
            # Folders made on the way to a bind; without it writes there seem to succeed.
            *("--remount-ro", "/"),
            *("--chdir", str(policy.chdir)),
        ]

    def probe(self) -> Probe:
        if sys.platform != "linux":
            return Probe(False, "bubblewrap exists on Linux only.")
        if shutil.which(self._program) is None:
            return Probe(False, "bubblewrap is not installed.", _INSTALL)
        trial = try_out(self)
        if not trial.started:
            return Probe(False, f"bubblewrap can't start here: {trial.said}.", self._start_hint())
        if trial.failures:
            return Probe(False, f"bubblewrap does not hold here: {', '.join(trial.failures)}.")
        return Probe(
            True,
            "Agents are confined by bubblewrap. Tried just now: writing outside, reading a file of yours and seeing "
            "other processes were all refused.",
            _ROOT if os.geteuid() == 0 else "",
        )

    def _in_memory(self, path: str, size: int = _LEAST) -> list[str]:
        """An empty folder that is no disk's, and holds so many bytes at most."""
        return [*(["--size", str(size)] if self._version >= (0, 5) else []), "--tmpfs", path]

    @cached_property
    def _program(self) -> str:
        return shutil.which("bwrap") or "bwrap"

    @cached_property
    def _version(self) -> tuple[int, int]:
        try:
            said = subprocess.run(
                [self._program, "--version"], capture_output=True, text=True, timeout=10, check=False
            ).stdout
        except (OSError, subprocess.TimeoutExpired):
            said = ""
        found = re.search(r"(\d+)\.(\d+)", said)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def _start_hint(self) -> str:
        restricted = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
        if restricted.exists() and restricted.read_text().strip() == "1":
            return _UBUNTU.format(program=self._program)
        return _NO_NAMESPACES


def _system(in_memory: Callable[[str], list[str]]) -> Iterator[str]:
    for folder in _SYSTEM:
        if Path(folder).is_dir():
            yield from ("--ro-bind", folder, folder)
    for folder in _LINKED:
        path = Path(folder)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), folder)
        elif path.is_dir():
            yield from ("--ro-bind", folder, folder)
    for path in _private(Path("/etc")):
        if path.is_dir():
            yield from in_memory(str(path))
        else:
            yield from ("--ro-bind", "/dev/null", str(path))
    # Often a link into /run, which is a private one inside.
    names = Path("/etc/resolv.conf").resolve()
    if names.is_file() and not _is_system(names):
        yield from ("--ro-bind", str(names), str(names))


def _shown(policy: Policy) -> Iterator[str]:
    """The outer before the inner: what is seen in a hidden folder lies on it, a hidden folder on what is around it."""
    hidden = {path for given in policy.hidden for path in (given, given.resolve()) if path.exists()}
    chains = (Path(name).expanduser() for name in _TOOL_CHAINS)
    wanted = (*chains, *_own_program(), *policy.read_only)
    readable = {path for path in wanted if os.access(path, os.R_OK) and not _is_seen_anyway(path, hidden)}
    # In what is not shown there is nothing to hide.
    hidden = {path for path in hidden if any(path.is_relative_to(it) for it in (*map(Path, _SYSTEM), *readable))}
    binds = {
        **{path: ("--tmpfs", str(path)) for path in hidden},
        **{path: ("--ro-bind", str(path), str(path)) for path in readable},
        **{path: ("--bind", str(path), str(path)) for path in policy.writable},
    }
    for path in sorted(binds, key=lambda path: (len(path.parts), path)):
        yield from binds[path]
    for path in sorted(hidden):
        yield from ("--remount-ro", str(path))


def _own_program() -> Iterable[Path]:
    """The Python mainloop runs on, and the agent packages, wherever they are installed. Looked up, never imported."""
    yield from (Path(sys.prefix), Path(sys.base_prefix))
    for package in ("mainloop_models", "mainloop_agent", "claude_agent_sdk"):
        found = importlib.util.find_spec(package)
        for place in (found and found.submodule_search_locations) or ():
            if not Path(place).is_relative_to(sys.prefix):
                yield Path(place)


def _is_system(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _SYSTEM)


def _is_seen_anyway(path: Path, hidden: set[Path]) -> bool:
    """A system folder is. Bound once more it would show what is masked in it."""
    return _is_system(path) and path.is_dir() and not any(path.is_relative_to(it) for it in hidden)


def _private(folder: Path) -> Iterator[Path]:
    """What mainloop may read here and not everybody may: for root the password hashes and the host's keys."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink():
            continue
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except OSError:
            continue
        if entry.is_dir(follow_symlinks=False):
            if mode & 0o001:
                yield from _private(Path(entry))
            elif os.access(entry, os.X_OK):
                yield Path(entry)
        elif entry.is_file(follow_symlinks=False) and not mode & 0o004 and os.access(entry, os.R_OK):
            yield Path(entry)
