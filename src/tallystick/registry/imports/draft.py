"""Builds the proposed documents: valid and unique names, transports without secrets, unknown = highest risk."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final, Literal
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from tallystick.registry.imports.model import Proposal, Reference
from tallystick.registry.imports.part import Part, pointer
from tallystick.registry.imports.secrecy import filled_in, named_secret, secret_queries, secret_value, steers, token
from tallystick.registry.propose import propose
from tallystick.terms import TenantId

UNKNOWN: Final[Mapping[str, object]] = {}
"""How a tool is classified that nobody has looked at: not at all. It counts as the highest risk, and as incomplete."""
EVERY_TOOL: Final[Mapping[str, object]] = {"*": UNKNOWN}

_NAME_LETTERS: Final = 63
_TIMEOUT: Final = (0.1, 600.0)
_KEPT_OUT: Final = "secrets stay out of documents; its value was not read"
_FILLED_IN: Final = "the client filled it in, and Tallystick fills in nothing"

By = Literal["env", "header", "argument", "url"]


def slug(text: str) -> str:
    """Return the nearest valid name: small letters, digits and single hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_NAME_LETTERS].strip("-") or "server"


class Drafts:
    """The documents of one import so far. `taken` are names that exist already and that no document may have."""

    __slots__ = ("_names", "_tenant", "documents")

    def __init__(self, tenant: TenantId, taken: frozenset[str]) -> None:
        self.documents: list[Proposal] = []
        self._tenant = tenant
        self._names: set[tuple[str, str]] = {(kind, name) for kind in ("Server", "Toolset") for name in taken}

    def name(self, part: Part, wanted: str, kind: Literal["Server", "Toolset"] = "Server") -> str:
        """Return a name that is valid and that no other document of this kind has. Another than wanted is noted."""
        stem = slug(wanted)
        name, count = stem, 1
        while (kind, name) in self._names:
            count += 1
            end = f"-{count}"
            name = stem[: _NAME_LETTERS - len(end)].rstrip("-") + end
        self._names.add((kind, name))
        if name != wanted:
            why = "names are small letters, digits and hyphens" if name == stem else "another one has that name"
            part.note(f'is named "{name}" here', why, "choose another name before it is in use")
        return name

    def add(self, kind: Literal["Server", "Toolset"], name: str, spec: Mapping[str, object]) -> None:
        """Add a document; empty parts are left out."""
        kept = {key: value for key, value in spec.items() if value}
        self.documents.append(Proposal(kind, name, self._tenant, kept))


def refer(part: Part, server: str, by: By, name: str) -> None:
    """Leave a secret behind, and say which Secret its value belongs into."""
    reference = Reference(pointer(part.path), server, by, name, slug(f"{server}-{name}"))
    part.ledger.secrets.append(reference)
    part.leave(
        None, f"is a secret of the {by} {name}", _KEPT_OUT, f'put it into a Secret, such as "{reference.secret}"'
    )


def started(part: Part) -> None:
    """Note that a server is a program that the gateway would start."""
    remedy = "read what the program is before the server is approved"
    part.note("is a program that the gateway would start", "an import says what to run, not that it is safe", remedy)


def url(part: Part, server: str) -> str:
    """Carry the URL here, without credentials in it ("": it cannot be used)."""
    text = part.string()
    if filled_in(text):
        part.leave(None, "is a template", _FILLED_IN, "register the server with its whole URL")
        return ""
    parts = _split(text)
    if parts is None:
        part.leave(
            None, "is not an http(s) URL", "no other transport is behind a URL", "correct it, or start a program"
        )
        return ""
    if any(secret_value(step) for step in parts.path.split("/")):
        refer(part, server, "url", "url")
        return ""
    hidden = secret_queries(text)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in hidden]
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")
    plain = plain._replace(query=urlencode(kept)) if hidden else plain
    part.carry(None, "transport.http.url")
    if "@" in parts.netloc or hidden:
        name = ", ".join(hidden) or "user and password"
        secret = slug(f"{server}-{hidden[0] if hidden else 'password'}")
        part.ledger.secrets.append(Reference(pointer(part.path), server, "url", name, secret))
        part.note(f"is carried without {name}", _KEPT_OUT, f'put it into a Secret, such as "{secret}"')
    if parts.fragment:
        part.note("is carried without its fragment", "a server never sees it", "nothing")
    return plain.geturl()


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    is_plain = re.fullmatch(r"[!-~]+", text) is not None and port != 0
    return parts if is_plain and parts.scheme in {"http", "https"} and parts.hostname else None


