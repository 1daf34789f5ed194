"""The HTTP envelope of a message: which era it claims, and whether its headers repeat its body.

MCP 2026-07-28, basic/transports/streamable-http: a server that processes the body MUST refuse headers that contradict
it. The first rule that fails decides, in the order written here. What mirrors what is in `mirror`.
"""

from dataclasses import dataclass, field
from typing import Final

from tallystick.terms import Reason, Refusal
from tallystick.wire.eras import ERAS, MODERN, Era, negotiate
from tallystick.wire.message import CAPABILITIES_KEY, VERSION_KEY, Message, is_object
from tallystick.wire.mirror import Mirrored, check_name, check_params, mirrored, mismatch, name_header, param_headers

__all__ = ["Headers", "Mirrored", "admit", "check_params", "mirrored", "name_header", "param_headers"]


@dataclass(slots=True)
class Headers:
    """The request headers that the gateway reads; every other one is dropped and never reaches a server.

    `params` are `Mcp-Param-*` headers by lower-case name. `duplicated` names a routing header that came twice.
    `trace` is the `traceparent` of W3C Trace Context.
    """

    authorization: bytes | None = None
    host: bytes = b""
    origin: bytes | None = None
    content_type: bytes = b""
    version: str | None = None
    method: str | None = None
    name: str | None = None
    session: str | None = None
    params: dict[str, str] = field(default_factory=dict[str, str])
    duplicated: str | None = None
    trace: str | None = None


def admit(message: Message, headers: Headers) -> Era | Refusal:
    """Return the era of a request whose headers and body agree, or the refusal that says what does not."""
    claimed = message.meta.get(VERSION_KEY)
    if headers.duplicated is not None:
        return mismatch(f"the header {headers.duplicated} came twice")
    if message.method == "initialize" and claimed is None:
        return negotiate(message.params.get("protocolVersion"))
    if claimed is not None or headers.version == MODERN:
        return _UNASKED if message.kind == "response" else _admit_modern(message, headers, claimed)
    era = ERAS.get(headers.version or "")
    if era is not None:
        return era
    if headers.version is None and headers.session is not None:
        # The session itself knows its version; an absent header means the client trusts it to (2025-06-18, transports).
        return negotiate(None)
    return _unsupported(headers.version)


def _admit_modern(message: Message, headers: Headers, claimed: object) -> Era | Refusal:
    if claimed is None:
        return _incomplete(VERSION_KEY)
    if headers.version != claimed:
        return mismatch("MCP-Protocol-Version does not repeat the version in params._meta")
    if claimed != MODERN:
        return _unsupported(headers.version)
    if not is_object(message.meta.get(CAPABILITIES_KEY)):
        return _incomplete(CAPABILITIES_KEY)
    if headers.method != message.method:
        return mismatch("Mcp-Method does not repeat the method")
    return check_name(message.method, message.params, headers.name) or ERAS[MODERN]


_UNASKED: Final = Refusal(
    "invalid",
    (Reason.MALFORMED,),
    f"A {MODERN} client is sent no requests, so it has nothing to respond to. Send answers as inputResponses.",
)


def _incomplete(member: str) -> Refusal:
    return Refusal(
        "invalid",
        (Reason.META_MISSING,),
        f"A {MODERN} request carries {member} in params._meta. Add it, or open a session with initialize.",
    )


def _unsupported(version: str | None) -> Refusal:
    named = "A request without a protocol version" if version is None else f"Protocol version {version[:40]!r}"
    return Refusal(
        "invalid",
        (Reason.VERSION_UNSUPPORTED,),
        f"{named} is not spoken here. Use one of: {', '.join(ERAS)}.",
    )
