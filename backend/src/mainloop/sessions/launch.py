"""Starting a runner: what the slot for workspaces needs to know of a thread."""

from collections.abc import Mapping

from mainloop.environment import agent_environment, credential_names
from mainloop.events.unit import Database
from mainloop.git import git_identity
from mainloop.projects.service import Projects
from mainloop.runs import store as runs_store
from mainloop.runs.service import NewRun
from mainloop.sessions import store
from mainloop.workspaces.base import RunSpec, Workspaces, WorkspaceSpec


class Launcher:
    """The starter that the phases of runs use."""

    def __init__(
        self,
        database: Database,
        projects: Projects,
        workspaces: Workspaces,
        server: str,
        environment: Mapping[str, str],
    ) -> None:
        """`environment`: what the server was started with; an agent gets its part of it."""
        self._database = database
        self._projects = projects
        self._workspaces = workspaces
        self._server = server
        self._environment = environment

    def start(self, run: NewRun) -> int | None:
        mirror, variables = None, dict[str, str]()
        agent = self._database.read(lambda c: runs_store.agent(c, run.thread_id))
        kind, fork_of = agent.kind, agent.fork["session_id"] if agent.fork else None
        if run.role == "session":
            session = self._database.read(lambda c: store.find(c, run.thread_id))
            if session is not None and session.project_id:
                mirror = self._projects.mirror(session.project_id).path
                variables = self._projects.settings(session.project_id).environment
        else:
            self._workspaces.prepare(WorkspaceSpec(run.thread_id))
        credentials = tuple(sorted(credential_names(self._environment, kind)))
        environment = {**agent_environment(self._environment, kind), **git_identity()}
        return self._workspaces.start_run(
            RunSpec(
                run.thread_id,
                run.number,
                run.token,
                self._server,
                environment,
                mirror,
                credentials,
                variables=variables,
                fork_of=fork_of,
            )
        )

    def has_room(self) -> bool:
        return self._workspaces.has_room()

    def alive(self, thread_id: str) -> bool:
        return self._workspaces.alive(thread_id)

    def kill(self, thread_id: str) -> None:
        self._workspaces.kill(thread_id, grace=2.0)
