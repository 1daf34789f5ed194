"""What a client tells of a request in `_meta` under our own prefix. None of it leaves: it may hold personal data."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from tallystick.snapshot import fits_reason
from tallystick.terms import Reason, Refusal
from tallystick.wire import Headers, Message

PREFIX: Final = "tallystick.dev/"
LONGEST: Final = 64 * 1024
"""Bytes (UTF-8) of a prompt, an intent or a reason in `_meta`."""
LONGEST_NAME: Final = 128
"""Characters of the name of a model or of a prompt set: they stand in the record in clear."""

_PARTS: Final = ("prompt", "intent", "reason")
_NAMES: Final = ("model", "prompt-set")
_RECEIPT: Final = "receipt"

# MCP 2026-07-28, basic/index (`_meta`); W3C Trace Context travels there by SEP-414.
_OF_MCP: Final = frozenset(
    {
        *("protocolVersion", "clientCapabilities", "clientInfo", "logLevel"),
        *("progressToken", "traceparent", "tracestate", "baggage"),
    }
)
_USUAL: Final = _OF_MCP | {f"io.modelcontextprotocol/{name}" for name in _OF_MCP}
"""Members of `_meta` that are not ours; where there are no others, nothing has to be looked at one by one."""

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.ASCII)


class Given(NamedTuple):
    """What came with a request besides what it asks for: (which part, source, content) of its context.

    `model` and `prompt_set` are names; `receipt` asks for one.
    """

    context: tuple[tuple[str, str, bytes], ...] = ()
    model: str | None = None
    prompt_set: str | None = None
    receipt: bool = False

    @property
    def parts(self) -> frozenset[str]:
        """The parts of the context that came."""
        return frozenset([part for part, _, _ in self.context])

    def with_argument(self, reason: object) -> "Given":
        """Return the same with the reason that the model gave in the added argument; that one counts."""
        if not fits_reason(reason):
            return self
        rest = [entry for entry in self.context if entry[0] != "reason"]
        return self._replace(context=(*rest, ("reason", "argument", str(reason).encode("utf-8", "surrogatepass"))))


NOTHING: Final = Given()


def take(message: Message) -> Mapping[str, object]:
    """Take our own members out of a request's `_meta`, and return them without their prefix."""
    # The mapping is the message's own: what is taken out here is in nothing that is made of the message later.
    meta = message.params.get("_meta")
    if not isinstance(meta, dict) or _USUAL.issuperset(meta):  # pyright: ignore[reportUnknownArgumentType] - parsed JSON
        return {}
    members: dict[str, object] = meta  # pyright: ignore[reportUnknownVariableType] - parsed JSON, whose names are texts
    # INVARIANT: whatever begins like our prefix stays here, in capitals too: a misspelled prompt is still a prompt.
    ours = {name: members[name] for name in members if name[: len(PREFIX)].casefold() == PREFIX}
    for name in ours:
        del members[name]
    return {name[len(PREFIX) :]: value for name, value in ours.items() if name.startswith(PREFIX)}


def read(told: Mapping[str, object]) -> Given | Refusal:
    """Read what `take` returned. Members that nobody knows are left aside."""
    if not told:
        return NOTHING
    context: list[tuple[str, str, bytes]] = []
    for part in _PARTS:
        content = _content(told.get(part))
        if content is None:
            return _refused(part, f"a text of at most {LONGEST} bytes", told[part])
        if content:
            context.append((part, "meta", content))
    for name in _NAMES:
        value = told.get(name)
        if value is not None and not (isinstance(value, str) and len(value) <= LONGEST_NAME):
            return _refused(name, f"a text of at most {LONGEST_NAME} characters", value)
    wanted = told.get(_RECEIPT)
    if wanted is not None and not isinstance(wanted, bool):
        return _refused(_RECEIPT, "true or false", wanted)
    model, prompt_set = (value if isinstance(value := told.get(name), str) else None for name in _NAMES)
    return Given(tuple(context), model or None, prompt_set or None, wanted is True)


def _content(value: object) -> bytes | None:
    """Return the bytes of a part, none where it did not come; None where it is no text that can be kept."""
    if value is None:
        return b""
    if not isinstance(value, str) or len(value) > LONGEST:
        return None
    try:
        content = value.encode()
    except UnicodeEncodeError:
        return None
    return content if len(content) <= LONGEST else None


def _refused(name: str, wanted: str, value: object) -> Refusal:
    reason = Reason.TOO_LARGE if isinstance(value, str) and name != _RECEIPT else Reason.MALFORMED
    return Refusal("invalid", (reason,), f'params._meta["{PREFIX}{name}"] is {wanted}, or is left out.')


def trace_of(message: Message, headers: Headers) -> str | None:
    """Return the trace id (32 hex digits) that a request belongs to, where it says so well (W3C Trace Context, 3.2).

    What stands in `_meta` belongs to the message (MCP 2026-07-28, SEP-414) and counts before the HTTP header.
    """
    meta = message.params.get("_meta")
    told: object = meta.get("traceparent") if isinstance(meta, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - parsed JSON
    found = _trace(told) if isinstance(told, str) else None
    return found if found is not None or headers.trace is None else _trace(headers.trace)


def _trace(text: str) -> str | None:
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return None
    version, trace, parent, more = found.groups()
    # Version ff is none, and version 00 has four fields; a later one may have more.
    if version == "ff" or (version == "00" and more) or not trace.strip("0") or not parent.strip("0"):
        return None
    return trace
