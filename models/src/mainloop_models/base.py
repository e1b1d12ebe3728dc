"""What every value that crosses the line between server and runner shares."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen value.

    Unknown fields are ignored, not refused: a runner outlives its server, so an older runner must be able to
    read what a newer server says, and the other way round.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
