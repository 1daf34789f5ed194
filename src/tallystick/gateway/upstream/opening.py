"""How the gateway opens a conversation at a server: what it says of the client for which it asks, and of itself."""

from collections.abc import Mapping
from typing import Final

import msgspec

from tallystick.gateway.upstream.model import Client
from tallystick.terms import Refusal
from tallystick.wire import ERAS, MODERN, Era, Reply, bridge

GATEWAY: Final[Mapping[str, object]] = {"name": "tallystick", "version": "0.1"}
"""The gateway as an MCP Implementation."""

SERVED: Final = Client({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}})
"""What a process that many clients share is told: all that the gateway can pass on to one of them."""

UNSUPPORTED_VERSION: Final = -32022
"""The error of a server that does not speak the version of a request (2026-07-28, basic/versioning)."""


class _Opened(msgspec.Struct):
    protocolVersion: str  # noqa: N815 - the protocol's spelling


class _Supported(msgspec.Struct):
    supported: list[str]


class _Refused(msgspec.Struct):
    details: _Supported = msgspec.field(name="data")


_read_opened: Final = msgspec.json.Decoder(_Opened).decode
_read_refused: Final = msgspec.json.Decoder(_Refused).decode


def opening_params(client: Client, era: Era) -> dict[str, object]:
    """Return the parameters of `initialize` (2025-11-25, basic/lifecycle)."""
    return {
        "protocolVersion": era.version,
        "capabilities": bridge.client_capabilities(client.capabilities, era),
        "clientInfo": GATEWAY if client.implementation is None else client.implementation,
    }


def discovery_params(era: Era) -> dict[str, object]:
    """Return the parameters of `server/discover` that the gateway sends for itself (2026-07-28, server/discover)."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": era.version,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": GATEWAY,
    }
    return {"_meta": meta}


def agreed(opened: Reply) -> str | None:
    """Return the version that an answer to `initialize` settles on; None where it names none."""
    try:
        return _read_opened(opened.payload).protocolVersion or None
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None


def has_sessions(version: str) -> bool:
    """Whether requests of a version belong to sessions.

    A server may settle on a version older than any that is known here (2025-11-25, basic/lifecycle), and all of those
    have them. Versions are dates, so later text is a later version.
    """
    era = ERAS.get(version)
    return era.sessions if era is not None else version < MODERN


def supported(refused: Reply | Refusal) -> tuple[str, ...]:
    """Return the versions that a server says it speaks in refusing another one, as `data.supported`.

    2026-07-28, basic/versioning (-32022); 2025-11-25, basic/lifecycle (-32602). Empty where it names none.
    """
    if isinstance(refused, Refusal) or refused.kind != "rpc_error":
        return ()
    try:
        return tuple(_read_refused(refused.payload).details.supported)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return ()


def offered(refused: Reply | Refusal, *, sessions: bool) -> Era | None:
    """Return the newest era of a kind that a server names in refusing a version; None where there is none."""
    named = supported(refused)
    return next((era for version, era in ERAS.items() if version in named and era.sessions == sessions), None)
