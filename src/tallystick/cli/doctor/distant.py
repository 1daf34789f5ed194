"""Checks of a console and what it knows: clock, revision, drift, pins, issuers."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time  # noqa: TID251 - the command line is an edge: it runs once, and now
from typing import TYPE_CHECKING, Final

from tallystick.cli.doctor.check import Check, Told
from tallystick.cli.terminal import counted
from tallystick.terms import TallyError

if TYPE_CHECKING:
    from tallystick.remote import Client, messages

_SKEW_S: Final = 30.0
"""Seconds between two clocks above which tokens of one are refused by the other (`identity.clock_skew_s`)."""


def checks(client: "Client", place: str) -> list[Check]:
    """Return the checks of a console."""
    return [
        Check("console", lambda: _console(client, place)),
        Check("clock", lambda: _clock(client)),
        Check("revision", lambda: _revision(client)),
        Check("notices", lambda: _notices(client)),
        Check("drift", lambda: _drift(client)),
        Check("pins", lambda: _pins(client)),
        Check("issuers", lambda: _issuers(client)),
    ]


def _console(client: "Client", place: str) -> Told:
    health = client.health()
    said = f"{place} answers, version {health.version or '?'}: {health.status}"
    if health.status == "ok":
        return Told("ok", said)
    works = {"database": health.database, "record": health.record}
    broken = [f"{name} does not work" for name, is_well in works.items() if not is_well and name not in health.troubles]
    broken += [f"{name}: {what}" for name, what in health.troubles.items()]
    return Told("failed", "; ".join([said, *broken]), "look at the log of tally up")


def _clock(client: "Client") -> Told:
    there = client.date()
    if not there:
        return Told("skipped", "the console does not tell its time")
    apart = parsedate_to_datetime(there).timestamp() - time()
    said = f"the console's clock is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} this one"
    return Told("ok", said) if abs(apart) < _SKEW_S else Told("failed", said, "set both clocks (NTP)")


def _revision(client: "Client") -> Told:
    found = client.revision()
    said = f"newest {found.head}, in force {found.published}"
    if found.head == found.published:
        return Told("ok", said)
    return Told("failed", said, "changes are not on record yet: see whether the record can be written (check `record`)")


def _notices(client: "Client") -> Told:
    notices = client.snapshot().notices
    if not notices:
        return Told("ok", "the state in force has nothing to say")
    first = notices[0]
    return Told("warning", f"{counted(len(notices), 'notice')}, such as {first.where}: {first.what}", "tally status")


def _drift(client: "Client") -> Told:
    held = {one.metadata.name: names for one in client.every("Pin") if (names := _held(one))}
    if not held:
        return Told("ok", "no server says anything else than what was approved")
    listed = ", ".join(f"{name}/{tool}" for name, tools in held.items() for tool in tools)
    return Told("failed", f"held back: {listed}", f"tally server definition {next(iter(held))}")


def _held(pin: "messages.resources.Resource") -> list[str]:
    found = None if pin.status is None else pin.status.marks.get("quarantined")
    return sorted(map(str, found)) if isinstance(found, Mapping) else []  # pyright: ignore[reportUnknownArgumentType] - JSON


def _pins(client: "Client") -> Told:
    pinned = {one.metadata.name for one in client.every("Pin") if one.spec}
    servers = list(client.every("Server"))
    approved = {one.metadata.name for one in servers if one.status is not None and one.status.state == "approved"}
    if bare := sorted(approved - pinned):
        return Told(
            "failed", f"approved without a pin, so without tools: {', '.join(bare)}", f"tally server scan {bare[0]}"
        )
    return Told("ok", f"{counted(len(approved), 'approved server')}, each with a pin")


def _issuers(client: "Client") -> Told:
    from tallystick.remote import sign_in  # noqa: PLC0415 - loaded when it is asked

    urls = sorted({str(one.spec.get("issuer")) for one in client.every("Issuer")})
    failed: list[str] = []
    for url in urls:
        try:
            sign_in.issuer_of(url)
        except TallyError as error:
            failed.append(f"{url}: {error.message}")
    if failed:
        return Told("warning", "; ".join(failed), "see whether this machine may reach it; the gateway has to")
    return Told("ok", f"{counted(len(urls), 'issuer')} told of themselves")
