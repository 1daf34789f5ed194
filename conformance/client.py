"""The client that the suite starts: the official SDK's, against the suite's mock server or against a gateway before it.

`python -m conformance.client --era ERA --way direct|gateway --folder FOLDER URL`. It does what a scenario asks for, or
else uses everything that the server lists once.
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import anyio
import httpx2
import msgspec
from mcp import Client, MCPError
from mcp.client.session import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    ListRootsResult,
    Root,
    TextContent,
)
from pydantic import FileUrl

from conformance.running import gateway

_LIMIT_S: Final = 40
_MODERN: Final = "2026-07-28"
_ACCEPT: Final = "application/json, text/event-stream"
_SAMPLES: Final[dict[str, object]] = {
    "string": "text",
    "number": 1.5,
    "integer": 1,
    "boolean": True,
    "array": [],
    "object": {},
    "null": None,
}
Arguments = dict[str, object]
_Filled = dict[str, str | int | float | bool | list[str] | None]
_ENVELOPE: Final[dict[str, object]] = {"protocolVersion": _MODERN, "clientCapabilities": {}}


class _Call(msgspec.Struct):
    name: str
    arguments: Arguments


class _Context(msgspec.Struct):
    """What a scenario tells its client. Its fields are named as they are on the wire."""

    toolCalls: list[_Call] = []  # noqa: N815 - a field of the suite


class _Tool(msgspec.Struct):
    name: str
    inputSchema: dict[str, object]  # noqa: N815 - a field of MCP


class _Tools(msgspec.Struct):
    tools: list[_Tool]


class _Listed(msgspec.Struct):
    result: _Tools


class _Form(msgspec.Struct):
    properties: dict[str, dict[str, object]] = {}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m conformance.client")
    parser.add_argument("--era", required=True)
    parser.add_argument("--way", choices=["direct", "gateway"], required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("url")
    options = parser.parse_args()
    scenario = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
    calls = msgspec.json.decode(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"), type=_Context).toolCalls
    if options.way == "direct":
        anyio.run(_use, options.url, options.era, None, calls)
        return
    with gateway(options.folder / scenario, options.url) as (url, token):
        anyio.run(_use, url, options.era, token, calls)


async def _use(url: str, era: str, token: str | None, calls: list[_Call]) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with anyio.fail_after(_LIMIT_S):
        async with (
            httpx2.AsyncClient(headers=headers, timeout=_LIMIT_S) as http,
            Client(
                streamable_http_client(url, http_client=http),
                mode="auto" if era == _MODERN else "legacy",
                elicitation_callback=_elicited,
                sampling_callback=_sampled,
                list_roots_callback=_roots,
            ) as client,
        ):
            if token and era == _MODERN:
                # The SDK's client leaves out what it finds invalid; here it is for the gateway to have done so.
                calls = calls or await _everything_listed(http, url)
            await _tools(client, calls)
            await _prompts_and_resources(client)


async def _everything_listed(http: httpx2.AsyncClient, url: str) -> list[_Call]:
    envelope = {f"io.modelcontextprotocol/{key}": value for key, value in _ENVELOPE.items()}
    answer = await http.post(
        url,
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": envelope}},
        headers={"mcp-protocol-version": _MODERN, "mcp-method": "tools/list", "accept": _ACCEPT},
    )
    tools = msgspec.json.decode(answer.content, type=_Listed).result.tools
    return [_Call(tool.name, _arguments(tool.inputSchema)) for tool in tools]


async def _tools(client: Client, calls: list[_Call]) -> None:
    tools = (await client.list_tools()).tools
    for call in calls or [_Call(tool.name, _arguments(tool.input_schema)) for tool in tools]:
        try:
            await client.call_tool(call.name, call.arguments)
        except (MCPError, ValueError) as refused:
            # What one tool makes of it is the suite's to judge; the others are still to be called.
            print(f"{call.name}: {refused}", flush=True)


async def _prompts_and_resources(client: Client) -> None:
    has = client.server_capabilities
    if has.prompts is not None:
        for prompt in (await client.list_prompts()).prompts:
            await client.get_prompt(prompt.name)
    if has.resources is not None:
        for resource in (await client.list_resources()).resources:
            await client.read_resource(resource.uri)


def _arguments(schema: Mapping[str, object]) -> Arguments:
    fields = msgspec.convert(schema, _Form).properties
    return {name: _SAMPLES.get(str(field.get("type"))) for name, field in fields.items()}


async def _elicited(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    """Accept, and fill in the form: its defaults, or a sample of the type."""
    del context
    schema = params.requested_schema if isinstance(params, ElicitRequestFormParams) else {}
    fields = msgspec.convert(schema, _Form).properties
    filled = {name: field.get("default", _SAMPLES.get(str(field.get("type")))) for name, field in fields.items()}
    return ElicitResult(
        action="accept", content=msgspec.convert(filled, dict[str, str | int | float | bool | list[str] | None])
    )


async def _sampled(context: ClientRequestContext, params: CreateMessageRequestParams) -> CreateMessageResult:
    del context, params
    return CreateMessageResult(role="assistant", content=TextContent(text="sampled"), model="none")


async def _roots(context: ClientRequestContext) -> ListRootsResult:
    del context
    return ListRootsResult(roots=[Root(uri=FileUrl("file:///tmp"), name="tmp")])


if __name__ == "__main__":
    main()
