"""What each stage of one governed call costs alone, warm, in microseconds of CPU: where to look first.

The real functions of the rooms below the gateway, on a real configuration and a real writer process. The whole call,
gateway included: `bench.inprocess`. `python -m bench.stages`.
"""

import asyncio
import gc
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Final

import uvloop

from bench import configuration
from bench.configuration import Site
from bench.contestants import upstream
from bench.processes import cpu_seconds, free_port, tree
from bench.shapes import SEARCH, SEARCH_READ, TRACKER
from bench.traffic import MODERN, Call, Endpoint
from bench.upstream import answer
from tallystick import audit, policy
from tallystick.audit.client import WriterClient, start_writer
from tallystick.gateway import Rooms
from tallystick.gateway.context import person_of
from tallystick.gateway.definitions import View
from tallystick.gateway.upstream import Client
from tallystick.guard import Admission, check_arguments
from tallystick.snapshot import RoutedTool
from tallystick.terms import Caller, TenantId
from tallystick.wire import ERAS, Headers, Message, Reply, encode, envelope, parse, read_reply
from tallystick.wiring import Places, pin, serve, token_for

_ROUNDS: Final = 7
_LOOPS: Final = 1000
_BATCH: Final = 64
_PAYLOAD: Final = 1024
_ROUTE: Final = f"servers/{TRACKER}"
_PORT: Final = 1
_ID: Final = 17
_TENANT: Final = TenantId(configuration.TENANT)


@dataclass(frozen=True, slots=True)
class _Scene:
    """Everything that the stages of one call have at hand."""

    rooms: Rooms
    headers: Headers
    body: bytes
    message: Message
    caller: Caller
    tool: RoutedTool
    reading: RoutedTool
    response: bytes


def measure_stages(folder: Path) -> dict[str, float]:
    """Return stage -> microseconds of CPU. `folder` is made anew."""
    with upstream(folder) as place:
        return uvloop.run(_measure(folder, place.upstream_port))


async def _measure(folder: Path, upstream_port: int) -> dict[str, float]:
    places = Places(folder / "config", folder / "state")
    configuration.write(Site(places.config, free_port(), upstream_port))
    async for _ in pin(places.config, ()):
        pass
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serve(places))
        scene = await _scene(served.gateway.rooms, token_for(places, configuration.PERSON, served.url))
        found = {name: _cost(stage) for name, stage in _stages(scene).items()}
    return found | await _writing(folder / "writing", scene)


async def _scene(rooms: Rooms, token: str) -> _Scene:
    endpoint, call = Endpoint(_PORT, f"/{_ROUTE}/mcp", MODERN, token), Call()
    body = endpoint.body(call.method, call.params(_ID), _ID)
    headers, message = Headers(), parse(body)
    headers.authorization, headers.content_type = f"Bearer {token}".encode(), b"application/json"
    headers.version, headers.method, headers.name = MODERN, call.method, call.tool
    caller = await rooms.authenticator().authenticate(headers.authorization, rooms.audiences(_ROUTE))
    if not isinstance(message, Message) or not isinstance(caller, Caller):
        raise TypeError(str((message, caller)))
    tools = [rooms.holder.resolve(_ROUTE, shape.tool, caller, rooms.clock()) for shape in (SEARCH, SEARCH_READ)]
    tool, reading = (found for found in tools if isinstance(found, RoutedTool))
    response = answer(b"\nmcp-protocol-version: 2026-07-28", body).partition(b"\r\n\r\n")[2]
    return _Scene(rooms, headers, body, message, caller, tool, reading, response)


