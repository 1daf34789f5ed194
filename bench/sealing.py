"""What sealing and keeping payloads costs: `python -m bench.sealing`. CPU per payload, and bytes per second kept."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time

from tallystick.audit.model import Capture, Content, Sealed
from tallystick.audit.payload import Vault, open_provider, open_vaults
from tallystick.audit.payload.keys import FileKeyring, open_master
from tallystick.terms import TenantId

SIZES = {200: 20_000, 1024: 20_000, 64 << 10: 2_000, 1 << 20: 100}
"""Bytes of a payload, and how many are sealed."""
BATCHES = {200: 64, 1024: 64, 64 << 10: 16, 1 << 20: 4}
"""Payloads that are kept together: what comes in one round under load."""
KEYS = 20_000
NOON = 1_780_000_000.0
_MIB = 1 << 20


def leaf(number: int) -> bytes:
    """A leaf of usual length with an id of its own."""
    return b'{"args_c":"%b","id":"%026d","kind":"intent","pad":"%b"}' % (b"e" * 64, number, b"x" * 700)


def sealed(vault: Vault, size: int, numbers: Sequence[int]) -> tuple[list[Sealed], float]:
    """Seal one payload for each number; records and CPU seconds for one."""
    capture = Capture("a1" * 32, "standard", (Content("args", b"x" * size),))
    leaves = [leaf(number) for number in numbers]
    vault.seal(leaves[0], capture, NOON)
    best, records = float("inf"), list[Sealed]()
    for _ in range(3):
        before = process_time()
        records = [one for text in leaves for one in vault.seal(text, capture, NOON)]
        best = min(best, (process_time() - before) / len(leaves))
    return records, best


def main() -> None:
    """Print a line for each size, and what a keyring costs."""
    print("| payload | CPU per seal | CPU per keep | kept per second | stored bytes |\n| --- | --- | --- | --- | --- |")
    first = 0
    for size, count in SIZES.items():
        with tempfile.TemporaryDirectory(dir=".") as folder:
            state = Path(folder)
            vaults = open_vaults(state, open_provider(state), lambda: NOON)
            vault = vaults.vault(TenantId("bank"))
            kept = min(count, 64 * _MIB // size, 4096)
            records, cost = sealed(vault, size, range(first, first + kept))
            first += kept
            wall, cpu, step = perf_counter(), process_time(), BATCHES[size]
            for at in range(0, len(records), step):
                vault.keep(records[at : at + step])
            wall, cpu = perf_counter() - wall, process_time() - cpu
            stored = vault.usage()[0].stored_bytes // len(records)
            rate = f"{len(records) / wall:,.0f} ({len(records) * size / wall / _MIB:,.1f} MiB)"
            print(f"| {size} | {cost * 1e6:.1f} us | {cpu / len(records) * 1e6:.0f} us | {rate} | {stored} |")
            vaults.close()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        keyring(Path(folder))


def keyring(state: Path) -> None:
    """Print what making, opening and holding keys costs."""
    master = open_master(state, open_provider(state), lambda: NOON)
    ring = FileKeyring(state / "keyring", "bank", master)
    pairs = [(f"{number:064x}", "standard") for number in range(KEYS)]
    before = perf_counter()
    for pair in pairs[:200]:
        ring.key_for(*pair, NOON)
    single = (perf_counter() - before) / 200
    before = perf_counter()
    ring.keys_for(pairs, NOON)
    together = (perf_counter() - before) / (KEYS - 200)
    ring.close()
    before = perf_counter()
    FileKeyring(state / "keyring", "bank", master).close()
    opening = perf_counter() - before
    print(
        f"\nA new subject's key: {single * 1e3:.2f} ms alone, {together * 1e6:.0f} us among many; "
        f"opening {KEYS} keys: {opening * 1e3:.0f} ms"
    )


if __name__ == "__main__":
    main()
