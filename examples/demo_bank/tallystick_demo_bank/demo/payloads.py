"""What came with a call and what was kept of it: its receipt, proved by the key alone, and its arguments, encrypted."""

from dataclasses import dataclass
from pathlib import Path

from tallystick_demo_bank.demo.model import Check
from tallystick_demo_bank.demo.prepare import Installation
from tallystick_demo_bank.demo.processes import tally
from tallystick_demo_bank.demo.script import CANARY


@dataclass(frozen=True, slots=True)
class Paid:
    """A transfer: the index of its outcome, the id of the call, and the receipt that its client got (JSON)."""

    index: int
    call: str
    receipt: str


async def checked(made: Installation, paid: Paid | None) -> tuple[list[Check], list[str]]:
    """Check a receipt offline, look for an argument in every file, and have the record tell it; return what was run."""
    if paid is None:
        return [Check("a transfer that came with a receipt", "one", "none")], []
    receipt, key = made.folder / "receipt.json", made.folder / "trusted.vkey"
    receipt.write_text(paid.receipt, encoding="utf-8")
    # A copy elsewhere, as whoever keeps receipts has one: neither the log nor the state directory is looked at.
    key.write_bytes((made.log / "vkey").read_bytes())
    proves = ("audit", "verify", "--receipt", str(receipt), "--vkey", str(key))
    status, text = await tally(*proves)
    found = [
        Check(
            f"the receipt that came with the reply proves leaf {paid.index}", "exit status 0", f"exit status {status}"
        )
    ]
    told = [f"tally {' '.join(proves)}", f"  {text.strip()}"]
    holders = [str(path.relative_to(made.state)) for path in sorted(made.state.rglob("*")) if _holds(path, CANARY)]
    found.append(Check(f"files of the state directory that hold {CANARY!r}", "none", ", ".join(holders) or "none"))
    reveals = ("audit", "reveal", paid.call, "args", "--why", "the demo shows that it can")
    command = f"tally audit reveal {paid.call} args --why '{reveals[-1]}'"
    _, text = await tally(*reveals, made=made)
    seen = "told" if CANARY in text else text.strip()
    found.append(Check("the arguments of that call, as the record tells them to who says why", "told", seen))
    return found, [*told, f"TALLY_STATE={made.state} {command}", f"  {text.strip()}"]


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and text.encode() in path.read_bytes()
