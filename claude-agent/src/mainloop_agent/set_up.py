"""The project's set-up: one command that makes a new workspace fit to work in, run where the agent's own commands run."""

import asyncio
import os
import signal
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from typing import IO

from mainloop_agent.output import Tell, follow
from mainloop_models.runner import RunFile

# The longest that a set-up may take (seconds), and how much of its output is told (bytes).
LONGEST = 3600.0
TOLD = 400_000
TOOL = "SetUp"
# As a shell says that a signal ended what it ran.
KILLED = 128 + signal.SIGKILL


@dataclass(frozen=True)
class Outcome:
    """`cut_off`: it did not end by itself, and is to be run anew."""

    ok: bool
    output: str
    cut_off: bool = False


class SetUp:
    """One run of a project's set-up command. It gets what the agent's own commands get, but for its credentials."""

    def __init__(self, run: RunFile, command: str) -> None:
        self.command = command
        self._run = run
        self._process: asyncio.subprocess.Process | None = None
        self._stopped = False

    async def run(self, tell: Tell) -> Outcome:
        """Runs it to its end, or until it is stopped or takes too long, and tells its output meanwhile.

        Raises OSError, ValueError where it can't start.
        """
        self._stopped = False
        # Not a pipe: what the command leaves running in the background would hold that open.
        with tempfile.TemporaryFile(dir=self._run.home) as output:
            self._process = process = await asyncio.create_subprocess_exec(
                *([*self._run.wrap, "--"] if self._run.wrap else []),
                "bash",
                "-c",
                self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self._run.workspace,
                env=self._environment(),
                start_new_session=True,
            )
            if self._stopped:
                self._kill()
            following = asyncio.create_task(follow(FileIO(os.dup(output.fileno())), tell))
            try:
                async with asyncio.timeout(LONGEST):
                    await process.wait()
            except TimeoutError:
                self._kill()
                return Outcome(
                    False, f"{_told(output)}\nIt did not end within {LONGEST / 60:.0f} minutes and was ended."
                )
            finally:
                following.cancel()
                self._kill()
                await process.wait()
            code, text = process.returncode or 0, _told(output)
        if code == 0 and not self._stopped:
            return Outcome(True, text)
        cut_off = self._stopped or code < 0 or code == KILLED
        return Outcome(False, f"Exit code {code}\n{text}", cut_off)

    def stop(self) -> None:
        """Ends it, and everything that it has started."""
        self._stopped = True
        self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _environment(self) -> dict[str, str]:
        secret = set(self._run.credentials)
        plain = {name: value for name, value in self._run.environment.items() if name not in secret}
        return {"PATH": os.defpath, **self._run.variables, **plain, "HOME": self._run.agent_home}


def _told(output: IO[bytes]) -> str:
    """The beginning and the end of what was written, however much it is."""
    size = output.seek(0, os.SEEK_END)
    output.seek(0)
    if size <= TOLD:
        return output.read().decode(errors="replace").strip()
    head = output.read(TOLD // 2)
    output.seek(-(TOLD // 2), os.SEEK_END)
    between = f"\n… {size - TOLD} bytes left out …\n"
    return f"{head.decode(errors='replace')}{between}{output.read().decode(errors='replace')}".strip()
