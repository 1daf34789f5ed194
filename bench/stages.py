"""What each stage of one governed call costs alone, warm, in microseconds of CPU: where to look first.

The real functions on a real configuration and a real writer process; only the two sockets of a call are missing.
`python -m bench.stages`.
"""

import asyncio
import gc
import os
import shutil
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Final, TypeVar

import uvloop

from bench import configuration
from bench.contestants import upstream
from bench.processes import cpu_seconds, free_port, tree
from bench.traffic import MODERN, Call, Endpoint
from bench.upstream import answer
from tallystick import audit, policy
from tallystick.audit.client import WriterClient, start_writer
from tallystick.gateway import HttpUpstream, Outbound, Rooms, travel
from tallystick.gateway.front import Admission, check_origin, read_headers
from tallystick.gateway.tickets import Received
from tallystick.gateway.upstream import Cancellation, Connector
from tallystick.guard import Admission as Admitted
from tallystick.guard import check_arguments
from tallystick.snapshot import RoutedTool
from tallystick.terms import Caller, ServerId, TenantId
from tallystick.wire import ERAS, Message, Reply, admit, encode, parse, read_reply
from tallystick.wiring import Places, pin, serve, token_for

P = TypeVar("P", bound=asyncio.BaseProtocol)

_ROUNDS: Final = 7
_LOOPS: Final = 1000
_BATCH: Final = 64
_ROUTE: Final = f"servers/{configuration.SERVER}"
_PORT: Final = 1
_TENANT: Final = TenantId(configuration.TENANT)


class _Alone:
    """The client's side of a call without a client."""

    async def emit(self, message: bytes) -> None:
        del message

    async def abandoned(self) -> None:
        await asyncio.Event().wait()


class _Instant:
    """A recorder that is durable at once."""

    def __init__(self) -> None:
        self._done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._done.set_result(1)

    def append(self, tenant: TenantId, leaf: bytes) -> asyncio.Future[int]:
        del tenant, leaf
        return self._done


class _Answering:
    """A server that has answered already."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def ask(self, outbound: Outbound) -> Reply:
        del outbound
        return self._reply

    introduce = ask

    async def forget(self, conversation: str) -> None:
        del conversation


class _Wire(asyncio.Transport):
    """A connection to a server that answers at once."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._protocol = protocol

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        head, _, body = bytes(data).partition(b"\r\n\r\n")
        asyncio.get_running_loop().call_soon(self._protocol.data_received, answer(b"\n" + head.lower(), body))

    def abort(self) -> None:
        pass


class _Wired(Connector):
    """Connects to such servers."""

    async def connect(self, factory: Callable[[], P], host: str, port: int, *, tls: bool) -> P:
        del host, port, tls
        protocol = factory()
        if isinstance(protocol, asyncio.Protocol):
            protocol.connection_made(_Wire(protocol))
        return protocol


@dataclass(frozen=True, slots=True)
class _Scene:
    """Everything that the stages of one call have at hand."""

    rooms: Rooms
    pairs: list[tuple[bytes, bytes]]
    body: bytes
    received: Received
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
    configuration.write(places.config, free_port(), upstream_port)
    async for _ in pin(places.config, ()):
        pass
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serve(places))
        scene = await _scene(served.gateway.rooms, token_for(places, configuration.PERSON, served.url))
        found = {name: _cost(stage) for name, stage in _stages(scene).items()}
        found |= await _corridor(scene)
    return found | await _writing(folder / "writing", scene)


async def _scene(rooms: Rooms, token: str) -> _Scene:
    endpoint, call = Endpoint(_PORT, f"/{_ROUTE}/mcp", MODERN, token), Call("tools/call", configuration.TOOL)
    body = endpoint.body(call.method, call.params, 17)
    told = {**endpoint.headers(call.method, call.tool), "Host": rooms.public_url.removeprefix("http://")}
    pairs = [
        (name.lower().encode(), value.encode()) for name, value in (*told.items(), ("content-length", str(len(body))))
    ]
    headers, message = read_headers(pairs), parse(body)
    caller = await rooms.authenticator().authenticate(headers.authorization, rooms.audiences(_ROUTE))
    tools = [rooms.holder.resolve(_ROUTE, name, _TENANT) for name in (configuration.TOOL, configuration.READ_TOOL)]
    if not isinstance(message, Message) or not isinstance(caller, Caller):
        raise TypeError(str((message, caller)))
    tool, reading = (found for found in tools if isinstance(found, RoutedTool))
    received = Received(message, ERAS[MODERN], headers, _ROUTE, _Alone(), Cancellation(), rooms.clock())
    response = answer(b"\nmcp-protocol-version: 2026-07-28", body).partition(b"\r\n\r\n")[2]
    return _Scene(rooms, pairs, body, received, caller, tool, reading, response)


