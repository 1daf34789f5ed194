"""Vaults and captures for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

from tallystick.audit.model import Capture, Content, Sealed
from tallystick.audit.payload import Vault, Vaults, open_provider, open_vaults
from tallystick.terms import TenantId
from tests.audit import sample

ALICE = "a1" * 32
BOB = "b2" * 32
"""References of two data subjects."""
BANK = TenantId("bank")
MARCH = 1_772_500_000.0
APRIL = 1_775_200_000.0
MAY = 1_777_800_000.0
"""Moments in three months of 2026, in seconds since the epoch."""


class Hand:
    """A clock that stands still until it is set."""

    def __init__(self, now: float = sample.NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return seconds since the epoch."""
        return self.now


def opened(state: Path, clock: Hand | None = None) -> Vaults:
    """The vaults of a state directory, under the file provider."""
    return open_vaults(state, open_provider(state), clock or Hand())


def capture(*contents: tuple[str, bytes], subject: str = ALICE, retention: str = "standard") -> Capture:
    """Payloads of a subject."""
    return Capture(subject, retention, tuple(Content(field, content) for field, content in contents))


def stored(vault: Vault, number: int, captured: Capture, at: float = sample.NOON) -> list[Sealed]:
    """Seal and keep payloads with the intent of a numbered call."""
    sealed = vault.seal(sample.intent(number), captured, at)
    vault.keep(sealed)
    return sealed


def every_file(state: Path) -> Iterator[tuple[Path, bytes]]:
    """Content of every file below a directory."""
    for path in sorted(state.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path, path.read_bytes()
