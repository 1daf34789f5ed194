"""What tests of control state share: a place, an open control, and the resources of a small firm."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count

from tallystick.control import Control, Postgres, Sqlite, open_control
from tallystick.control.model import DIRECTORY, Actor, Change, Committed, Key, Put
from tallystick.settings import Problem
from tallystick.snapshot import Compiler, Document
from tallystick.terms import TenantId

KEY = b"k" * 32
NOW = 1_795_000_000.0
ADA, BOB = Actor("ada", operator="ada"), Actor("bob", operator="bob")
RETAIL = TenantId("retail")


_ANYTHING: dict[str, object] = {"type": "object"}


class Ticks:
    """A clock that goes on by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        """Seconds since the epoch."""
        self.now += 1
        return self.now


def numbered(prefix: str = "0") -> Callable[[], str]:
    """Ids of ULIDs' form, in order."""
    numbers: Iterator[int] = count(1)
    return lambda: prefix + f"{next(numbers):025d}"


def judge() -> Callable[[Mapping[str, Document]], tuple[Problem, ...]]:
    """The real compiler."""
    compiler = Compiler()

    def judged(documents: Mapping[str, Document]) -> tuple[Problem, ...]:
        compiled = compiler.compile(documents)
        return compiled if isinstance(compiled, tuple) else ()

    return judged


@contextmanager
def opened(place: Sqlite | Postgres, prefix: str = "0") -> Generator[Control]:
    """Control state with a clock of its own and the real compiler."""
    with open_control(place, KEY, Ticks(), numbered(prefix), judge()) as control:
        yield control


def tenant(name: str = "retail", **spec: object) -> Put:
    """A tenant."""
    return Put("Tenant", name, TenantId(name), {"title": name.title(), "jurisdiction": "DE"} | spec)


def server(name: str = "risk", title: str = "Risk", **more: object) -> Put:
    """A server of the directory, whose word is its approval."""
    spec = {"title": title, "transport": {"http": {"url": f"https://{name}.example"}}} | more
    return Put("Server", name, RETAIL, spec, owner=DIRECTORY, state="approved")


def toolset(name: str, *servers: str) -> Put:
    """A toolset over whole servers."""
    return Put("Toolset", name, RETAIL, {"title": name, "members": [{"server": each} for each in servers]})


def policy(name: str = "all", text: str = '@id("all") permit (principal, action, resource);') -> Put:
    """A policy that binds everybody."""
    return Put("Policy", name, TenantId(""), {"cedar": text})


def pin(name: str = "risk", *tools: str, description: str = "Pays.") -> Put:
    """A pin of a server, owned as the server is."""
    described = [{"name": tool, "description": description, "inputSchema": _ANYTHING} for tool in tools]
    eras: dict[str, object] = {"2026-07-28": {"capabilities": {"tools": {}}}}
    return Put("Pin", name, RETAIL, {"eras": eras, "tools": described}, owner=DIRECTORY)


def done(control: Control, *changes: Change, actor: Actor = ADA, why: str = "") -> Committed:
    """Commit what must be accepted."""
    outcome = control.commit(changes, actor, why)
    assert isinstance(outcome, Committed), outcome
    return outcome


def publish(control: Control) -> int:
    """Do as if the record had taken everything."""
    return control.recorded([row.number for row in control.outbox(10_000)])


def keys(*names: tuple[str, str]) -> Sequence[Key]:
    """Keys of (kind, name)."""
    return [Key(kind, name) for kind, name in names]  # pyright: ignore[reportArgumentType] - kinds as tests write them
