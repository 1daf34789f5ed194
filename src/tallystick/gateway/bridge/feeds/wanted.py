"""Who is told what: a pure choice by what a client wants to hear of (2026-07-28, basic/patterns/subscriptions)."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from tallystick.gateway.bridge.heard import Notice
from tallystick.gateway.upstream.model import Wanted
from tallystick.wire import Era

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY: Final = "io.modelcontextprotocol/clientCapabilities"
_TASKS: Final[dict[str, object]] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}

PENDING: Final = 256
"""Notifications that wait for one slow listener."""

PENDING_BYTES: Final = 256 << 10
"""Bytes of them."""

WAITS_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before a stream is opened again, after each failure in a row."""

LASTING_S: Final = 10.0
"""Seconds after which a stream that ended was a good one, and the row of failures starts anew."""


def union(all_wanted: Iterable[Wanted]) -> Wanted:
    """Return what all of them want together, in a stable order."""
    prompts = resources_list = tools = False
    resources: dict[str, None] = {}
    tasks: dict[str, None] = {}
    for wanted in all_wanted:
        prompts, resources_list = prompts or wanted.prompts_list, resources_list or wanted.resources_list
        tools = tools or wanted.tools_list
        resources.update(dict.fromkeys(wanted.resources))
        tasks.update(dict.fromkeys(wanted.tasks))
    return Wanted(prompts, resources_list, tuple(sorted(resources)), tuple(sorted(tasks)), tools)


def covers(larger: Wanted, smaller: Wanted) -> bool:
    """Whether somebody who is told of `larger` can be relied on for `smaller`."""
    return (
        larger.prompts_list >= smaller.prompts_list
        and larger.resources_list >= smaller.resources_list
        and larger.tools_list >= smaller.tools_list
        and set(larger.resources) >= set(smaller.resources)
        and set(larger.tasks) >= set(smaller.tasks)
    )


def concerns(wanted: Wanted, notice: Notice) -> bool:
    """Whether a notification is one of those that a client wants."""
    match notice.method:
        case "notifications/prompts/list_changed":
            return wanted.prompts_list
        case "notifications/resources/list_changed":
            return wanted.resources_list
        case "notifications/tools/list_changed":
            return wanted.tools_list
        case "notifications/resources/updated":
            return any(_is_within(notice.params.uri, uri) for uri in wanted.resources)
        case "notifications/tasks":
            return notice.params.taskId in wanted.tasks
        case _:
            return False


def _is_within(uri: str, subscribed: str) -> bool:
    # An update may name a part of what was subscribed to.
    return uri == subscribed or uri.startswith(subscribed.rstrip("/") + "/")


def notifications_of(wanted: Wanted) -> dict[str, object]:
    """Return the `notifications` of a subscriptions/listen request."""
    asked: dict[str, object] = {}
    if wanted.prompts_list:
        asked["promptsListChanged"] = True
    if wanted.resources_list:
        asked["resourcesListChanged"] = True
    if wanted.tools_list:
        asked["toolsListChanged"] = True
    if wanted.resources:
        asked["resourceSubscriptions"] = list(wanted.resources)
    if wanted.tasks:
        asked["taskIds"] = list(wanted.tasks)
    return asked


def listen_params(wanted: Wanted, era: Era) -> dict[str, object]:
    """Return the parameters of a subscriptions/listen request that nobody can be asked about."""
    meta: dict[str, object] = {VERSION_KEY: era.version, CAPABILITIES_KEY: _TASKS if wanted.tasks else {}}
    return {"notifications": notifications_of(wanted), "_meta": meta}


def pause(failures: int, spread: float) -> float:
    """Return the seconds before the next attempt. `spread` in 0..1 keeps feeds from coming back all at once."""
    return WAITS_S[min(failures, len(WAITS_S)) - 1] * (0.5 + 0.5 * spread) if failures > 0 else 0.0


def key_of(notice: Notice) -> object:
    """Return what makes a newer notification take the place of an older one that still waits."""
    about = notice.params.uri or notice.params.taskId
    # What is not a hint to look again is worth telling each time.
    return (notice.method, about) if notice.method.endswith("/list_changed") or about else object()


class Pending:
    """What waits for one listener, bounded in number and in bytes; the oldest is dropped first."""

    __slots__ = ("_size", "_waiting")

    def __init__(self) -> None:
        """Start with nothing."""
        self._waiting: OrderedDict[object, bytes] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, key: object, message: bytes) -> None:
        """Add a notification, in the place of one with the same key."""
        self._size += len(message) - len(self._waiting.pop(key, b""))
        self._waiting[key] = message
        while len(self._waiting) > PENDING or self._size > PENDING_BYTES:
            self.take()

    def take(self) -> bytes | None:
        """Return the oldest, None when there is nothing."""
        if not self._waiting:
            return None
        message = self._waiting.popitem(last=False)[1]
        self._size -= len(message)
        return message
