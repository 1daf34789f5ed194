"""The publish side: a `server.json` becomes a draft, or a new draft of what is there; a status takes a server away.

Nothing that is published here can be found or called before it is reviewed and approved like everything else.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tallystick.api.catalog.address import Address
from tallystick.api.catalog.entries import OURS
from tallystick.api.catalog.rooms import CatalogRooms, Declined
from tallystick.control import model
from tallystick.registry import imports

BODY_BYTES: Final = 1024 * 1024
"""Largest body that is read."""
_MESSAGE: Final = 500
"""Letters of a status's message, by the API."""
_SPOKEN_OF: Final = frozenset({"title", "purpose", "transport"})
_NO_DRAFT: Final = "This server.json has neither a whole URL nor a package that can be started"


class Status(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a change of status."""

    status: str
    statusMessage: str = ""  # noqa: N815 - the API's name


async def publish(rooms: CatalogRooms, address: Address, authorization: bytes | None, raw: bytes) -> object:
    """Make or change the draft that a `server.json` describes; return what was made, as the API tells it."""
    sent = _sent(raw)
    if isinstance(sent, Declined):
        return sent
    key = model.Key("Server", imports.slug(str(sent.get("name")).rpartition("/")[2]))
    # INVARIANT: nothing more is read of what was sent before it is known that its sender may send it.
    actor = await rooms.publisher(authorization, address.tenant, "server:put", key)
    if isinstance(actor, Declined):
        return actor
    found = imports.read(raw, "server.json", address.tenant)
    if not isinstance(found, imports.Imported):
        return Declined(400, "; ".join(str(problem) for problem in found))
    if address.what == "version" and (sent.get("name"), sent.get("version")) != (address.name, address.version):
        return Declined(400, "The name and the version in the body are not those of the path")
    if len(found.documents) != 1:
        return Declined(400, _NO_DRAFT)
    draft = found.documents[0]
    present = (await rooms.resources()).get(key)
    if present is not None and present.tenant != address.tenant:
        return Declined(409, "Another tenant has a server of that name")
    if present is None and address.what == "version":
        return Declined(404, "Server not found")
    put = _put(key, address, draft.spec, present)
    done = await rooms.commit((put,), actor, f"published as {sent.get('name')} {sent.get('version')}")
    return done if isinstance(done, Declined) else _told(sent, draft.name, found, present)


def _put(key: model.Key, address: Address, said: Mapping[str, object], present: model.Resource | None) -> model.Put:
    """Return the change: of what is there, only what a server.json speaks of. Owner and classification are not its."""
    if present is None:
        return model.Put(key.kind, key.name, address.tenant, said, expected=0)
    spec = {**present.spec, **{name: part for name, part in said.items() if name in _SPOKEN_OF}}
    return model.Put(key.kind, key.name, address.tenant, spec, present.labels, expected=present.version)


async def change_status(rooms: CatalogRooms, address: Address, authorization: bytes | None, raw: bytes) -> object:
    """Suspend a server (`deleted`). Making it `active` again, or `deprecated`, is for its reviewers."""
    try:
        wanted = msgspec.json.decode(raw, type=Status)
    except msgspec.MsgspecError as error:
        return Declined(400, str(error))
    if len(wanted.statusMessage) > _MESSAGE:
        return Declined(400, f"statusMessage has at most {_MESSAGE} letters")
    key = model.Key("Server", imports.slug(address.name.rpartition("/")[2]))
    actor = await rooms.publisher(authorization, address.tenant, "server:suspend", key)
    if isinstance(actor, Declined):
        return actor
    present = (await rooms.resources()).get(key)
    if present is None or present.tenant != address.tenant or f"{rooms.namespace}/{key.name}" != address.name:
        return Declined(404, "Server not found")
    if wanted.status != "deleted":
        return Declined(409, "Only deleted can be said here, which suspends the server; all else is for its reviewers")
    return await _suspend(rooms, present, actor, wanted.statusMessage)


async def _suspend(rooms: CatalogRooms, present: model.Resource, actor: model.Actor, message: str) -> object:
    step = model.Step(present.key, "suspended", comment=message or "deleted by its publisher", expected=present.version)
    done = await rooms.commit((step,), actor, message)
    return done if isinstance(done, Declined) else {"_meta": {OURS: {"approval": {"state": "suspended"}}}}


def _told(sent: Mapping[str, object], name: str, found: imports.Imported, present: model.Resource | None) -> object:
    state = "draft" if present is None else "in_review" if present.state == "approved" else present.state
    report = [{"place": left.place, "what": left.what, "why": left.why, "remedy": left.remedy} for left in found.report]
    return {"server": sent, "_meta": {OURS: {"approval": {"state": state}, "server": name, "report": report}}}


def _sent(raw: bytes) -> dict[str, object] | Declined:
    """Return what was sent, which the import reads strictly afterwards."""
    try:
        return msgspec.json.decode(raw, type=dict[str, object])
    except msgspec.MsgspecError as error:
        return Declined(400, str(error))
