"""Forty invented customers of the demo bank."""

from dataclasses import dataclass
from pathlib import Path

from tallystick_demo_bank.seed.numbers import lei


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer: `sector` is what the risk database files it under; persons and sole traders have no `lei`."""

    customer_id: str
    name: str
    kind: str
    country: str
    city: str
    postal_code: str
    street: str
    sector: str
    lei: str | None

    @property
    def email(self) -> str:
        """An address under the reserved `.example` domain (RFC 2606)."""
        mailbox = "".join(letter if letter.isascii() and letter.isalnum() else "." for letter in self.name.lower())
        return f"{'.'.join(part for part in mailbox.split('.') if part)}@post.example"


def lines(name: str) -> list[str]:
    """Return the lines of `<name>.txt` beside this file, without its comments."""
    text = (Path(__file__).parent / f"{name}.txt").read_text("utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


_WITHOUT_LEI = ("natural_person", "sole_trader")


def customers() -> tuple[Customer, ...]:
    """Return the forty customers, CUS-0001 to CUS-0040, in order."""
    found: list[Customer] = []
    for number, line in enumerate(lines("customers"), start=1):
        name, kind, country, city, postal_code, street, sector = line.split("|")
        code = None if kind in _WITHOUT_LEI else lei(number)
        found.append(Customer(f"CUS-{number:04}", name, kind, country, city, postal_code, street, sector, code))
    return tuple(found)
