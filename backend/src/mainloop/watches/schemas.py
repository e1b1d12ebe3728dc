"""What the browser and the main agent say of watches."""

from pydantic import BaseModel, Field

from mainloop_models.events import WatchedFor


class SetWatch(BaseModel):
    """`above`: dollars, of `cost` only. `again`: told each time, not once."""

    above: float | None = Field(default=None, gt=0, le=1_000_000)
    again: bool = False


class WatchTool(SetWatch):
    session: str = Field(description="Id or handle of the session")
    condition: WatchedFor = Field(
        description="done: it has finished; green: the tests of its change pass; merged; asks: it asks the person something, "
        "told even where it is muted; cost: it has cost more than `above`"
    )
    above: float | None = Field(default=None, gt=0, le=1_000_000, description="Dollars, of cost only")
    again: bool = Field(default=False, description="Each time; without it once")
    stop: bool = Field(default=False, description="Take it back instead")
