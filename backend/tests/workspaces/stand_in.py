"""Stands in for the runner: takes the lock as it does, and starts `AGENT`, a shell script, where an agent would be.

With `STUBBORN` it does not listen to SIGTERM.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

run = json.loads(Path(sys.argv[1]).read_text())
lock = os.open(Path(run["home"], "lock"), os.O_WRONLY | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
if "STUBBORN" in run["environment"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
Path(run["token_file"]).unlink()
agent = subprocess.Popen(
    [*run["wrap"], *(["--"] if run["wrap"] else []), "sh", "-c", run["environment"].get("AGENT", "true")],
    cwd=run["workspace"],
    env={**os.environ, **run["environment"], "HOME": run["agent_home"]},
    stdin=subprocess.DEVNULL,
)
agent.wait()
Path(run["home"], "agent-ended").touch()
signal.pause()
