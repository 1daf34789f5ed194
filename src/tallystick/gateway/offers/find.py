"""Whose prompt or resource is asked for at a toolset, under the name that its server knows it by."""

from typing import Final

from tallystick.registry import Server
from tallystick.snapshot import Route
from tallystick.terms import Caller, Reason, Refusal
from tallystick.wire import Message

UNKNOWN: Final = Refusal(
    "not_found", (Reason.OFFER_UNKNOWN,), "There is no such prompt or resource here. List them again."
)
"""What exists and is not for this caller, and what does not exist, get the same answer."""


def find_prompt(found: Route, message: Message, caller: Caller, now: float) -> Server | Refusal:
    """Return the server of the prompt that is asked for, and have the message name it as that server does."""
    name = message.params.get("name")
    prompt = found.prompts.get(name) if isinstance(name, str) and _is_whole(found, caller, now) else None
    if prompt is None:
        return UNKNOWN
    # INVARIANT: changed before anything is made of it, so policy, record and server all know the one real name.
    message.params["name"] = prompt.prompt
    return found.members[prompt.server]


def find_resource(found: Route, message: Message, caller: Caller, now: float) -> Server | Refusal:
    """Return the server of the resource that is read."""
    uri = message.params.get("uri")
    server = found.resources.find(uri) if isinstance(uri, str) and _is_whole(found, caller, now) else None
    return UNKNOWN if server is None else found.members[server]


def _is_whole(found: Route, caller: Caller, now: float) -> bool:
    """Tell whether a caller was let in to more than to single tools."""
    admitted = found.admit(caller, now)
    return admitted is not None and admitted.tools is None
