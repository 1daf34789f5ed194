"""`tally pin`: ask servers what they are in each era and write it down, so that what was reviewed is what is served."""

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tallystick import settings as settings_room
from tallystick.gateway.bridge import Park, drawn
from tallystick.gateway.definitions import ask
from tallystick.gateway.upstream.stdio import supervision
from tallystick.registry import Registry, Server, definition
from tallystick.registry.reading import parse
from tallystick.terms import Refusal, ServerId, TallyError
from tallystick.wiring.compose import clock, upstream_of
from tallystick.wiring.configure import read, settings_of, told


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
            upstream = upstream_of(server, settings, supervising, {}, park)
            asked = await ask(upstream, server.name, server.limits.timeout_s)
            if isinstance(asked, Refusal):
                raise TallyError(code="upstream", message=_unanswered(server, asked))
            yield _write(config, server, asked)


def _unanswered(server: Server, refused: Refusal) -> str:
    return (
        f"server {server.name!r} answers in no era: {(refused.detail or refused.public_text).rstrip('.')}. "
        f"Start it, check servers/{server.name}.yaml, and pin again."
    )


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


def _document(name: str, raw: bytes) -> dict[str, object]:
    document = settings_room.parse_document(name, raw)
    if isinstance(document, settings_room.Problem):
        raise TallyError(code="invalid", message=str(document))
    return document


def _write(config: Path, server: Server, asked: definition.Definition) -> Pinned:
    file = config / "pins" / f"{server.name}.json"
    known = definition.of_document(_document(file.name, file.read_bytes())).newest.tools if file.exists() else None
    before, now = _digests(known), _digests(asked.newest.tools)
    verdicts = {
        name: "new" if name not in before else "same" if before[name] == digest else "changed"
        for name, digest in now.items()
    }
    verdicts |= {name: "gone" for name in before if name not in now}
    pinned_at = datetime.fromtimestamp(clock(), UTC).isoformat(timespec="seconds")
    document = definition.pin_document(asked, pinned_at)
    if isinstance(document, str):
        raise TallyError(code="invalid", message=document)
    file.parent.mkdir(exist_ok=True)
    unfinished = file.with_suffix(".json.new")
    unfinished.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(file)
    return Pinned(server.name, file, tuple(asked.eras), verdicts)


def _digests(items: Mapping[str, definition.model.Item] | None) -> dict[str, str]:
    return {} if items is None else {name: item.digest for name, item in items.items()}
