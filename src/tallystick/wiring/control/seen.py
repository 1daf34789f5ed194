"""What servers say of themselves, on its way to control state: drift that was held back, and scans for a reviewer."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from anyio import to_thread

from tallystick.control import Control
from tallystick.control.model import Actor, Conflict, Key, Mark
from tallystick.gateway.definitions import Report, ask
from tallystick.registry import definition
from tallystick.registry import model as registry
from tallystick.terms import Digest, Reason, Refusal, ServerId, TallyError
from tallystick.wiring.compose import Gateway, clock
from tallystick.wiring.configure import told

_WATCHING: Final = Actor("tallystick/drift", "tallystick/drift")
_SCANNING: Final = Actor("tallystick/scan", "tallystick/scan")


class Seen:
    """Keeps what was seen of servers on their pins, where every gateway, every restart and every reviewer finds it."""

    def __init__(self, gateway: Gateway, control: Control) -> None:
        """Ask over this gateway's ways; keep it in this control state."""
        self._gateway = gateway
        self._control = control

    async def report(self, report: Report) -> None:
        """Keep what the gateway holds back. Raises `TallyError` where that cannot be done now."""
        status = _observed(report.observed, report.at, report.findings)
        await to_thread.run_sync(self._keep, report.server, report.quarantined, status, _WATCHING)

    async def scan(self, server: str) -> Refusal | None:
        """Ask a server what it is, and keep that for the reviewer; refused where it does not answer."""
        name = ServerId(server)
        upstream, snapshot = self._gateway.upstreams.get(name), self._gateway.holder.current
        if upstream is None or snapshot is None:
            said = "There is no such server in force here yet. Try again in a second."
            return Refusal("not_found", (Reason.UPSTREAM_UNREACHABLE,), said)
        asked = await ask(upstream, name, snapshot.registry.servers[name].limits.timeout_s)
        if isinstance(asked, Refusal):
            return asked
        pin = snapshot.registry.pins.get(name)
        # Of its own tenant: what a server may be told apart from is nothing that another tenant has.
        others = {
            other.name: tuple(other.tools)
            for other in snapshot.registry.servers.values()
            if other.name != name and other.tenant == snapshot.registry.servers[name].tenant
        }
        # In a thread: a thousand tools are compared in hundreds of milliseconds, and calls go on meanwhile.
        known = None if pin is None else definition.of_pin(pin)
        if known is None:
            findings = await to_thread.run_sync(definition.inspect, asked, others)
        else:
            findings = await to_thread.run_sync(definition.diff, known, asked, others)
        at = datetime.fromtimestamp(clock(), UTC).isoformat(timespec="seconds")
        marks: Mapping[str, registry.Quarantine] = {} if known is None else _marks(known, asked, findings, at)
        if pin is not None and marks:
            self._gateway.holder.hold(pin, marks)
        await to_thread.run_sync(self._keep, name, marks, _observed(asked, at, findings), _SCANNING)
        return None

    def _keep(
        self, server: ServerId, held: Mapping[str, registry.Quarantine], status: Mapping[str, object], actor: Actor
    ) -> None:
        # INVARIANT: what is held back stays so until a reviewer decides; control state adds to it, tool by tool. But a
        # reviewer may have decided since this was compared: what is approved by now is no difference any more.
        pin = self._control.get(Key("Pin", server))
        approved: Mapping[str, Digest] = (
            {} if pin is None or not pin.spec else _approved({**pin.spec, "server": server})
        )
        still = {name: mark for name, mark in held.items() if approved.get(name) != mark.digest}
        said = {**status, "quarantined": _told_of(still)} if still else status
        refused = self._control.commit((Mark(Key("Pin", server), said),), actor)
        if isinstance(refused, Conflict):
            raise TallyError(code="conflict", message=refused.text)
        if isinstance(refused, tuple):
            raise TallyError(code="invalid", message=told(refused))


def _marks(
    pinned: definition.Definition, seen: definition.Definition, findings: Sequence[definition.Finding], at: str
) -> Mapping[str, registry.Quarantine]:
    """Return what is held back of a server that somebody asked for a reviewer: what any other look would hold back."""
    differing: dict[str, Digest] = {}
    for version, said in seen.eras.items():
        was = pinned.eras.get(version)
        differing |= {} if was is None else definition.compare(was, said, seen.digest).quarantine
    places = {name: "" if name == definition.SERVER else f"tools/{name}" for name in differing}
    return {
        name: registry.Quarantine(at, digest, definition.told.why(findings, places[name]))
        for name, digest in differing.items()
    }


def _approved(document: Mapping[str, object]) -> Mapping[str, Digest]:
    """Return the digests of what a pin approves, as quarantines name it: by tool, "*" for all of it."""
    pinned = definition.of_document(document)
    tools = {name: item.digest for said in pinned.eras.values() for name, item in (said.tools or {}).items()}
    return {**tools, definition.SERVER: pinned.digest}


def _told_of(marks: Mapping[str, registry.Quarantine]) -> dict[str, object]:
    return {name: {"since": one.since, "digest": one.digest, "why": one.why} for name, one in marks.items()}


def _observed(seen: definition.Definition, at: str, findings: Sequence[definition.Finding]) -> dict[str, object]:
    status: dict[str, object] = {"findings": definition.to_json(findings)}
    document = definition.pin_document(seen, at)
    # What cannot be pinned is held back all the same, and its findings say why; there is nothing to approve then.
    if not isinstance(document, str):
        spec = {name: part for name, part in document.items() if name != "server"}
        status["observed"] = {"digest": seen.digest, "at": at, "spec": spec}
    return status
