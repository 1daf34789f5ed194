"""The HTTP envelope of a message: which era it claims, and whether its headers repeat its body.

MCP 2026-07-28, basic/transports/streamable-http: a server that processes the body MUST refuse headers that contradict
it. The first rule that fails decides, in the order written here.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tallystick.terms import Reason, Refusal
from tallystick.wire.eras import ERAS, MODERN, Era, negotiate
from tallystick.wire.message import CAPABILITIES_KEY, VERSION_KEY, Message, is_object

_NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_OPENS: Final = "=?base64?"
_CLOSES: Final = "?="


@dataclass(slots=True)
class Headers:
    """The request headers that the gateway reads; every other one is dropped and never reaches a server.

    `params` are `Mcp-Param-*` headers by lower-case name. `duplicated` names a routing header that came twice.
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


def admit(message: Message, headers: Headers) -> Era | Refusal:
    """Return the era of a request whose headers and body agree, or the refusal that says what does not."""
    claimed = message.meta.get(VERSION_KEY)
    if headers.duplicated is not None:
        return _mismatch(f"the header {headers.duplicated} came twice")
    if message.method == "initialize" and claimed is None:
        return negotiate(message.params.get("protocolVersion"))
    if claimed is not None or headers.version == MODERN:
        return _admit_modern(message, headers, claimed)
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
        return _mismatch("MCP-Protocol-Version does not repeat the version in params._meta")
    if claimed != MODERN:
        return _unsupported(headers.version)
    if not is_object(message.meta.get(CAPABILITIES_KEY)):
        return _incomplete(CAPABILITIES_KEY)
    if headers.method != message.method:
        return _mismatch("Mcp-Method does not repeat the method")
    return _check_name(message, headers.name)


def _check_name(message: Message, name: str | None) -> Era | Refusal:
    member = _NAMED.get(message.method)
    if member is not None and (name is None or _decode(name) != message.params.get(member)):
        return _mismatch(f"Mcp-Name does not repeat params.{member}")
    return ERAS[MODERN]


def name_header(method: str, params: Mapping[str, object]) -> str | None:
    """Return the value of `Mcp-Name` for a request that carries one, encoded for a header field."""
    member = _NAMED.get(method)
    value = params.get(member) if member is not None else None
    return _encode(value) if isinstance(value, str) else None


def _encode(value: str) -> str:
    plain = value.isascii() and value.isprintable() and value == value.strip() and not value.startswith("=?")
    return value if plain and value else f"{_OPENS}{base64.b64encode(value.encode()).decode()}{_CLOSES}"


def _decode(value: str) -> str | None:
    if not (value.startswith(_OPENS) and value.endswith(_CLOSES) and len(value) >= len(_OPENS) + len(_CLOSES)):
        return value
    try:
        return base64.b64decode(value[len(_OPENS) : -len(_CLOSES)], validate=True).decode("utf-8")
    except ValueError:  # not ASCII, not base64, or not UTF-8 inside
        return None


def _mismatch(what: str) -> Refusal:
    return Refusal(
        "invalid",
        (Reason.HEADER_MISMATCH,),
        f"The headers contradict the body: {what}. Repeat the body's values exactly.",
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
