"""What a server's own route passes on of its prompts and templates: those that were pinned.

Nobody has reviewed what a server has added since, and all of it reaches a model.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tallystick.registry import model
from tallystick.wire import Message, encode

_ENTRIES: Final = {
    "prompts/list": ("prompts", "name"),
    "resources/templates/list": ("resourceTemplates", "uriTemplate"),
}
_read: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def is_pinned(pin: model.Pin | None, message: Message) -> bool:
    """Tell whether a request is for no prompt, or for one that was pinned; a pin of old tells of none."""
    known = None if pin is None or message.method != "prompts/get" else pin.prompts
    return known is None or message.params.get("name") in known


def with_pinned(pin: model.Pin | None, method: str, payload: bytes) -> bytes:
    """Return one page of a list without the entries that were never pinned; the same bytes where there is none."""
    known = None if pin is None else _known(pin, method)
    if known is None:
        return payload
    member, name = _ENTRIES[method]
    result = _read(payload)
    entries = _list(result.get(member))
    kept = [entry for entry in entries if _name(entry, name) in known]
    return payload if len(kept) == len(entries) else encode.value({**result, member: kept})


def _known(pin: model.Pin, method: str) -> Mapping[str, object] | None:
    if method == "prompts/list":
        return pin.prompts
    return pin.resource_templates if method in _ENTRIES else None


def _list(raw: msgspec.Raw | None) -> list[msgspec.Raw]:
    try:
        return [] if raw is None else msgspec.json.decode(raw, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        return []


def _name(entry: msgspec.Raw, member: str) -> str:
    try:
        return msgspec.json.decode(_read(entry)[member], type=str)
    except (msgspec.ValidationError, KeyError):
        return ""
