"""Asking one server what it says of itself in one era, as somebody sees it: bounded in pages, bytes and time."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final, NamedTuple

import anyio

from tallystick.gateway.bridge import Alone
from tallystick.gateway.upstream import Client, Outbound, Upstream
from tallystick.gateway.upstream.opening import GATEWAY, SERVED
from tallystick.registry import definition
from tallystick.terms import Reason, Refusal, strict_json
from tallystick.wire import Era, Reply, bridge

PAGES: Final = 100
"""Pages of one list that are read at most."""

BYTES: Final = 4 << 20
"""Bytes of everything that a server says of itself, at most."""

LISTS: Final[Mapping[definition.model.Part, str]] = {
    "tools": "tools/list",
    "prompts": "prompts/list",
    "resource_templates": "resources/templates/list",
}
_MEMBERS: Final[Mapping[definition.model.Part, str]] = {
    "tools": "tools",
    "prompts": "prompts",
    "resource_templates": "resourceTemplates",
}
_DECLARED_AS: Final[Mapping[definition.model.Part, str]] = {
    "tools": "tools",
    "prompts": "prompts",
    "resource_templates": "resources",
}
_METHOD_NOT_FOUND: Final = -32601

OWN: Final = "definitions"
"""The conversation in which the gateway asks for itself."""


class View(NamedTuple):
    """Who looks: the era, the conversation and the client that the server hears of. A server may show each another."""

    era: Era
    conversation: str = OWN
    client: Client = Client(SERVED.capabilities, GATEWAY)


class Heard(NamedTuple):
    """What a server answered, unread: its opening (None: it gave none), and the pages of each list.

    `digest` is of all the bytes.
    """

    opened: bytes | None
    lists: Mapping[definition.model.Part, tuple[bytes, ...]]
    digest: bytes


async def hear(
    upstream: Upstream, view: View, within_s: float, wanted: Iterable[definition.model.Part]
) -> Heard | Refusal:
    """Ask for each of the `wanted` lists and for the opening, all of it within so many seconds."""
    with anyio.move_on_after(within_s):
        # The lists come first: they are calls like others, so that a server that is down is left alone after some.
        lists = await hear_lists(upstream, view, within_s, wanted)
        if isinstance(lists, Refusal):
            return lists
        said = await hear_opening(upstream, view, within_s)
        # A server that has changed its era since has no opening in this one. Whatever it says there, clients are told
        # what was pinned, so silence gains it nothing.
        opened = None if isinstance(said, Refusal) else said
        return Heard(opened, lists, _digest(opened or b"", lists))
    return TOO_SLOW


async def hear_opening(upstream: Upstream, view: View, within_s: float) -> bytes | Refusal:
    """Ask what the server says of itself. A session says it once, when it is opened."""
    reply = await upstream.introduce(_outbound(view, view.era.opening, {}, (within_s, BYTES)))
    if isinstance(reply, Refusal):
        return reply
    return reply.payload if reply.kind == "result" else _unsaid(view.era.opening, reply)


async def hear_lists(
    upstream: Upstream, view: View, within_s: float, wanted: Iterable[definition.model.Part]
) -> Mapping[definition.model.Part, tuple[bytes, ...]] | Refusal:
    """Ask for lists, page by page."""
    closed = upstream.refuse()
    if closed is not None:
        return closed
    left = BYTES
    lists: dict[definition.model.Part, tuple[bytes, ...]] = {}
    for part in wanted:
        pages = await _pages(upstream, view, part, (within_s, left))
        if isinstance(pages, Refusal):
            return pages
        lists[part] = pages
        left -= sum(map(len, pages))
    return lists


async def _pages(
    upstream: Upstream, view: View, part: definition.model.Part, bounds: tuple[float, int]
) -> tuple[bytes, ...] | Refusal:
    pages: list[bytes] = []
    params: dict[str, object] = {}
    left = bounds[1]
    while len(pages) < PAGES and left > 0:
        reply = await upstream.ask(_outbound(view, LISTS[part], params, (bounds[0], left)))
        if isinstance(reply, Refusal):
            return reply
        if reply.kind != "result":
            is_none = reply.rpc_code == _METHOD_NOT_FOUND and part != "tools" and not pages
            return () if is_none else _unsaid(LISTS[part], reply)
        pages.append(reply.payload)
        left -= len(reply.payload)
        if b'"nextCursor"' not in reply.payload:
            return tuple(pages)
        page = read(reply.payload)
        if isinstance(page, Refusal):
            return page
        if page.get("nextCursor") is None:
            return tuple(pages)
        params = {"cursor": page["nextCursor"]}
    return Refusal("upstream", (Reason.UPSTREAM_TOO_LARGE,), _UNSAID, f"{LISTS[part]}: more than {PAGES} pages")


def _outbound(view: View, method: str, params: dict[str, object], bounds: tuple[float, int]) -> Outbound:
    era, conversation, client = view
    given = bridge.request(method, params, era, client)
    return Outbound(era, method, given, conversation, Alone(), bounds[0], bounds[1], client=client)


def declared(capabilities: Mapping[str, object]) -> tuple[definition.model.Part, ...]:
    """Return the lists that a server's capabilities offer; tools are always asked for."""
    return tuple([part for part in LISTS if part == "tools" or _DECLARED_AS[part] in capabilities])


def read(payload: bytes) -> dict[str, object] | Refusal:
    """Return the result that a server answered with, refused where two readers could see two things in it."""
    try:
        return dict(definition.plain.object_of(strict_json.read(payload)))
    except ValueError as error:
        return Refusal("upstream", (Reason.UPSTREAM_BROKEN,), _UNSAID, str(error))


def said_of(heard: Heard) -> tuple[definition.model.Said, dict[str, object]] | Refusal:
    """Return what a server says, and its whole opening."""
    opened = read(heard.opened) if heard.opened is not None else {}
    if isinstance(opened, Refusal):
        return opened
    lists: dict[definition.model.Part, list[object]] = {}
    for part, pages in heard.lists.items():
        entries = lists.setdefault(part, [])
        for page in map(read, pages):
            if isinstance(page, Refusal):
                return page
            entries.extend(definition.plain.list_of(page.get(_MEMBERS[part])))
    instructions = opened.get("instructions")
    items = {part: definition.read.items_of(part, entries) for part, entries in lists.items()}
    said = definition.model.Said(
        instructions if isinstance(instructions, str) else None,
        items.get("tools"),
        items.get("prompts"),
        items.get("resource_templates"),
        introduced=heard.opened is not None,
    )
    return said, opened


def _digest(opened: bytes, lists: Mapping[definition.model.Part, tuple[bytes, ...]]) -> bytes:
    whole = sha256(opened)
    for part, pages in lists.items():
        whole.update(part.encode())
        for page in pages:
            whole.update(b"\0")
            whole.update(page)
    return whole.digest()


def _unsaid(method: str, reply: Reply) -> Refusal:
    return Refusal("upstream", (Reason.UPSTREAM_BROKEN,), _UNSAID, f"{method}: {reply.payload[:200]!r}")


_UNSAID: Final = (
    "The server did not say what it offers, so it cannot be compared with what was approved, and nothing was sent. "
    "Try later; tell the server's owner if it lasts."
)
TOO_SLOW: Final = Refusal("upstream", (Reason.UPSTREAM_TIMEOUT,), _UNSAID, "it did not list its definitions in time")