def _stages(scene: _Scene) -> dict[str, Callable[[], object]]:
    rooms, received, caller = scene.rooms, scene.received, scene.caller
    message, headers, arguments = received.message, received.headers, received.message.arguments
    admission = Admission(frozenset({headers.host.decode()}), frozenset(), 1 << 20)
    authenticator, audiences = rooms.authenticator(), rooms.audiences(_ROUTE)
    numbers = count()
    aim = audit.Target(_ROUTE, "tools/call", MODERN, scene.tool.server.name, scene.tool.tool.id, scene.tool.tool.digest)
    decision = policy.decide(scene.tool.part, caller, arguments, MODERN)
    canonical = audit.canonical(arguments)
    call_id, key, now = audit.call_id(0.0, bytes(10)), rooms.commitment_key, rooms.clock()
    args_c = audit.commit(key, call_id, "args", bytes(str(canonical), "ascii"))
    intent = audit.Intent(call_id, now, _TENANT, caller, aim, decision, args_c, 300)
    outcome = audit.Outcome(call_id, now, _TENANT, 1, "success", 500, 300, args_c)
    payload = read_reply(scene.response)
    result = payload.payload if isinstance(payload, Reply) else b""
    limits = scene.tool.server.limits

    def uncached() -> object:
        return policy.decide(scene.tool.part, caller, arguments, f"era {next(numbers)}")

    def stranger() -> object:
        return policy.decide(scene.tool.part, replace(caller, authority=str(next(numbers))), arguments, MODERN)

    def bulkhead() -> object:
        admitted = rooms.bulkhead.admit(scene.tool.server.name, limits.in_flight, caller.authority)
        return admitted.release() if isinstance(admitted, Admitted) else admitted

    return {
        "headers: pick and check host and origin": lambda: check_origin(read_headers(scene.pairs), admission),
        "parse the message": lambda: parse(scene.body),
        "admit: era, headers against body": lambda: admit(message, headers),
        "audiences of a route": lambda: rooms.audiences(_ROUTE),
        "authenticate, cached": lambda: authenticator.lookup(headers.authorization, audiences),
        "resolve the route and the tool": lambda: rooms.holder.resolve(_ROUTE, configuration.TOOL, _TENANT),
        "check the arguments against the schema": lambda: check_arguments(scene.tool.validator, arguments),
        "decide, cached": lambda: policy.decide(scene.tool.part, caller, arguments, MODERN),
        "decide, uncached, known caller": uncached,
        "decide, uncached, new caller": stranger,
        "decide, a policy reads the arguments": lambda: policy.decide(scene.reading.part, caller, arguments, MODERN),
        "bulkhead: in and out": bulkhead,
        "call id": lambda: audit.call_id(now, b"0123456789"),
        "canonical arguments": lambda: audit.canonical(arguments),
        "commit to the arguments": lambda: audit.commit(key, call_id, "args", scene.body),
        "commit to the result": lambda: audit.commit(key, call_id, "result", result),
        "encode the intent": lambda: audit.encode(intent),
        "encode the outcome": lambda: audit.encode(outcome),
        "upstream body": lambda: encode.request(17, "tools/call", message.params),
        "read the reply": lambda: read_reply(scene.response),
        "encode the answer": lambda: encode.message(17, "result", result),
    }


async def _corridor(scene: _Scene) -> dict[str, float]:
    reply = read_reply(scene.response)
    if not isinstance(reply, Reply):
        raise TypeError(str(reply))
    answering = {ServerId(configuration.SERVER): _Answering(reply)}
    rooms = replace(scene.rooms, recorder=_Instant(), upstreams=lambda: answering)
    listing = _listing(scene)
    http = HttpUpstream("http://127.0.0.1:1/mcp", _Wired(allow_special=True))
    received = scene.received
    outbound = Outbound(received.era, "tools/call", received.message.params, "", received.exchange, 1.0, 1 << 20)
    return {
        "upstream: ask over HTTP, answered at once": await _awaited_cost(lambda: http.ask(outbound)),
        "corridor of a call, record and server instant": await _awaited_cost(lambda: travel(rooms, scene.received)),
        "corridor of tools/list, record instant": await _awaited_cost(lambda: travel(rooms, listing)),
    }


def _listing(scene: _Scene) -> Received:
    message = parse(Endpoint(_PORT, "", MODERN).body("tools/list", {}, 17))
    if not isinstance(message, Message):
        raise TypeError(str(message))
    return scene.received._replace(message=message)


async def _writing(state: Path, scene: _Scene) -> dict[str, float]:
    shutil.rmtree(state, ignore_errors=True)
    leaf = audit.encode(
        audit.Outcome(audit.call_id(0.0, bytes(10)), 0.0, _TENANT, None, "success", 500, 300, None, caller=scene.caller)
    )
    async with start_writer(state, "bench.invalid", initialize=True) as recorder:
        for _ in range(20):
            await _append(recorder, leaf, _BATCH)
        writer = tree(os.getpid())[-1]
        ours, theirs = time.process_time(), cpu_seconds(writer)
        batches = 200
        for _ in range(batches):
            await _append(recorder, leaf, _BATCH)
        await asyncio.sleep(0.5)
        leaves = batches * _BATCH
        return {
            f"append a leaf, {_BATCH} at once: gateway": 1e6 * (time.process_time() - ours) / leaves,
            f"append a leaf, {_BATCH} at once: writer process": 1e6 * (cpu_seconds(writer) - theirs) / leaves,
        }


async def _append(recorder: WriterClient, leaf: bytes, leaves: int) -> None:
    for waiting in [recorder.append(_TENANT, leaf) for _ in range(leaves)]:
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


async def _awaited_cost(stage: Callable[[], Coroutine[object, object, object]]) -> float:
    best = float("inf")
    for _ in range(_ROUNDS):
        start = time.process_time()
        for _ in range(_LOOPS):
            await stage()
        best = min(best, time.process_time() - start)
    return best / _LOOPS * 1e6


def main() -> int:
    """Print the table."""
    from bench.report import stage_table  # noqa: PLC0415 - the report needs the stages

    root = Path(__file__).resolve().parent.parent
    print(stage_table(measure_stages(root / "var" / "bench" / "stages")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
