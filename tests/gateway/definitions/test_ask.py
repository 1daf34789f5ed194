"""Asking one server what it is: every era and every page, bounded, and only what can be read in one way."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest

from tallystick.gateway.bridge import Bridge, Park, Setting, drawn
from tallystick.gateway.definitions import View, ask
from tallystick.gateway.definitions.observe import BYTES, PAGES, hear, said_of
from tallystick.gateway.upstream import HttpTransport, Upstream
from tallystick.gateway.upstream.stdio import supervision
from tallystick.registry import definition
from tallystick.terms import Reason, Refusal, ServerId
from tallystick.wire import ERAS, MODERN
from tests.gateway.upstream.remote import LOCAL, SESSIONS, Asked, Remote, Wire, remote, result

pytestmark = pytest.mark.anyio
Json = dict[str, object]
NAME = ServerId("odd")
TOOL: Json = {"name": "echo", "inputSchema": {"type": "object"}}
PROMPT: Json = {"name": "greet"}
TEMPLATE: Json = {"uriTemplate": "a://{b}", "name": "b"}
ALL: Json = {"tools": {}, "prompts": {}, "resources": {}}


def _usual(method: str, era: str, cursor: object) -> object:
    """Answer as a server of both eras with one entry in each list."""
    del cursor
    match method:
        case "server/discover":
            return {"supportedVersions": [MODERN], "capabilities": ALL, "instructions": "new"}
        case "initialize":
            return {"protocolVersion": SESSIONS, "capabilities": ALL, "instructions": "old"}
        case "tools/list":
            return {"tools": [TOOL if era == MODERN else {**TOOL, "description": "For old clients."}]}
        case "prompts/list":
            return {"prompts": [PROMPT]}
        case "resources/templates/list":
            return {"resourceTemplates": [TEMPLATE]}
        case _:
            return {}


@asynccontextmanager
async def _asked(say: Callable[[str, str, object], object]) -> AsyncGenerator[tuple[Remote, Upstream]]:
    """Run a server; what `say` returns is a result, or the bytes of a whole answer. None is method not found."""

    async def handle(asked: Asked, wire: Wire) -> None:
        if not asked.body or "id" not in asked.message:
            await wire.answer(b"", "202 Accepted")
            return
        message = asked.message
        cursor = definition.plain.object_of(message.get("params")).get("cursor")
        said = say(str(message["method"]), asked.header("mcp-protocol-version") or SESSIONS, cursor)
        if isinstance(said, bytes):
            await wire.answer(b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (message["id"], said))
        elif said is None:
            error = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no"}}
            await wire.answer(json.dumps(error).encode(), "404 Not Found")
        else:
            await wire.answer(result(asked, said))

    async with remote(handle) as server, supervision() as supervising:
        transport = HttpTransport(server.url, LOCAL, supervising)
        yield server, Bridge("odd", transport, {}, supervising, Setting(Park(drawn)))


async def test_a_server_is_asked_for_everything_in_each_era() -> None:
    async with _asked(_usual) as (_, upstream):
        found = await ask(upstream, NAME, 5.0)
    assert isinstance(found, definition.Definition)
    assert {version: said.instructions for version, said in found.eras.items()} == {MODERN: "new", SESSIONS: "old"}
    document = definition.pin_document(found, "2026-11-21T00:00:00+00:00")
    assert isinstance(document, dict)
    assert (document["tools"], document["prompts"], document["resource_templates"]) == ([TOOL], [PROMPT], [TEMPLATE])
    assert document["variants"] == {SESSIONS: {"tools": [{**TOOL, "description": "For old clients."}]}}
    assert definition.of_document(document).digest == found.digest


async def test_what_a_server_does_not_declare_is_not_asked_for_and_pinned_as_nothing() -> None:
    def say(method: str, era: str, cursor: object) -> object:
        assert not method.startswith(("prompts/", "resources/"))
        return (
            {"capabilities": {}}
            if method == "server/discover"
            else _usual(method, era, cursor)
            if era == MODERN
            else None
        )

    async with _asked(say) as (_, upstream):
        found = await ask(upstream, NAME, 5.0)
    assert isinstance(found, definition.Definition)
    assert (list(found.eras), found.newest.prompts, found.newest.resource_templates) == ([MODERN], {}, {})


async def test_every_page_is_read_in_order() -> None:
    def say(method: str, era: str, cursor: object) -> object:
        if method != "tools/list" or era != MODERN:
            return _usual(method, era, cursor)
        page = int(str(cursor or 0))
        return {"tools": [{**TOOL, "name": f"t{page}"}], **({"nextCursor": str(page + 1)} if page < 3 else {})}

    async with _asked(say) as (_, upstream):
        found = await ask(upstream, NAME, 5.0)
    assert isinstance(found, definition.Definition)
    assert list(found.newest.tools or {}) == ["t0", "t1", "t2", "t3"]


async def test_a_list_without_an_end_is_given_up() -> None:
    def say(method: str, era: str, cursor: object) -> object:
        return {"tools": [], "nextCursor": "again"} if method == "tools/list" else _usual(method, era, cursor)

    async with _asked(say) as (server, upstream):
        refused = await hear(upstream, View(ERAS[MODERN]), 15.0, ("tools",))
        assert len(server.calls("tools/list")) == PAGES
    assert isinstance(refused, Refusal)
    assert refused.reasons == (Reason.UPSTREAM_TOO_LARGE,)


async def test_more_than_a_definition_can_be_is_not_read() -> None:
    def say(method: str, era: str, cursor: object) -> object:
        large = {"tools": [{**TOOL, "description": "x" * BYTES}]}
        return large if method == "tools/list" else _usual(method, era, cursor)

    async with _asked(say) as (_, upstream):
        refused = await hear(upstream, View(ERAS[MODERN]), 15.0, ("tools",))
    assert isinstance(refused, Refusal)
    assert refused.reasons == (Reason.UPSTREAM_TOO_LARGE,)


@pytest.mark.parametrize("raw", [b'{"tools":[{"name":"a","name":"b"}]}', b'{"tools":[' + b"[" * 80 + b"]" * 80 + b"]}"])
async def test_what_two_readers_could_read_in_two_ways_is_refused(raw: bytes) -> None:
    async with _asked(lambda method, era, cursor: raw if method == "tools/list" else _usual(method, era, cursor)) as (
        _,
        upstream,
    ):
        heard = await hear(upstream, View(ERAS[MODERN]), 5.0, ("tools",))
    assert not isinstance(heard, Refusal)
    refused = said_of(heard)
    assert isinstance(refused, Refusal)
    assert refused.reasons == (Reason.UPSTREAM_BROKEN,)


async def test_a_server_that_lists_nothing_cannot_be_pinned() -> None:
    async with _asked(lambda method, era, cursor: None if method == "tools/list" else _usual(method, era, cursor)) as (
        _,
        upstream,
    ):
        refused = await ask(upstream, NAME, 5.0)
    assert isinstance(refused, Refusal)
    assert refused.reasons == (Reason.UPSTREAM_BROKEN,)
