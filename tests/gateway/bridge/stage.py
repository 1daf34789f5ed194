"""A client of either era on a bridge: it answers what it is asked, and remembers what it was told."""

import json
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import msgspec
from anyio.abc import TaskGroup

from tallystick.gateway.bridge import Bridge, Park, Setting, drawn
from tallystick.gateway.upstream import Connector, HttpTransport, StdioTransport
from tallystick.gateway.upstream.model import Cancellation, Client, Outbound, Wanted
from tallystick.gateway.upstream.stdio import supervision
from tallystick.runtime import Capped
from tallystick.terms import Reason, Refusal
from tallystick.wire import ERAS, Reply, encode
from tests.gateway.bridge.peer import MODERN, SESSIONS, Peer, serving

Json = dict[str, object]
BOUND_S = 20.0
"""Seconds after which a test that waits has failed; none waits that long."""

CAPABLE: Json = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
ANSWERS: dict[str, Json] = {
    "What is your name?": {"action": "accept", "content": {"name": "Ada"}},
    "Where do you live, Ada?": {"action": "accept", "content": {"city": "London"}},
    "sampling/createMessage": {"role": "assistant", "content": {"type": "text", "text": "Hm."}, "model": "m"},
    "roots/list": {"roots": [{"uri": "file:///r"}]},
}
UNANSWERED = Refusal("upstream", (Reason.CLIENT_UNASKABLE,), "nobody")
PINNED: Json = {
    "capabilities": {"tools": {}, "logging": {}},
    "serverInfo": {"name": "peer", "version": "1"},
}


PROMPTS = "notifications/prompts/list_changed"
EVERYTHING = Wanted(prompts_list=True, resources_list=True, resources=("note://a",))


@dataclass(slots=True)
class Party:
    """The client's side of a call, in its `era`. `asked` are the questions it was asked, in order."""

    era: str = MODERN
    capabilities: Json = field(default_factory=lambda: CAPABLE)
    level: str | None = None
    conversation: str = "somebody"
    answers: Mapping[str, Json] = field(default_factory=lambda: ANSWERS)
    told: list[Json] = field(default_factory=list[Json])
    asked: list[str] = field(default_factory=list[str])
    gone: anyio.Event = field(default_factory=anyio.Event)
    news: anyio.Event = field(default_factory=anyio.Event)
    cancellation: Cancellation = field(default_factory=Cancellation)

    @property
    def asks(self) -> bool:
        """Whether it can be asked in mid-call."""
        return ERAS[self.era].sessions

    async def emit(self, message: bytes) -> None:
        """Take a notification."""
        self.told.append(json.loads(message))
        self.news.set()
        self.news = anyio.Event()

    async def ask(self, method: str, params: Mapping[str, object], within_s: float) -> Reply | Refusal:
        """Answer a question."""
        assert within_s > 0
        answer = self.answer(method, params)
        return UNANSWERED if answer is None else Reply("result", None, encode.value(answer))

    def answer(self, method: str, params: Mapping[str, object]) -> Json | None:
        """Return the answer to a question, None where it gives none."""
        name = str(params["message"]) if method == "elicitation/create" else method
        self.asked.append(name)
        return self.answers.get(name)

    async def abandoned(self) -> None:
        """Return when the client has gone."""
        await self.gone.wait()

    async def hear(self, method: str) -> Json:
        """Return the first notification of a method, waiting for it."""
        with anyio.fail_after(BOUND_S):
            while True:
                news = self.news
                for message in self.told:
                    if message["method"] == method:
                        return message
                await news.wait()

    def methods(self) -> list[object]:
        """The methods of what was told."""
        return [message["method"] for message in self.told]

    def outbound(self, method: str, params: Json) -> Outbound:
        """Return a request in the client's era."""
        era = ERAS[self.era]
        if not era.sessions:
            meta = msgspec.convert(params.get("_meta", {}), Json)
            meta["io.modelcontextprotocol/protocolVersion"] = self.era
            meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities
            params = {**params, "_meta": meta}
        return Outbound(
            era,
            method,
            params,
            self.conversation,
            self,
            BOUND_S,
            1 << 20,
            cancellation=self.cancellation,
            client=Client(self.capabilities, {"name": "party", "version": "1"}, self.level),
        )


