"""What it costs to make a record durable: appends per second, added latency, CPU and disk, by width and back-end.

A width is the number of callers that wait at the same time, hence of leaves that one sync can take. The leaf is the
intent of the governed call; the payload, where there is one, is sealed under the key of one of 1,000 people.
`python -m bench.record`.
"""

import argparse
import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from bench.processes import cpu_seconds
from tallystick import audit
from tallystick.audit.client import WriterClient, start_writer
from tallystick.audit.model import Capture, Content
from tallystick.terms import TenantId
from tests.audit.sample import CALLER, DECISION, TARGET
from tests.audit.scale.place import make_bucket, new_place
from tests.audit.scale.servers import servers, writer_of

WIDTHS: Final = (1, 16, 64)
PAYLOADS: Final = (0, 1024)
"""Bytes of the payload that goes with a leaf."""
_PEOPLE: Final = 1000
_TENANT: Final = TenantId("bench")
_HOST: Final = "bench.invalid"
_SETTLE_S: Final = 0.5
_ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a record is kept. `flags` are those of the writer process; `size` tells how many bytes are stored."""

    name: str
    flags: tuple[str, ...]
    size: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: times in milliseconds, CPU of the writer process in microseconds per leaf, bytes per leaf."""

    backend: str
    width: int
    payload: int
    per_s: float
    p50: float
    p99: float
    cpu_us: float
    stored: float


Opens = Callable[[Path, ExitStack], Backend]


class _Listed(msgspec.Struct):
    """An object in a listing, as S3 names its parts."""

    Key: str
    Size: int


def embedded(state: Path, closing: ExitStack) -> Backend:
    """Files and SQLite in the state directory. The journal is left out: it lets go of what is published."""
    del closing

    def size() -> int:
        kept = [*state.glob("audit/*/*/tile/**/*"), *state.glob("payload/**/*")]
        return sum(path.stat().st_size for path in kept if path.is_file())

    return Backend("files and SQLite", (), size)


def scale_out(state: Path, closing: ExitStack) -> Backend:
    """PostgreSQL and SeaweedFS on this machine. Incomplete tiles and old checkpoints are left out: they are let go."""
    state.mkdir(parents=True, exist_ok=True)
    postgres, seaweed = closing.enter_context(servers())
    make_bucket(seaweed)
    place = new_place(postgres, seaweed, state)

    def size() -> int:
        client, total, more = place.client, 0, dict[str, object]()
        while True:
            page = client.list_object_versions(Bucket=place.options.bucket, Prefix=place.options.prefix, **more)
            for one in msgspec.convert(page.get("Versions", []), list[_Listed]):
                total += one.Size if (".p/" not in one.Key and "/tile/" in one.Key) or "/payload/" in one.Key else 0
            if not page.get("IsTruncated"):
                return total
            more = {"KeyMarker": page.get("NextKeyMarker"), "VersionIdMarker": page.get("NextVersionIdMarker")}

    return Backend("PostgreSQL and S3", ("--store", place.options.to_json()), size)


BACKENDS: Final[dict[str, Opens]] = {"embedded": embedded, "scale": scale_out}


LOADS: Final = tuple((width, payload) for payload in PAYLOADS for width in WIDTHS)


def measure_record(folder: Path, backend: str, seconds: float, loads: Sequence[tuple[int, int]] = LOADS) -> list[Row]:
    """Measure one back-end under each load (callers, bytes of payload), each on a record of its own."""
    return [_measured(folder, backend, load, seconds) for load in loads]


def _measured(folder: Path, backend: str, load: tuple[int, int], seconds: float) -> Row:
    shutil.rmtree(folder, ignore_errors=True)
    with ExitStack() as closing:
        return uvloop.run(_load(folder, BACKENDS[backend](folder, closing), load, seconds))


async def _load(state: Path, backend: Backend, load: tuple[int, int], seconds: float) -> Row:
    width, payload = load
    async with start_writer(state, _HOST, initialize=True, further=backend.flags) as recorder:
        numbers = count()
        # A key is made once for each person, which waits for a sync of its own: not what is measured here.
        for known in [recorder.append(_TENANT, _leaf(number), _capture(number, payload)) for number in range(_PEOPLE)]:
            await known
        await _callers(recorder, numbers, load, seconds / 4)
        await asyncio.sleep(_SETTLE_S)
        writer = writer_of(state)
        before, stored, start = cpu_seconds(writer), backend.size(), time.perf_counter()
        times = await _callers(recorder, numbers, load, seconds)
        elapsed = time.perf_counter() - start
        # Publishing what was appended is a part of its cost.
        await asyncio.sleep(_SETTLE_S)
        cpu, grown = cpu_seconds(writer) - before, backend.size() - stored
    times.sort()
    leaves = len(times)
    p50, p99 = (1000 * times[int(leaves * part)] for part in (0.5, 0.99))
    return Row(backend.name, width, payload, leaves / elapsed, p50, p99, 1e6 * cpu / leaves, grown / leaves)


async def _callers(recorder: WriterClient, numbers: "count[int]", load: tuple[int, int], seconds: float) -> list[float]:
    """Have `width` callers append one leaf after the other; return how long each append took, in seconds."""
    width, payload = load
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def call() -> None:
        start = time.perf_counter()
        while start < end:
            number = next(numbers)
            await recorder.append(_TENANT, _leaf(number), _capture(number, payload))
            now = time.perf_counter()
            times.append(now - start)
            start = now

    async with asyncio.TaskGroup() as callers:
        for _ in range(width):
            callers.create_task(call())
    return times


def _leaf(number: int) -> bytes:
    # A denial's worth of an intent: intents stay open, and a record of open intents is no usual record.
    call_id = audit.leaf.call_id(1.8e9, number.to_bytes(10, "big"))
    return audit.encode(
        audit.Outcome(call_id, 1.8e9, _TENANT, None, "success", 500, 300, "e" * 64, None, (), TARGET, CALLER, DECISION)
    )


def _capture(number: int, size: int) -> Capture | None:
    if not size:
        return None
    content = (f"{number:08} ".encode() * size)[:size]
    return Capture(f"{number % _PEOPLE:064x}", "standard", (Content("result", content),))


def table(rows: Sequence[Row]) -> str:
    """The rows as a table in Markdown."""
    head = "| back-end | callers | payload | appends/s | p50 ms | p99 ms | CPU us/leaf | bytes/leaf |"
    lines = [
        f"| {row.backend} | {row.width} | {row.payload} | {row.per_s:,.0f} | {row.p50:.2f} | {row.p99:.2f} "
        f"| {row.cpu_us:.0f} | {row.stored:,.0f} |"
        for row in rows
    ]
    return "\n".join([head, "|---|---:|---:|---:|---:|---:|---:|---:|", *lines])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="bench.record", description=__doc__)
    parser.add_argument("--back-end", choices=[*BACKENDS], default="embedded", help="default embedded")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds for each figure (default 3)")
    options = parser.parse_args(arguments)
    print(table(measure_record(_ROOT / "var" / "bench" / "record", options.back_end, options.seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
