"""People at the console: each with a token of their own, or over the socket of the machine."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import anyio
from anyio import to_thread

from tallystick.remote import Client, read_place
from tallystick.remote.client import Sent
from tallystick.remote.messages.asked import Step
from tallystick.remote.messages.resources import Kind, Metadata, Resource, State
from tallystick.wiring.worker import console_socket
from tests.interaction.stage import Stage
from tests.interaction.waiting import BOUND_S

P = ParamSpec("P")
T = TypeVar("T")


def operator(stage: Stage) -> Client:
    """Return a client over the socket: whoever runs the tests."""
    return Client(read_place(f"unix:{console_socket(stage.places.state)}"))


def person(stage: Stage, subject: str) -> Client:
    """Return a client with a token for the console."""
    token = stage.token(subject, aud=stage.console)
    return Client(read_place(stage.console), lambda: token)


async def ask(question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask in a thread: the console answers in this process."""
    return await to_thread.run_sync(partial(question, *args, **kwargs))


def document(kind: Kind, name: str, spec: dict[str, object], tenant: str = "bank") -> Resource:
    """Return a resource as it is sent."""
    return Resource(kind, Metadata(name, tenant), spec)


def may(role: str, *people: str) -> Resource:
    """Return the role of some people in the bank."""
    return document("Role", f"{role}s", {"role": role, "people": list(people)})


def take(client: Client, name: str, to: Step) -> None:
    """Take a step of a server as it is now."""
    client.step("Server", name, to, Sent(client.get("Server", name).etag))


def step(to: State, comment: str = "", definition: str | None = None) -> Step:
    """Return a step of the lifecycle."""
    return Step(to=to, comment=comment, definition=definition)


async def eventually(question: Callable[[], T], holds: Callable[[T], object]) -> T:
    """Ask again and again until the answer is one that holds; raises TimeoutError when it never is."""
    with anyio.fail_after(BOUND_S):
        while not holds(answer := await ask(question)):  # noqa: ASYNC110 - it is asked over the wire
            await anyio.sleep(0.02)
        return answer


def is_writer(pid: int, state: Path) -> bool:
    """Tell whether a process is the audit writer of a state directory."""
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    return b"tallystick.audit.writer" in command and str(state).encode() in command


def server(url: str) -> dict[str, object]:
    """Return the spec of a server at a loopback URL, of which everything is said that a review asks for."""
    tool = {"operation": "read", "risk": "low", "data_scope": "public", "reversibility": "R0"}
    return {
        "title": "Fresh",
        "owner": {"person": "dora", "team": "rates"},
        "purpose": "an echo",
        "classification": "internal",
        "jurisdictions": ["UK"],
        "security_review": {"date": "2020-01-01", "next": "2099-01-01"},
        "transport": {"http": {"url": url, "allow_special_addresses": True}},
        "tools": {"*": tool},
    }