def environment(values: Iterable[tuple[str, Part]], server: str) -> dict[str, str]:
    """Carry environment variables, without those that hold a secret or that a client fills in."""
    carried: dict[str, str] = {}
    for name, part in values:
        value = part.whole()
        text = (
            str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value
        )
        if not isinstance(text, str):
            continue
        if named_secret(name) or secret_value(text):
            refer(part, server, "env", name)
        elif steers(name):
            steered(part, name)
        elif filled_in(text):
            part.leave(None, f"the variable {name} is a template", _FILLED_IN, f"set {name} in the server's env")
        else:
            part.carry(None, f"transport.stdio.env.{name}")
            carried[name] = text
    return carried


def steered(part: Part, name: str) -> None:
    """Leave a variable behind that would change which code is fetched or run, or where that connects."""
    why = f"{name} steers the program that starts the server, not the server: it could run something else"
    part.leave(None, f"the variable {name} is not carried over", why, "set it in the server's env if you know why")


def headers(part: Part, server: str) -> None:
    """Leave the headers here: Tallystick sends none of a configuration's own to a server behind a URL."""
    for header in part.parts():
        text = header.string()
        if named_secret(header.key) or secret_value(text) or filled_in(text):
            refer(header, server, "header", header.key)
        else:
            why = "no header of a configuration is sent to a server behind a URL"
            header.leave(
                None, f"the header {header.key} is not sent", why, "let the server do without, or ask its owner"
            )


def arguments(parts: Iterable[Part], server: str) -> list[str]:
    """Carry a program's arguments, without those that hold a secret or that a client fills in."""
    carried: list[str] = []
    waiting = list(reversed(list(parts)))
    while waiting:
        part = waiting.pop()
        text = part.string()
        name, mark, value = _halves(text)
        takes_next = text.startswith("-") and not mark and named_secret(text)
        if takes_next and waiting and (not waiting[-1].string().startswith("-") or token(waiting[-1].string())):
            part.leave(None, "goes with a secret", "the argument after it is left out", "write both, or use its env")
            refer(waiting.pop(), server, "argument", text.lstrip("-"))
        elif token(text) or secret_value(value or text) or (value and named_secret(name)):
            refer(part, server, "argument", name.lstrip("-") if mark else "argument")
        elif filled_in(text):
            part.leave(None, "the argument is a template", _FILLED_IN, "write the argument into the server's command")
        else:
            part.carry(None, "transport.stdio.command")
            carried.append(text)
    return carried


def _halves(argument: str) -> tuple[str, str, str]:
    """Split `--name=value`, or `Name: value` as headers are written on a command line."""
    halves = argument.partition("=")
    return halves if halves[1] else argument.partition(": ")


def timeout(part: Part, key: str, seconds: float = 1.0) -> float | None:
    """Carry the time that a call may take, given in units of so many `seconds`."""
    value = part.number(key)
    if value is None:
        return None
    if _TIMEOUT[0] <= value * seconds <= _TIMEOUT[1]:
        part.carry(key, "limits.timeout_s")
        return value * seconds
    part.leave(
        key, "is out of range", f"a call may take {_TIMEOUT[0]} to {_TIMEOUT[1]} seconds", "choose limits.timeout_s"
    )
    return None


def only_tools(part: Part, key: str) -> Mapping[str, object]:
    """Carry a list of tools that are wanted: the others stay hidden. Without a list all are known, all unreviewed."""
    named = part.texts(key)
    if not named:
        return EVERY_TOOL
    tools: dict[str, object] = {}
    for tool in named:
        if tool.string() == "*":
            return _all_of(named)
        tool.carry(None, f"tools.{tool.string()}")
        tools[tool.string()] = UNKNOWN
    return tools


def _all_of(named: Iterable[Part]) -> Mapping[str, object]:
    for tool in named:
        tool.carry(None, "tools.*")
    return EVERY_TOOL


def hints(tool: Part) -> None:
    """Leave what a server says of its tool, and say what that would propose. It decides nothing."""
    found = propose({"annotations": tool.peek("annotations")})
    words = [word for word in (found.operation, found.risk, found.reversibility) if word]
    what = f"propose {', '.join(words)}" if words else "propose nothing"
    why = "what a server says of its own tools decides nothing"
    tool.leave("annotations", what, why, "classify the tool at review")


def server_spec(
    transport: Mapping[str, object],
    title: str = "",
    purpose: str = "",
    tools: Mapping[str, object] = EVERY_TOOL,
    timeout_s: float | None = None,
) -> dict[str, object]:
    """Return a server's spec."""
    return {
        "title": title,
        "purpose": purpose,
        "transport": transport,
        "limits": {} if timeout_s is None else {"timeout_s": timeout_s},
        "tools": tools,
    }


def http(address: str) -> dict[str, object]:
    """Return the transport of a server behind a URL."""
    return {"http": {"url": address}}


def stdio(command: list[str], env: Mapping[str, str], cwd: str = "") -> dict[str, object]:
    """Return the transport of a program."""
    program: dict[str, object] = {"command": command}
    if env:
        program["env"] = dict(env)
    if cwd:
        program["cwd"] = cwd
    return {"stdio": program}
