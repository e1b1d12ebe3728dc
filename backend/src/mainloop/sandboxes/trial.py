"""Tries a sandbox for real: what its inside reaches of a folder, a file and a process it must not know."""

import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mainloop.sandboxes.base import Policy, Sandbox, inside

_INSIDE = """\
echo started
echo changed > mine && echo wrote-inside
(echo changed > "$1/outside") 2>/dev/null
cat "$1/canary" 2>/dev/null
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '
"""


@dataclass(frozen=True)
class Trial:
    started: bool
    # What it said where it did not start.
    said: str
    # What did not hold, in words.
    failures: tuple[str, ...] = ()


def try_out(sandbox: Sandbox) -> Trial:
    """Leaves nothing behind. Never raises."""
    # Not in /tmp, which is a private one inside: what lies there is unseen anyway.
    try:
        base = Path(tempfile.mkdtemp(prefix="mainloop-trial-", dir="/var/tmp"))
    except OSError as error:
        return Trial(False, str(error))
    try:
        return _try_in(sandbox, base)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Trial(False, str(error))
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _try_in(sandbox: Sandbox, base: Path) -> Trial:
    folder, canary = base / "inside", secrets.token_hex(16)
    folder.mkdir()
    (base / "canary").write_text(canary)
    # A process with a mark of its own to look for.
    seconds = f"60.{secrets.randbelow(10**9):09}"
    wrap = sandbox.wrap(Policy(chdir=folder, writable=(folder,)))
    with subprocess.Popen(["sleep", seconds], stdin=subprocess.DEVNULL) as other:
        try:
            tried = subprocess.run(
                inside(wrap, ["/bin/sh", "-c", _INSIDE, "trial", str(base)]),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=20,
                check=False,
            )
        finally:
            other.kill()
    if "started" not in tried.stdout:
        said = tried.stderr.strip().splitlines()
        return Trial(False, said[-1].rstrip(".") if said else f"it ended with {tried.returncode}")
    found = {
        "its own folder can't be written": "wrote-inside" not in tried.stdout,
        "a folder outside can be written": (base / "outside").exists(),
        "a file outside can be read": canary in tried.stdout,
        "other processes can be seen": seconds in tried.stdout,
    }
    return Trial(True, "", tuple(words for words, so in found.items() if so))
