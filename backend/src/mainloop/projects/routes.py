"""Projects over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from mainloop.access.service import CurrentDevice
from mainloop.http.context import CurrentDatabase
from mainloop.projects import store
from mainloop.projects.schemas import AddProject, ChangeProject, Found, Project
from mainloop.projects.schemas import Projects as ProjectList
from mainloop.projects.service import Projects, as_project

router = APIRouter(prefix="/api/projects", tags=["projects"])


async def _projects(request: Request) -> Projects:
    return request.app.state.parts.projects


@router.get("", name="list_projects")
def list_projects(database: CurrentDatabase, me: CurrentDevice) -> ProjectList:
    """Every project, oldest first."""
    return ProjectList(projects=[as_project(row) for row in database.read(store.all_projects)])


@router.post("", name="add_project", status_code=201)
def add_project(
    given: AddProject,
    database: CurrentDatabase,
    projects: Annotated[Projects, Depends(_projects)],
    me: CurrentDevice,
    response: Response,
) -> Project:
    """Add a repository by path or address. The same source again is the same project; a failed one is tried again."""
    project, new = database.write(lambda unit: projects.add(unit, given))
    response.status_code = 201 if new else 200
    return project


@router.patch("/{project_id}", name="change_project")
def change_project(
    project_id: str,
    given: ChangeProject,
    database: CurrentDatabase,
    projects: Annotated[Projects, Depends(_projects)],
    me: CurrentDevice,
) -> Project:
    """Change its settings. They hold for what begins from now on: a workspace, a run, a close."""
    projects.check(project_id, given)
    return database.write(lambda unit: projects.change(unit, project_id, given))


@router.get("/{project_id}/found", name="look_into_project")
def look_into_project(project_id: str, projects: Annotated[Projects, Depends(_projects)], me: CurrentDevice) -> Found:
    """What a look into the project finds that its settings could say: its branches, set-up and test commands."""
    return projects.found(project_id)
