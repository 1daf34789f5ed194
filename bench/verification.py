"""How fast a record is verified: writes logs of given sizes and verifies each with one process and with all.

`python -m bench.verification 100000 300000 1000000` prints leaves per second, per process, and the memory it took.
"""

import resource
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from os import cpu_count
from pathlib import Path
from time import perf_counter

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick import audit
from tallystick.audit.leaf.event import event
from tallystick.audit.model import Event
from tallystick.audit.offline.report import Wanted
from tallystick.audit.offline.verify import verify_log
from tallystick.audit.tlog.note import Checkpoint, sign_checkpoint, verifier_of
from tallystick.audit.tlog.tiles import WIDTH, Edge, pack, tile_path
from tests.audit.sample import BANK, CALLER, DECISION, NOON, ORIGIN, TARGET

BATCH = 1 << 14
CALLS_PER_SECOND = 100
_BEAT_S = 60


def leaves(size: int) -> Iterator[bytes]:
    """Leaves of a busy log: calls of which each has an outcome, and a heartbeat every minute."""
    index = number = 0
    beaten = 0.0
    while index < size:
        at = NOON + number / CALLS_PER_SECOND
        if number == 0 or at - beaten >= _BEAT_S:
            beaten = at
            fields = {"every_s": _BEAT_S, "size": index, "opened": 0} | ({} if number else {"start": True})
            yield event(Event("heartbeat", "", at, BANK, fields))
            index += 1
        call = audit.leaf.call_id(at, number.to_bytes(10, "big"))
        yield audit.encode(audit.Intent(call, at, BANK, CALLER, TARGET, DECISION, "e" * 64, 300))
        yield audit.encode(audit.Outcome(call, at, BANK, index, "success", 1200, 90, "f" * 64))
        index, number = index + 2, number + 1


def write_log(
    directory: Path,
    size: int,
    content: Iterator[bytes] | None = None,
    *,
    origin: str = ORIGIN,
    key: Ed25519PrivateKey | None = None,
) -> str:
    """Write the files of a log and return its public key. Nothing is synced: it can be made again."""
    key = key or Ed25519PrivateKey.generate()
    edge, rest = Edge(), content or leaves(size)
    while edge.size < size:
        changed = edge.extend(list(islice(rest, min(BATCH, size - edge.size))))
        for path, tile in changed.items():
            if ".p/" not in path:
                _write(directory / path, tile)
    # Incomplete tiles are only wanted where the log ends.
    for level, hashes in enumerate(edge.levels):
        if hashes:
            _write(directory / tile_path(level, size >> 8 * (level + 1), len(hashes)), b"".join(hashes))
    if edge.entries:
        _write(directory / tile_path(None, size // WIDTH, len(edge.entries)), pack(edge.entries))
    directory.mkdir(parents=True, exist_ok=True)
    vkey = verifier_of(origin, key).vkey + "\n"
    (directory / "vkey").write_text(vkey)
    (directory / "checkpoint").write_text(sign_checkpoint(Checkpoint(origin, size, edge.root()), key))
    return vkey


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _used() -> tuple[float, int]:
    """Processor seconds of this process and its children so far, and the most MiB that one of them took."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both), max(one.ru_maxrss for one in both) >> 10


def main(sizes: list[int]) -> None:
    """Measure each size."""
    print("leaves | processes | seconds | leaves/s | leaves per second of processor time | peak MiB of a process")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            vkey = write_log(Path(folder), size)
            for processes in (1, cpu_count() or 1):
                began, (before, _) = perf_counter(), _used()
                report = verify_log(Path(folder), vkey, Wanted(processes=processes))
                took, (after, peak) = perf_counter() - began, _used()
                if not report.ok or report.findings:
                    sys.exit(f"not whole: {report.damage[:3]} {report.findings[:3]}")
                rates = f"{size / took:.0f} | {size / (after - before):.0f}"
                print(f"{size} | {processes} | {took:.1f} | {rates} | {peak}", flush=True)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [100_000, 300_000, 1_000_000])