def _stages(scene: _Scene) -> dict[str, Callable[[], object]]:
    rooms, caller, message, headers = scene.rooms, scene.caller, scene.message, scene.headers
    arguments = message.arguments
    authenticator, audiences = rooms.authenticator(), rooms.audiences(_ROUTE)
    numbers = count()
    aim = audit.Target(_ROUTE, "tools/call", MODERN, scene.tool.server.name, scene.tool.tool.id, scene.tool.tool.digest)
    decision = policy.decide(scene.tool.part, caller, arguments, MODERN)
    canonical = audit.leaf.canonical(arguments)
    call_id, key, now = audit.leaf.call_id(0.0, bytes(10)), rooms.commitment_key, rooms.clock()
    args_c = audit.leaf.commit(key, call_id, "args", bytes(str(canonical), "ascii"))
    plain = audit.Intent(call_id, now, _TENANT, caller, aim, decision, args_c, 300)
    recording, contents = rooms.recording, (audit.model.Content("args", scene.body),)
    whose, _ = recording.keep(person_of(key, caller, None, {}), None, contents)
    intent = plain._replace(whose=whose)
    why = audit.model.Why((audit.model.Context("reason", "argument", args_c),), "a-model-1")
    outcome = audit.Outcome(call_id, now, _TENANT, 1, "success", 500, 300, args_c, whose=whose)
    payload = read_reply(scene.response)
    result = payload.payload if isinstance(payload, Reply) else b""
    limits = scene.tool.server.limits
    view = View(ERAS[MODERN], caller.authority, Client({}))

    def uncached() -> object:
        return policy.decide(scene.tool.part, caller, arguments, f"era {next(numbers)}")

    def stranger() -> object:
        return policy.decide(scene.tool.part, replace(caller, authority=str(next(numbers))), arguments, MODERN)

    def bulkhead() -> object:
        admitted = rooms.bulkhead.admit(scene.tool.server.name, limits.in_flight, caller.authority)
        return admitted.release() if isinstance(admitted, Admission) else admitted

    return {
        "parse the message": lambda: parse(scene.body),
        "admit: era, headers against body": lambda: envelope.admit(message, headers),
        "audiences of a route": lambda: rooms.audiences(_ROUTE),
        "authenticate, cached": lambda: authenticator.lookup(headers.authorization, audiences),
        "resolve the route and the tool": lambda: rooms.holder.resolve(_ROUTE, SEARCH.tool, caller, now),
        "held back? and compared lately?": lambda: (
            rooms.holder.withheld(scene.tool.server.name, scene.tool.tool.id),
            rooms.watch.is_fresh(scene.tool.server, view, scene.tool.tool.risk),
        ),
        "check the arguments against the schema": lambda: check_arguments(scene.tool.validator, arguments),
        "decide, cached": lambda: policy.decide(scene.tool.part, caller, arguments, MODERN),
        "decide, uncached, known caller": uncached,
        "decide, uncached, new caller": stranger,
        "decide, a policy reads the arguments": lambda: policy.decide(scene.reading.part, caller, arguments, MODERN),
        "bulkhead: in and out": bulkhead,
        "call id": lambda: audit.leaf.call_id(now, b"0123456789"),
        "canonical arguments": lambda: audit.leaf.canonical(arguments),
        "commit to the arguments": lambda: audit.leaf.commit(key, call_id, "args", scene.body),
        "commit to the result": lambda: audit.leaf.commit(key, call_id, "result", result),
        "whose and what of it is kept": lambda: recording.keep(person_of(key, caller, None, {}), None, contents),
        "encode the intent": lambda: audit.encode(intent),
        "encode the intent, nothing kept": lambda: audit.encode(plain),
        "encode the intent of an explained call": lambda: audit.encode(intent._replace(why=why)),
        "encode the outcome": lambda: audit.encode(outcome),
        "upstream body": lambda: encode.request(_ID, "tools/call", message.params),
        "read the reply": lambda: read_reply(scene.response),
        "encode the answer": lambda: encode.message(17, "result", result),
    }


async def _writing(state: Path, scene: _Scene) -> dict[str, float]:
    shutil.rmtree(state, ignore_errors=True)
    leaf = audit.encode(
        audit.Outcome(
            audit.leaf.call_id(0.0, bytes(10)), 0.0, _TENANT, None, "success", 500, 300, None, caller=scene.caller
        )
    )
    content = audit.model.Content("args", b"x" * _PAYLOAD)
    capture = audit.model.Capture("0" * 64, "standard", (content,))
    async with start_writer(state, "bench.invalid", initialize=True) as recorder:
        return await _writing_of(recorder, leaf, None, "") | await _writing_of(recorder, leaf, capture, ", 1 KiB kept")


async def _writing_of(
    recorder: WriterClient, leaf: bytes, capture: audit.model.Capture | None, kept: str
) -> dict[str, float]:
    for _ in range(20):
        await _append(recorder, leaf, capture)
    writer = tree(os.getpid())[-1]
    ours, theirs = time.process_time(), cpu_seconds(writer)
    batches = 200
    for _ in range(batches):
        await _append(recorder, leaf, capture)
    await asyncio.sleep(0.5)
    leaves = batches * _BATCH
    return {
        f"append a leaf{kept}, {_BATCH} at once: gateway": 1e6 * (time.process_time() - ours) / leaves,
        f"append a leaf{kept}, {_BATCH} at once: writer process": 1e6 * (cpu_seconds(writer) - theirs) / leaves,
    }


async def _append(recorder: WriterClient, leaf: bytes, capture: audit.model.Capture | None) -> None:
    for waiting in [recorder.append(_TENANT, leaf, capture) for _ in range(_BATCH)]:
        await waiting


def _cost(stage: Callable[[], object]) -> float:
    """Return the least microseconds of several rounds."""
    best = float("inf")
    gc.disable()
    for _ in range(_ROUNDS):
        start = time.process_time()
        for _ in range(_LOOPS):
            stage()
        best = min(best, time.process_time() - start)
    gc.enable()
    return best / _LOOPS * 1e6


def main() -> int:
    """Print the table."""
    from bench.report import stage_table  # noqa: PLC0415 - the report needs the stages

    root = Path(__file__).resolve().parent.parent
    print(stage_table(measure_stages(root / "var" / "bench" / "stages")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