@dataclass(slots=True)
class Time:
    """Seconds that pass when a test says so, and whoever sleeps until then."""

    now: float = 0.0
    sleepers: list[tuple[float, anyio.Event]] = field(default_factory=list[tuple[float, anyio.Event]])
    slept: anyio.Event = field(default_factory=anyio.Event)

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Return when the time has passed."""
        if seconds <= 0:
            return
        woken = anyio.Event()
        sleeper = self.now + seconds, woken
        self.sleepers.append(sleeper)
        self.slept.set()
        self.slept = anyio.Event()
        try:
            await woken.wait()
        finally:
            self.sleepers.remove(sleeper)

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        for until, woken in self.sleepers:
            if until <= self.now:
                woken.set()

    async def until_asleep(self, seconds: float) -> None:
        """Wait until somebody sleeps for so many seconds, or until then."""
        with anyio.fail_after(BOUND_S):
            while all(until != self.now + seconds for until, _ in self.sleepers):
                await self.slept.wait()


@asynccontextmanager
async def bridged(peer: Peer, over: str, *pinned: str, setting: Setting | None = None) -> AsyncGenerator[Bridge]:
    """Run a peer and a bridge to it; `pinned` are the versions that it spoke when it was pinned."""
    eras = pinned or ((peer.era,) if peer.era else (MODERN, SESSIONS))
    setting = setting or Setting(Park(drawn), apart=over == "http")
    with anyio.fail_after(BOUND_S):
        async with supervision() as supervising, _transport(peer, over, supervising) as transport:
            bridge = Bridge("peer", transport, dict.fromkeys(eras, PINNED), supervising, setting)
            yield bridge
            bridge.close()


@asynccontextmanager
async def _transport(peer: Peer, over: str, supervising: TaskGroup) -> AsyncGenerator[HttpTransport | StdioTransport]:
    if over == "http":
        async with serving(peer):
            yield HttpTransport(peer.url, Connector(allow_special=True), supervising)
        return
    program = [sys.executable, str(Path(__file__).with_name("peer.py")), *([peer.era] if peer.era else [])]
    yield StdioTransport(Capped(tuple(program), {"PATH": "/usr/bin"}, None, 1 << 31, 256, 8 << 20), supervising)


async def ask(bridge: Bridge, party: Party, method: str, params: Json) -> Json:
    """Ask until there is an end, answering on the way, and return the result or error."""
    given: Json = {}
    for _ in range(12):
        reply = await bridge.ask(party.outbound(method, {**params, **given}))
        assert isinstance(reply, Reply), reply
        said: Json = json.loads(reply.payload)
        if said.get("resultType") != "input_required":
            return said
        given = party_answers(party, said)
    message = "asked without end"
    raise AssertionError(message)


def party_answers(party: Party, said: Json) -> Json:
    """Return what a client of 2026-07-28 adds to its retry."""
    answers = {key: party.answer(str(asked["method"]), params_of(asked)) for key, asked in questions_of(said).items()}
    given: Json = {"inputResponses": answers}
    if "requestState" in said:
        given["requestState"] = said["requestState"]
    return given


def questions_of(said: Json) -> dict[str, Json]:
    """Return what a result asks for, by key."""
    return msgspec.convert(said.get("inputRequests", {}), dict[str, Json])


def params_of(message: Json) -> Json:
    """Return the parameters of a message."""
    return msgspec.convert(message.get("params", {}), Json)


async def call(bridge: Bridge, party: Party, tool: str, **arguments: object) -> str:
    """Call a tool and return the text of its result."""
    said = await ask(bridge, party, "tools/call", {"name": tool, "arguments": arguments})
    return text_of(said)


def text_of(said: Json) -> str:
    """Return the text of a tool's result."""
    return str(msgspec.convert(said["content"], list[Json])[0]["text"])


async def use(bridge: Bridge, party: Party) -> None:
    """Do what a client of any era can do at the peer."""
    assert await call(bridge, party, "add", a=1, b=2) == "3"
    assert await call(bridge, party, "greet") == "Hello Ada"
    assert await call(bridge, party, "settle") == "Ada of London"
    assert await call(bridge, party, "think") == "Hm."
    assert await call(bridge, party, "roots") == "file:///r"
    names = ["What is your name?", "Where do you live, Ada?"]
    assert party.asked == [names[0], *names, "sampling/createMessage", "roots/list"]
    read = await ask(bridge, party, "resources/read", {"uri": "note://a"})
    assert read["contents"] == [{"uri": "note://a", "mimeType": "text/plain", "text": "text"}]
    is_modern = party.era == MODERN
    for said in (read, await ask(bridge, party, "prompts/list", {})):
        assert {"resultType", "ttlMs", "cacheScope"} <= set(said) if is_modern else "resultType" not in said


@asynccontextmanager
async def listening(bridge: Bridge, *parties: tuple[Party, Wanted]) -> AsyncGenerator[None]:
    """Have clients listen until the block ends."""
    async with anyio.create_task_group() as group:
        for party, wanted in parties:
            group.start_soon(bridge.listen, party.outbound("subscriptions/listen", {}), wanted)
        yield
        for party, _ in parties:
            party.gone.set()


async def change(bridge: Bridge, *heard_by: Party) -> None:
    """Have something change until everybody has heard of it: when a server begins to tell is its own affair."""
    changer = Party(conversation="changer")
    with anyio.fail_after(BOUND_S):
        while not all(PROMPTS in party.methods() for party in heard_by):
            await call(bridge, changer, "change")
            await anyio.wait_all_tasks_blocked()
