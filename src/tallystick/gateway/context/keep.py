"""What is kept of calls beside the record, whose it is, and how far a record has to come before a reply leaves."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tallystick import audit
from tallystick.audit import model
from tallystick.registry import Tool
from tallystick.terms import Caller


@dataclass(frozen=True, slots=True)
class Recording:
    """How much of calls is kept, and for how long.

    `payloads`: whether any is; each one of at most `payload_bytes`. `levels` maps a tool's risk to a level above
    `durable`; a record gets `patience_s` seconds to come so far.
    """

    payloads: bool = True
    payload_bytes: int = 1024 * 1024
    retention: str = "standard"
    levels: Mapping[str, model.Level] = field(default_factory=dict[str, model.Level])
    patience_s: float = 10.0

    def keep(
        self, subject: str, retention: str | None, contents: tuple[model.Content, ...]
    ) -> tuple[model.Whose | None, model.Capture | None]:
        """Return what a leaf says of these payloads, and what of them goes with it."""
        if not self.payloads or not contents:
            return None, None
        kept, unkept, most = contents, (), self.payload_bytes
        # No generators: this runs twice for each call, mostly over one payload.
        if max([len(content.content) for content in contents]) > most:
            kept = tuple([content for content in contents if len(content.content) <= most])
            unkept = tuple([content.field for content in contents if len(content.content) > most])
        held = retention or self.retention
        whose = model.Whose(subject, held, tuple([content.field for content in kept]), unkept)
        return whose, model.Capture(subject, held, kept) if kept else None


_AMOUNT: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,12})?", re.ASCII)
_CURRENCY: Final = re.compile("[A-Z]{3}", re.ASCII)


def money_of(tool: Tool, arguments: Mapping[str, object]) -> tuple[str | None, str | None]:
    """Return the sum of money that a call moves and its currency, as its tool is classified; None is never a guess."""
    if tool.amount is None:
        return None, None
    amount, currency = _text(arguments.get(tool.amount)), None
    if tool.currency is not None:
        # What the configuration fixes is no argument, whatever a client sends under that name.
        told = tool.currency if _CURRENCY.fullmatch(tool.currency) else arguments.get(tool.currency)
        currency = told if isinstance(told, str) and _CURRENCY.fullmatch(told) else None
    return amount if amount is not None and _AMOUNT.fullmatch(amount) else None, currency


def _text(value: object) -> str | None:
    # A float's shortest text is the number that its sender wrote, or one that no double can tell from it.
    return value if isinstance(value, str) else str(value) if type(value) in (int, float) else None


def person_of(key: bytes, caller: Caller, tool: Tool | None, arguments: Mapping[str, object]) -> str:
    """Return the reference of the person whose data a call is about: the one that its tool's argument names, or else
    its caller."""
    if tool is not None and tool.subject is not None:
        value = arguments.get(tool.subject)
        if isinstance(value, str) or type(value) is int:
            return audit.leaf.subject_ref(key, caller.tenant, f"{tool.subject}={value}")
    return audit.leaf.subject_ref(key, caller.tenant, caller.subject)
