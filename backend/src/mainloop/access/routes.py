"""Signing in and the list of devices."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from mainloop.access import service, store
from mainloop.access.schemas import Device, DeviceName, Devices, Pair, Paired
from mainloop.access.service import COOKIE, CurrentDevice
from mainloop.http.context import CurrentDatabase, CurrentParts

router = APIRouter(prefix="/api", tags=["access"])
A_YEAR = 365 * 24 * 3600


@router.post("/pair", name="pair")
def pair(
    given: Pair,
    database: CurrentDatabase,
    parts: CurrentParts,
    response: Response,
    user_agent: Annotated[str, Header()] = "",
) -> Paired:
    """Redeem a pairing code: sets the cookie and hands out the key that goes with it."""
    keys = service.pair(database, given.code, given.name or _browser(user_agent))
    response.set_cookie(
        COOKIE,
        keys.cookie,
        max_age=A_YEAR,
        httponly=True,
        samesite="strict",
        secure=parts.settings.base_url.startswith("https://"),
    )
    return Paired(device=DeviceName(id=keys.device_id, name=keys.name), key=keys.key)


@router.get("/devices", name="list_devices")
def list_devices(database: CurrentDatabase, me: CurrentDevice) -> Devices:
    """Every device that may come in."""
    rows = database.read(store.devices)
    return Devices(
        devices=[
            Device(id=r.id, name=r.name, created_at=r.created_at, seen_at=r.seen_at, this=r.id == me.id) for r in rows
        ]
    )


@router.delete("/devices/{device_id}", name="revoke_device", status_code=204)
def revoke_device(device_id: str, database: CurrentDatabase, me: CurrentDevice) -> None:
    """Sign a device out, this one included."""
    service.revoke(database, device_id)


def _browser(user_agent: str) -> str:
    """A name a person recognises, from what the browser says of itself."""
    system = next((s for s in ("iPhone", "iPad", "Android", "Windows", "Macintosh", "Linux") if s in user_agent), "")
    browser = next((b for b in ("Firefox", "Edg", "Chrome", "Safari") if b in user_agent), "")
    names = {"Edg": "Edge", "Macintosh": "Mac"}
    return " on ".join(names.get(part, part) for part in (browser, system) if part)
