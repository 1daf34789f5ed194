"""`tally pin`: ask servers what they are in each era and write it down, so that what was reviewed is what is served."""

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tallystick import settings as settings_room
from tallystick.gateway import Outbound, Upstream
from tallystick.gateway.bridge import Alone, Park, drawn
from tallystick.gateway.upstream.opening import SERVED
from tallystick.gateway.upstream.stdio import supervision
from tallystick.registry import Registry, Server, parse
from tallystick.registry.digest import digest_definition
from tallystick.terms import Refusal, ServerId, TallyError
from tallystick.wire import ERAS, MODERN, Era, Reply
from tallystick.wiring.compose import clock, upstream_of
from tallystick.wiring.configure import read, settings_of, told

_CLIENT: Final = {"name": "tallystick-pin", "version": "0.1"}
_ERAS: Final = (MODERN, "2025-11-25")
_PAGES: Final = 100
"""Pages of a tool list that are read at most."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """What was pinned of one server: its eras, and for each tool whether it is `new`, `same`, `changed` or `gone`."""

    server: ServerId
    file: Path
    eras: tuple[str, ...]
    tools: dict[str, str]


async def pin(config: Path, names: tuple[str, ...]) -> AsyncGenerator[Pinned]:
    """Pin the named servers (all of them where none is named), one after the other; yields each as it is written.

    Raises `TallyError` for a configuration that does not parse, an unknown name, or a server that does not answer.
    """
    files = read(config)
    registry = _registry(files)
    chosen = _chosen(registry, names)
    settings = settings_of(files)
    park = Park(drawn)
    async with supervision() as supervising:
        for server in chosen:
            said, tools = await _ask(upstream_of(server, settings, supervising, {}, park), server)
            yield _write(config, server, said, tools)


def _registry(files: Mapping[str, bytes]) -> Registry:
    documents: dict[str, dict[str, object]] = {}
    for name, raw in files.items():
        # Toolsets and policies speak of pinned tools, so they cannot be read before there are any.
        if not name.startswith(("tenants/", "servers/")):
            continue
        documents[name] = _document(name, raw)
    registry = parse(documents)
    if not isinstance(registry, Registry):
        raise TallyError(code="invalid", message=told(registry))
    return registry


def _chosen(registry: Registry, names: tuple[str, ...]) -> list[Server]:
    for name in names:
        if name not in registry.servers:
            message = (
                f"no server is named {name!r}. Known: {', '.join(registry.servers)}. Add servers/{name}.yaml first."
            )
            raise TallyError(code="not_found", message=message)
    return [server for name, server in registry.servers.items() if not names or name in names]


async def _ask(upstream: Upstream, server: Server) -> tuple[dict[str, object], list[dict[str, object]]]:
    said: dict[str, object] = {}
    failure = ""
    for version in _ERAS:
        introduced = await upstream.introduce(_outbound(server, ERAS[version], ERAS[version].opening, {}))
        if isinstance(introduced, Refusal) or introduced.kind != "result":
            failure = (
                introduced.detail or introduced.public_text
                if isinstance(introduced, Refusal)
                else introduced.payload.decode()
            )
            continue
        said[version] = _object(introduced)
    newest = next(iter(said), None)
    tools = [] if newest is None else await _tools(upstream, server, ERAS[newest])
    await upstream.forget("pin")
    if newest is None:
        message = (
            f"server {server.name!r} answers in no era: {failure.rstrip('.')}. "
            f"Start it, check servers/{server.name}.yaml, and pin again."
        )
        raise TallyError(code="upstream", message=message)
    return said, tools


async def _tools(upstream: Upstream, server: Server, era: Era) -> list[dict[str, object]]:
    tools: list[dict[str, object]] = []
    cursor: object = None
    for _ in range(_PAGES):
        params: dict[str, object] = {} if cursor is None else {"cursor": cursor}
        reply = await upstream.ask(_outbound(server, era, "tools/list", params))
        if isinstance(reply, Refusal) or reply.kind != "result":
            break
        page = _object(reply)
        tools.extend(_tools_in(page))
        cursor = page.get("nextCursor")
        if cursor is None:
            return tools
    message = f"server {server.name!r} does not list its tools"
    raise TallyError(code="upstream", message=message)


def _outbound(server: Server, era: Era, method: str, params: dict[str, object]) -> Outbound:
    if not era.sessions:
        meta = {
            "io.modelcontextprotocol/protocolVersion": era.version,
            "io.modelcontextprotocol/clientCapabilities": SERVED.capabilities,
            "io.modelcontextprotocol/clientInfo": _CLIENT,
        }
        params = {**params, "_meta": meta}
    limits = server.limits
    return Outbound(era, method, params, "pin", Alone(), limits.timeout_s, limits.result_bytes, client=SERVED)


def _object(reply: Reply) -> dict[str, object]:
    return _document("answer.json", reply.payload)


def _document(name: str, raw: bytes) -> dict[str, object]:
    document = settings_room.parse_document(name, raw)
    if isinstance(document, settings_room.Problem):
        raise TallyError(code="invalid", message=str(document))
    return document


def _tools_in(document: Mapping[str, object]) -> list[dict[str, object]]:
    listed = settings_room.Section("tools", document, []).listed("tools")
    return [dict(tool.whole()) for tool in listed if tool.text("name", "")]


def _write(config: Path, server: Server, said: dict[str, object], tools: list[dict[str, object]]) -> Pinned:
    file = config / "pins" / f"{server.name}.json"
    before = _digests(server.name, _tools_in(_document(file.name, file.read_bytes()))) if file.exists() else {}
    now = _digests(server.name, tools)
    verdicts = {
        name: "new" if name not in before else "same" if before[name] == digest else "changed"
        for name, digest in now.items()
    }
    verdicts |= {name: "gone" for name in before if name not in now}
    pinned_at = datetime.fromtimestamp(clock(), UTC).isoformat(timespec="seconds")
    document = {"server": server.name, "pinned_at": pinned_at, "eras": said, "tools": tools}
    file.parent.mkdir(exist_ok=True)
    unfinished = file.with_suffix(".json.new")
    unfinished.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(file)
    return Pinned(server.name, file, tuple(said), verdicts)


def _digests(server: ServerId, tools: list[dict[str, object]]) -> dict[str, str]:
    digests: dict[str, str] = {}
    for tool in tools:
        digest = digest_definition(tool)
        if isinstance(digest, Refusal):
            message = f"the definition of {tool['name']!r} at {server!r} cannot be pinned: {digest.public_text}"
            raise TallyError(code="invalid", message=message)
        digests[str(tool["name"])] = digest
    return digests
