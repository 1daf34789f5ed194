"""The second server under test, on the SDK's low level: it asks back, tells unasked and is subscribed to, in one era.

`python -m tests.interaction.clerk --stdio --era new --journal FILE` runs it as a process of its own; over HTTP it is an
application (`over_http`). A server of the `old` era speaks 2025-11-25 and nothing else, one of the `new` 2026-07-28.
"""

import argparse
from pathlib import Path
from typing import Final

import anyio
from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
)
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    EmptyResult,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    LoggingLevel,
    PaginatedRequestParams,
    Prompt,
    PromptMessage,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    Tool,
    UnsubscribeRequestParams,
)
from starlette.datastructures import Headers
from starlette.requests import Request

from tests.interaction.journal import Journal
from tests.interaction.one_era import NEW, Era, over_stdio
from tests.interaction.questions import ask, form, is_modern

Ctx = ServerRequestContext
Returned = CallToolResult | InputRequiredResult

PAGES: Final = {None: (("a", "b"), "page two"), "page two": (("c",), "page three"), "page three": (("d",), None)}
"""The pages of the resource list, by cursor: names, and the next cursor."""
LEVELS: Final[tuple[LoggingLevel, ...]] = ("debug", "info", "warning", "error")
_NO_RESOURCE: Final = -32002
_BAD_PARAMS: Final = -32602


def _object(**properties: str) -> dict[str, object]:
    return {"type": "object", "properties": {name: {"type": kind} for name, kind in properties.items()}}


_MIRRORED: Final[dict[str, object]] = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "attempt": {"type": "integer", "x-mcp-header": "Attempt"},
        "query": {"type": "string"},
    },
}
TOOLS: Final[dict[str, dict[str, object]]] = {
    "add": _object(a="integer", b="integer"),
    "echo": _object(text="string"),
    "fail": _object(text="string"),
    "refuse": _object(code="integer", text="string", url="string"),
    "steps": _object(count="integer"),
    "log": _object(text="string"),
    "hold": _object(key="string"),
    "release": _object(key="string"),
    "mirrored": _MIRRORED,
    "touch": _object(uri="string"),
    "announce": _object(what="string"),
    "ask": {
        "type": "object",
        "properties": {
            "kinds": {"type": "array", "items": {"type": "string"}},
            "mark": {"type": "string"},
            "rounds": {"type": "integer"},
        },
    },
}
_SUM: Final = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}


