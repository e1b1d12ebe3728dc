"""What the browser sends and sees of sessions."""

from pydantic import BaseModel, Field

from mainloop_models.events import SessionBody


class Session(SessionBody):
    """A session, whole."""

    # How many get a place at work before it, where it waits for one.
    ahead: int | None = None


class StartSession(BaseModel):
    # Chosen by the client: the same id again is the same session.
    id: str = Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9-]+$")
    prompt: str = Field(min_length=1)
    title: str | None = Field(default=None, max_length=20_000)
    # Id or name of a project; without one the session begins with an empty folder.
    project: str | None = None
    agent: str | None = None
    model: str | None = Field(default=None, max_length=120)
    workspace: str | None = None


class Reason(BaseModel):
    reason: str = Field(default="", max_length=2000)


class Sessions(BaseModel):
    sessions: list[Session]
