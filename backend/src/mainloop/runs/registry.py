"""What features hand to the runs when the app is composed: who wants which report, which tools there are."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel, ValidationError

from mainloop.db.engine import Row
from mainloop.errors import MainloopError
from mainloop.events.unit import UnitOfWork
from mainloop_models.base import Model
from mainloop_models.events import AgentError
from mainloop_models.runner import Role, Tool, ToolAnswer, ToolRequest

B = TypeVar("B", bound=Model)
A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True)
class Said:
    """The circumstances of a report: the thread's agent row as it was before, and the run that said it, and when.

    `ending`: turns whose end is reported together with it.
    """

    thread: Row
    run: int
    at: datetime
    ending: frozenset[int] = frozenset()

    @property
    def thread_id(self) -> str:
        return str(self.thread.thread_id)


@dataclass(frozen=True)
class Call:
    """A call of one of our tools, by the agent of `thread`."""

    thread: Row
    call_id: str
    turn: int

    @property
    def thread_id(self) -> str:
        return str(self.thread.thread_id)


@dataclass(frozen=True)
class _Tool:
    described: Tool
    roles: frozenset[Role]
    arguments: type[BaseModel]
    act: Callable[[UnitOfWork, Call, Any], str]
    offered: Callable[[sa.Connection, Row], bool]


@dataclass
class Registry:
    """Filled once, before the first request."""

    handlers: dict[type[Model], list[Callable[[UnitOfWork, Said, Any], None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    prompts: dict[Role, Callable[[sa.Connection, Row], str]] = field(
        default_factory=dict[Role, Callable[[sa.Connection, Row], str]]
    )
    blocked: list[Callable[[UnitOfWork, str, AgentError], None]] = field(
        default_factory=list[Callable[[UnitOfWork, str, AgentError], None]]
    )
    cut_off: list[Callable[[UnitOfWork, str], None]] = field(default_factory=list[Callable[[UnitOfWork, str], None]])
    admission: Callable[[UnitOfWork, Row], AgentError | None] | None = None
    # The command that is still to be run in a thread's workspace before its first turn; empty: none.
    set_up: Callable[[sa.Connection, Row], str] = lambda connection, row: ""
    work: list[Callable[[UnitOfWork, str], None]] = field(default_factory=list[Callable[[UnitOfWork, str], None]])
    overdue: list[Callable[[UnitOfWork, str], None]] = field(default_factory=list[Callable[[UnitOfWork, str], None]])
    unreachable: list[Callable[[UnitOfWork, str, int, datetime], None]] = field(
        default_factory=list[Callable[[UnitOfWork, str, int, datetime], None]]
    )
    back: list[Callable[[UnitOfWork, str, str], None]] = field(
        default_factory=list[Callable[[UnitOfWork, str, str], None]]
    )
    tools: dict[str, _Tool] = field(default_factory=dict[str, _Tool])

    def on(self, kind: type[B], handle: Callable[[UnitOfWork, Said, B], None]) -> None:
        """Call `handle` for every report of `kind`, in the transaction that applies it, after our own part."""
        self.handlers[kind].append(handle)

    def prompt(self, role: Role, write: Callable[[sa.Connection, Row], str]) -> None:
        """What the agent of a thread with `role` is told about itself."""
        self.prompts[role] = write

    def on_blocked(self, handle: Callable[[UnitOfWork, str, AgentError], None]) -> None:
        """Call `handle(unit, thread_id, error)` when only the person can make a thread go on."""
        self.blocked.append(handle)

    def on_cut_off(self, handle: Callable[[UnitOfWork, str], None]) -> None:
        """Call `handle(unit, thread_id)` when a turn ended because its runner died or was ended."""
        self.cut_off.append(handle)

    def on_admission(self, admit: Callable[[UnitOfWork, Row], AgentError | None]) -> None:
        """Ask `admit(unit, agent row)` before a turn may begin: it notes an allowance, or says why there is none."""
        self.admission = admit

    def on_work(self, handle: Callable[[UnitOfWork, str], None]) -> None:
        """Call `handle(unit, thread_id)` when a thread has something to do, before a runner gets to know of it."""
        self.work.append(handle)

    def on_overdue(self, handle: Callable[[UnitOfWork, str], None]) -> None:
        """Call `handle(unit, thread_id)` when a living runner has not been heard of for a minute."""
        self.overdue.append(handle)

    def on_unreachable(self, handle: Callable[[UnitOfWork, str, int, datetime], None]) -> None:
        """Call `handle(unit, thread_id, run, last_seen)`, again and again, while that lasts for too long."""
        self.unreachable.append(handle)

    def on_back(self, handle: Callable[[UnitOfWork, str, str], None]) -> None:
        """Call `handle(unit, thread_id, why)` when an overdue runner is heard of again, or is known to be gone."""
        self.back.append(handle)

    def tool(
        self,
        name: str,
        description: str,
        arguments: type[A],
        act: Callable[[UnitOfWork, Call, A], str],
        *,
        roles: set[Role],
        offered: Callable[[sa.Connection, Row], bool] = lambda _c, _r: True,
    ) -> None:
        """Offer a tool to agents of these roles. `act` answers the text for the model."""
        described = Tool(name=name, description=description, input_schema=arguments.model_json_schema())
        self.tools[name] = _Tool(described, frozenset(roles), arguments, act, offered)

    def ask_tool(self, name: str, description: str, arguments: type[BaseModel], *, roles: set[Role]) -> None:
        """Offer a tool that asks the person; the runner opens the ask and waits for the answer."""
        schema = arguments.model_json_schema()
        described = Tool(name=name, description=description, input_schema=schema, via="ask")
        self.tools[name] = _Tool(described, frozenset(roles), arguments, _never, lambda _c, _r: True)

    def tools_for(self, connection: sa.Connection, thread: Row) -> list[Tool]:
        """The tools of a thread's agent, in a stable order."""
        return [
            tool.described
            for _, tool in sorted(self.tools.items())
            if thread.role in tool.roles and tool.offered(connection, thread)
        ]

    def call(self, unit: UnitOfWork, thread: Row, request: ToolRequest) -> ToolAnswer:
        """Run a tool of ours. What is wrong comes back in words, with nothing of it done."""
        tool = self.tools.get(request.tool)
        if tool is None or thread.role not in tool.roles or not tool.offered(unit.connection, thread):
            return ToolAnswer(text=f"There is no tool {request.tool} here.", is_error=True)
        try:
            arguments = tool.arguments.model_validate(request.arguments)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
            return ToolAnswer(text=f"These arguments don't fit: {wrong}.", is_error=True)
        try:
            with unit.savepoint():
                return ToolAnswer(text=tool.act(unit, Call(thread, request.call_id, request.turn), arguments))
        except MainloopError as error:
            return ToolAnswer(text=error.sentence, is_error=True)


def _never(_unit: UnitOfWork, _call: Call, _arguments: Any) -> str:
    raise AssertionError("the runner answers this tool")
