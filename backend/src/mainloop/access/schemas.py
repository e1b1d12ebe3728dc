"""What the browser sends to sign in, and sees of devices."""

from datetime import datetime

from pydantic import BaseModel, Field


class Pair(BaseModel):
    code: str = Field(min_length=1, max_length=200)
    # What the device is called in the list of devices.
    name: str = Field(default="", max_length=120)


class Device(BaseModel):
    id: str
    name: str
    created_at: datetime
    seen_at: datetime
    # The device that asks.
    this: bool


class DeviceName(BaseModel):
    id: str
    name: str


class Paired(BaseModel):
    """`key` goes into the header `X-Mainloop-Key` of every request, beside the cookie."""

    device: DeviceName
    key: str


class Devices(BaseModel):
    devices: list[Device]
