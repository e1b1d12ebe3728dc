"""No sandbox, with a badge that says so. On Linux what an agent starts ends with it all the same."""

import os
import shutil
import subprocess
import sys
from functools import cached_property

from mainloop.sandboxes.base import ENDING, Policy, Probe, inside

_UNCONFINED = "Agents are not confined: they can read and change whatever {who} can."
_WHOLE = "What they start ends with them."
_DETACHED = "A process they detach may outlive them."
_HINT = "On Linux, install bubblewrap and agents see only their own folders."


class NoSandbox:
    name = "none"
    confined = False

    def wrap(self, policy: Policy) -> list[str]:
        return list(self._ending)

    def probe(self) -> Probe:
        who = "root" if os.geteuid() == 0 else "you"
        ends = _WHOLE if self._ending else _DETACHED
        return Probe(True, f"{_UNCONFINED.format(who=who)} {ends}", _HINT)

    @cached_property
    def _ending(self) -> tuple[str, ...]:
        """What makes the agent's processes end with the runner, as far as this system has it."""
        if sys.platform != "linux":
            return ()
        with_parent = ("setpriv", "--pdeathsig", "KILL", "--")
        # An ordinary user makes a process namespace only inside a user namespace.
        user = () if os.geteuid() == 0 else ("--user", "--map-current-user")
        own_processes = ("unshare", *user, "--pid", "--fork", "--mount-proc", "--kill-child=KILL")
        # Most containers allow no namespace.
        for candidate in ((*with_parent, *own_processes), (sys.executable, "-I", "-S", str(ENDING))):
            if _works(candidate):
                return candidate
        return ()


def _works(wrap: tuple[str, ...]) -> bool:
    if shutil.which(wrap[0]) is None:
        return False
    try:
        tried = subprocess.run(
            inside(wrap, ["/bin/true"]),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0