class Clerk:
    """One server: what it holds, who is subscribed, and which sessions it can speak to."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._released: dict[str, anyio.Event] = {}
        self.bus = InMemorySubscriptionBus()
        self._sessions: list[Ctx] = []
        self._levels: dict[str | None, LoggingLevel] = {}
        self._subscribed: list[tuple[str, Ctx]] = []

    async def record(self, ctx: Ctx, call_next: CallNext) -> HandlerResult:
        """Journal every message before it is handled. A middleware."""
        self._journal.write("request", method=ctx.method, version=ctx.protocol_version, params=dict(ctx.params or {}))
        if ctx.method == "notifications/initialized":
            self._sessions.append(ctx)
        return await call_next(ctx)

    async def list_tools(self, _: Ctx, __: PaginatedRequestParams | None) -> ListToolsResult:
        """Return the definitions."""
        tools = [
            Tool(name=name, input_schema=schema, output_schema=_SUM if name == "add" else None)
            for name, schema in TOOLS.items()
        ]
        return ListToolsResult(tools=tools)

    async def call(self, ctx: Ctx, params: CallToolRequestParams) -> Returned:
        """Run a tool."""
        given: dict[str, object] = dict(params.arguments or {})
        self._journal.write("call", tool=params.name, arguments=given)
        text = str(given.get("text", ""))
        match params.name:
            case "ask":
                return await ask(ctx, params, self._journal)
            case "add":
                total = int(str(given["a"])) + int(str(given["b"]))
                return CallToolResult(content=[TextContent(text=str(total))], structured_content={"total": total})
            case "fail":
                return CallToolResult(content=[TextContent(text=text)], is_error=True)
            case "refuse":
                visit = {"mode": "url", "message": text, "url": given.get("url"), "elicitationId": "e"}
                raise MCPError(int(str(given["code"])), text, {"elicitations": [visit]} if "url" in given else None)
            case "echo" | "mirrored":
                return said(text)
            case _:
                return await self._act(ctx, params.name, given)

    async def _act(self, ctx: Ctx, tool: str, given: dict[str, object]) -> CallToolResult:
        match tool:
            case "steps":
                count = int(str(given["count"]))
                for step in range(1, count + 1):
                    await ctx.session.report_progress(step, count, f"step {step}")
            case "log":
                # Deprecated by 2026-07-28, and still there in both eras.
                tell = ctx.session.send_log_message  # pyright: ignore[reportDeprecated] - logging still exists in both eras
                told = self._levels.get(_session_of(ctx), "info")
                least = LEVELS.index("debug" if is_modern(ctx) else told)
                for level in LEVELS[least:]:
                    await tell(level, f"{given['text']} {level}", related_request_id=ctx.request_id)
            case "hold":
                await self._hold(str(given["key"]))
            case "release":
                self._released.setdefault(str(given["key"]), anyio.Event()).set()
            case "touch":
                await self._touch(str(given["uri"]))
            case "announce":
                await self._announce(str(given["what"]))
            case _:
                raise MCPError(_BAD_PARAMS, f"Unknown tool: {tool}")
        return said("done")

    async def _hold(self, key: str) -> None:
        released = self._released.setdefault(key, anyio.Event())
        self._journal.write("holding", key=key)
        try:
            await released.wait()
        except anyio.get_cancelled_exc_class():
            self._journal.write("cancelled", key=key)
            raise
        self._journal.write("let go", key=key)

    async def _touch(self, uri: str) -> None:
        await self.bus.publish(ResourceUpdated(uri=uri))
        for subscribed, ctx in self._subscribed:
            if subscribed == uri:
                await ctx.session.send_resource_updated(uri)

    async def _announce(self, what: str) -> None:
        await self.bus.publish(PromptsListChanged() if what == "prompts" else ResourcesListChanged())
        for ctx in self._sessions:
            if what == "prompts":
                await ctx.session.send_prompt_list_changed()
            else:
                await ctx.session.send_resource_list_changed()

    async def list_resources(self, _: Ctx, params: PaginatedRequestParams | None) -> ListResourcesResult:
        """Return one page."""
        names, following = PAGES[params.cursor if params is not None else None]
        listed = [Resource(uri=f"clerk://desk/{name}", name=name) for name in names]
        return ListResourcesResult(resources=listed, next_cursor=following)

    async def list_templates(self, _: Ctx, __: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        """Return the only template."""
        return ListResourceTemplatesResult(
            resource_templates=[ResourceTemplate(uri_template="clerk://desk/{name}", name="desk")]
        )

    async def read(self, ctx: Ctx, params: ReadResourceRequestParams) -> ReadResourceResult:
        """Read a resource; there is none called `none`."""
        uri = str(params.uri)
        if uri.endswith("/none"):
            raise MCPError(_BAD_PARAMS if is_modern(ctx) else _NO_RESOURCE, "Resource not found", {"uri": uri})
        return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=f"text of {uri}")])

    async def subscribe(self, ctx: Ctx, params: SubscribeRequestParams) -> EmptyResult:
        """Have a session told of a resource."""
        self._subscribed.append((str(params.uri), ctx))
        return EmptyResult()

    async def unsubscribe(self, _: Ctx, params: UnsubscribeRequestParams) -> EmptyResult:
        """Have nobody told of a resource."""
        self._subscribed = [(uri, ctx) for uri, ctx in self._subscribed if uri != str(params.uri)]
        return EmptyResult()

    async def set_level(self, ctx: Ctx, params: SetLevelRequestParams) -> EmptyResult:
        """Keep the level of a session."""
        self._levels[_session_of(ctx)] = params.level
        return EmptyResult()

    async def get_prompt(self, ctx: Ctx, params: GetPromptRequestParams) -> GetPromptResult | InputRequiredResult:
        """Return a prompt; `asking` needs an answer first."""
        text = f"Good morning, {(params.arguments or {}).get('name')}"
        if params.name == "asking" and is_modern(ctx):
            if params.input_responses is None:
                return InputRequiredResult(input_requests={"form": form("prompt")}, request_state="prompt")
            text = f"state {params.request_state}"
        return GetPromptResult(messages=[PromptMessage(role="user", content=TextContent(text=text))])


async def _list_prompts(_: Ctx, __: PaginatedRequestParams | None) -> ListPromptsResult:
    return ListPromptsResult(prompts=[Prompt(name="greet"), Prompt(name="asking")])


async def _complete(_: Ctx, params: CompleteRequestParams) -> CompleteResult:
    found = [name for name in ("Ada", "Adam", "Bob") if name.startswith(params.argument.value)]
    return CompleteResult(completion=Completion(values=found, total=len(found), has_more=False))


def _session_of(ctx: Ctx) -> str | None:
    """Return the id of the session that a request came in; a process has only one."""
    request: object = ctx.request
    return Headers(scope=request.scope).get("mcp-session-id") if isinstance(request, Request) else None


def said(text: str) -> CallToolResult:
    """Return a result of one text."""
    return CallToolResult(content=[TextContent(text=text)])


class _Changing(Server):
    """A server that says in both eras that its lists change."""

    def create_initialization_options(self, *_: object, **__: object):  # noqa: ANN202 - as the SDK's
        """Return what initialize answers."""
        return super().create_initialization_options(NotificationOptions(prompts_changed=True, resources_changed=True))


def build(journal: Journal) -> Server:
    """Return the server, which could speak both eras."""
    clerk = Clerk(journal)
    # Logging is deprecated by 2026-07-28, and still there in both eras.
    server = _Changing(  # pyright: ignore[reportDeprecated] - logging still exists in both eras
        "clerk",
        version="1.0.0",
        instructions="clerk under test",
        get_tool_input_schema=TOOLS.get,
        on_list_tools=clerk.list_tools,
        on_call_tool=clerk.call,
        on_list_resources=clerk.list_resources,
        on_list_resource_templates=clerk.list_templates,
        on_read_resource=clerk.read,
        on_subscribe_resource=clerk.subscribe,
        on_unsubscribe_resource=clerk.unsubscribe,
        on_subscriptions_listen=ListenHandler(clerk.bus),
        on_list_prompts=_list_prompts,
        on_get_prompt=clerk.get_prompt,
        on_completion=_complete,
        on_set_logging_level=clerk.set_level,
    )
    server.middleware.append(clerk.record)
    return server


def main() -> None:
    """Run the server as a process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--stdio", action="store_true", required=True)
    parser.add_argument("--era", choices=["old", "new"], default=NEW)
    options = parser.parse_args()
    anyio.run(_stdio, options.journal, options.era)


async def _stdio(journal: Path, era: Era) -> None:
    async with stdio_server() as (read, write):
        await over_stdio(build(Journal(journal)), era, read, write)


if __name__ == "__main__":
    main()
