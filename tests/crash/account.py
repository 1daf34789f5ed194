"""Settles what the callers were told, what the server counted and what the record says, after each life."""

from collections import defaultdict
from dataclasses import dataclass, field

import msgspec

from tallystick import audit
from tallystick.audit import offline
from tallystick.audit.log.files import read_commitment_key
from tests.crash.bank import Bank
from tests.crash.load import Asked
from tests.interaction.record import Leaf, leaves_of


@dataclass(slots=True)
class Account:
    """What was settled already: `size` leaves of the log, `calls` of each caller."""

    bank: Bank
    size: int = 0
    calls: dict[str, int] = field(default_factory=dict[str, int])
    indices: set[int] = field(default_factory=set[int])
    in_doubt: int = 0

    def settle(self) -> None:
        """Settle the life that has just ended. The restarted gateway has published everything and runs idle."""
        size = offline.size_of(self.bank.log)
        leaves = dict(zip(range(self.size, size), leaves_of(self.bank.log, range(self.size, size)), strict=True))
        closing = self._closings(leaves)
        intents: dict[str, list[tuple[int, Leaf]]] = defaultdict(list)
        for index, leaf in leaves.items():
            if leaf["kind"] == "intent":
                intents[_subject(leaf)].append((index, leaf))
        key, seen = read_commitment_key(self.bank.state), set(self.bank.counting.arrived)
        for caller in self.bank.callers:
            fresh = caller.asked[self.calls.get(caller.subject, 0) :]
            self.calls[caller.subject] = len(caller.asked)
            mine = intents[caller.subject]
            for asked in fresh:
                if asked.tool == "count":
                    arrived = (caller.subject, asked.number) in seen
                    self._settle_call(asked, mine, closing, key, arrived=arrived)
                elif asked.index is not None:
                    self._settle_denial(asked, leaves, caller.subject)
            assert not mine, f"intents of calls that {caller.subject} never made: {mine}"
        self.size = size

    def _closings(self, leaves: dict[int, Leaf]) -> dict[int, Leaf]:
        closing: dict[int, Leaf] = {}
        for leaf in leaves.values():
            intent = leaf.get("intent")
            if leaf["kind"] in ("outcome", "in_doubt") and isinstance(intent, int):
                assert intent not in closing, f"intent {intent} is closed twice"
                assert leaves[intent]["id"] == leaf["id"]
                closing[intent] = leaf
        opened = {index for index, leaf in leaves.items() if leaf["kind"] == "intent"}
        # The in-doubt set is exact: every intent is closed once, and by `in_doubt` only where it has no outcome.
        assert closing.keys() == opened
        self.in_doubt += sum(leaf["kind"] == "in_doubt" for leaf in closing.values())
        return closing

    def _settle_call(
        self, asked: Asked, mine: list[tuple[int, Leaf]], closing: dict[int, Leaf], key: bytes, *, arrived: bool
    ) -> None:
        if not mine or mine[0][1]["args_c"] != _commitment(key, mine[0][1], asked):
            assert not arrived, f"{asked} reached the server without a durable intent"
            assert asked.told in ("nothing", "not made"), f"{asked} was acknowledged and is not in the record"
            return
        index, _ = mine.pop(0)
        how = closing[index]
        if asked.told == "done":
            assert how.get("status") == "success", f"{asked} was acknowledged; the record says {how}"
        if asked.told == "not made":
            assert not arrived, f"{asked} was made although its caller was told that it was not"

    def _settle_denial(self, asked: Asked, leaves: dict[int, Leaf], subject: str) -> None:
        assert asked.index is not None
        assert asked.index not in self.indices, f"index {asked.index} was told twice"
        self.indices.add(asked.index)
        leaf = leaves[asked.index]
        assert (leaf["kind"], _subject(leaf), leaf["tool"]) == ("denial", subject, "forbidden")

    def verify(self) -> offline.Report:
        """Verify the whole log offline."""
        report = offline.verify_log(self.bank.log, offline.read_vkey(self.bank.log))
        assert report.damage == (), report.damage
        assert report.opened == (), report.opened
        assert report.size >= self.size
        return report


def _commitment(key: bytes, intent: Leaf, asked: Asked) -> str:
    given = audit.leaf.canonical({"number": asked.number, "who": _subject(intent)})
    assert isinstance(given, bytes)
    return audit.leaf.commit(key, str(intent["id"]), "args", given)


def _subject(leaf: Leaf) -> str:
    return str(msgspec.convert(leaf["caller"], Leaf)["subject"])
