"""The project's set-up: one command that makes a new workspace fit to work in, run where the agent's own commands run."""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass

from mainloop_models.runner import RunFile

# The longest that a set-up may take (seconds), and how much of its output is kept while it runs (bytes).
LONGEST = 3600.0
KEPT = 400_000
TOOL = "SetUp"


@dataclass(frozen=True)
class Outcome:
    ok: bool
    output: str


class SetUp:
    """One run of a project's set-up command. It gets the project's variables, and none of the agent's credentials."""

    def __init__(self, run: RunFile, command: str) -> None:
        self.command = command
        self._run = run
        self._process: asyncio.subprocess.Process | None = None
        self.stopped = False

    async def run(self) -> Outcome:
        """Runs it to its end, or until it is stopped or takes too long. Raises OSError where it can't start."""
        self._process = process = await asyncio.create_subprocess_exec(
            *([*self._run.wrap, "--"] if self._run.wrap else []),
            "bash",
            "-c",
            self.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self._run.workspace,
            env=self._environment(),
            start_new_session=True,
        )
        output = _Ends()
        try:
            if self.stopped:
                self.stop()
            async with asyncio.timeout(LONGEST):
                assert process.stdout is not None
                while piece := await process.stdout.read(65536):
                    output.add(piece)
                await process.wait()
        except TimeoutError:
            return Outcome(False, f"{output.text}\nIt did not end within {LONGEST / 60:.0f} minutes and was ended.")
        finally:
            self._kill()
            await process.wait()
        if process.returncode == 0:
            return Outcome(True, output.text)
        return Outcome(False, f"Exit code {process.returncode}\n{output.text}")

    def stop(self) -> None:
        """Ends it, and everything that it has started."""
        self.stopped = True
        self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _environment(self) -> dict[str, str]:
        given = self._run.environment
        plain = {name: given[name] for name in ("PATH", "LANG", "TZ") if name in given}
        return {"PATH": os.defpath, **self._run.variables, **plain, "HOME": self._run.agent_home}


class _Ends:
    """The beginning and the end of what comes, however much it is."""

    def __init__(self) -> None:
        self._head, self._tail, self._all = bytearray(), bytearray(), 0

    def add(self, piece: bytes) -> None:
        self._all += len(piece)
        room = KEPT // 2 - len(self._head)
        self._head += piece[:room]
        self._tail = (self._tail + piece[max(room, 0) :])[-KEPT // 2 :]

    @property
    def text(self) -> str:
        left_out = self._all - len(self._head) - len(self._tail)
        between = f"\n… {left_out} bytes left out …\n".encode() if left_out else b""
        return (self._head + between + self._tail).decode(errors="replace").strip()
