"""StandingPermissions permissions over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from mainloop.access.service import CurrentDevice
from mainloop.http.context import CurrentDatabase
from mainloop.permissions.schemas import GivePermission, Offer, Permission, Permissions, Preview, Wish
from mainloop.permissions.standing import StandingPermissions

router = APIRouter(prefix="/api/permissions", tags=["permissions"])


async def _standing(request: Request) -> StandingPermissions:
    return request.app.state.parts.standing


CurrentStanding = Annotated[StandingPermissions, Depends(_standing)]


@router.get("", name="list_permissions")
def list_permissions(database: CurrentDatabase, standing: CurrentStanding, me: CurrentDevice) -> Permissions:
    """Every standing permission, those in force first."""
    return Permissions(permissions=database.read(standing.all))


@router.post("", name="give_permission", status_code=201)
def give_permission(
    given: GivePermission, database: CurrentDatabase, standing: CurrentStanding, me: CurrentDevice
) -> Permission:
    """Give one by hand; with the answer of an ask it is part of the answer."""
    return database.write(lambda unit: standing.give(unit, given, me.name))


@router.post("/preview", name="preview_permission")
def preview_permission(given: Wish, database: CurrentDatabase, standing: CurrentStanding, me: CurrentDevice) -> Preview:
    """What it would have answered in the past, before it is given."""
    return database.read(lambda connection: standing.preview(connection, given))


@router.get("/offer/{item_id}", name="offer_permission")
def offer_permission(item_id: str, database: CurrentDatabase, standing: CurrentStanding, me: CurrentDevice) -> Offer:
    """What could be given with the answer of an ask, each with what it would have answered in the past."""
    return database.read(lambda connection: standing.offer(connection, item_id))


@router.delete("/{permission_id}", name="revoke_permission")
def revoke_permission(
    permission_id: str, database: CurrentDatabase, standing: CurrentStanding, me: CurrentDevice
) -> Permission:
    """Take one back: it answers nothing from now on."""
    return database.write(lambda unit: standing.revoke(unit, permission_id))
