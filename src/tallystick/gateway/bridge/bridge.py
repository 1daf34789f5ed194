"""One server for the corridor: asked in the era of whoever asks, whichever era it speaks itself."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

import anyio
import msgspec
from anyio.abc import TaskGroup

from tallystick.gateway.bridge import modern, sessions
from tallystick.gateway.bridge.background import Background
from tallystick.gateway.bridge.circuit import Circuit, Health
from tallystick.gateway.bridge.feeds import Feed, Listener, Manners
from tallystick.gateway.bridge.heard import BROKEN, Alone, Heard
from tallystick.gateway.bridge.park import Park
from tallystick.gateway.bridge.verdict import Verdict
from tallystick.gateway.bridge.way import UNFOLLOWED, Way, answer_questions, cancel, follow
from tallystick.gateway.upstream.model import Call, Client, Evidence, Outbound, Question, Transport, Wanted
from tallystick.gateway.upstream.opening import offered
from tallystick.terms import Refusal
from tallystick.wire import ERAS, MODERN, Era, Reply, bridge, encode

HELD: Final = "u."
"""What the gateway puts before a server's own requestState, so that it is never taken for one of the gateway's."""

_ROOTS_CHANGED: Final = "notifications/roots/list_changed"
_LEVEL: Final = "logging/setLevel"
_AGAIN: Final[frozenset[Evidence]] = frozenset({"not_spoken", "not_taken"})
"""What shows that a request was not taken and may be sent again."""
_SETTLED_HERE: Final = frozenset({"resources/subscribe", "resources/unsubscribe", _LEVEL})
_PROBE: Final = "probe"
_read_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_log: Final = logging.getLogger(__name__)
_GATEWAY: Final = Client({}, {"name": "tallystick", "version": "0.1"})


def context_of(outbound: Outbound) -> str:
    """Return whose stream a listener may share: its principal's, whatever the client declared it can be asked."""
    return outbound.context


class Setting(NamedTuple):
    """What a bridge is given besides the way to its server.

    `park` is the process's own. `context_of` names whose stream a listener may share; `apart` says that the server
    keeps conversations with sessions apart (over HTTP it does, a process does not). `result_bytes` and `timeout_s`
    bound what the gateway asks for itself.
    """

    park: Park
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    context_of: Callable[[Outbound], str] = context_of
    apart: bool = True
    timeout_s: float = 30.0
    result_bytes: int = 1 << 20


class Bridge:
    """The way to one server, over one transport."""

    def __init__(
        self,
        name: str,
        transport: Transport,
        pinned: Mapping[str, Mapping[str, object]],
        supervising: TaskGroup,
        setting: Setting,
    ) -> None:
        """Take what the server said of itself by version when it was pinned; background work runs in `supervising`."""
        self._transport = transport
        self._setting = setting
        self._background = Background(supervising)
        self._verdict = Verdict(pinned, setting.clock())
        about = next((said.get("serverInfo") for said in pinned.values() if "serverInfo" in said), None)
        self._way = Way(
            name,
            transport,
            setting.park,
            self._background,
            setting.clock,
            setting.sleep,
            msgspec.convert(about, dict[str, object]) if isinstance(about, dict) else None,
            setting.apart,
        )
        self._circuit = Circuit(self._way, self._probe)
        self._levels = sessions.Levels()
        self._logs = setting.apart and any(_logs(said) for said in pinned.values())
        self._manners = Manners(self._goes_on)
        self._feeds: dict[tuple[str, str], Feed] = {}

    @property
    def health(self) -> Health:
        """How the server is doing, as a value."""
        return self._circuit.health(self._verdict.spoken)

    async def ask(self, outbound: Outbound) -> Reply | Refusal:
        """Send one request and return its end. A refusal means that no answer came; the call may have taken effect."""
        if self._circuit.refusal is not None:
            return self._circuit.refusal
        era = outbound.era if self._verdict.speaks(outbound.era) else self._choose(outbound.era)
        if era.sessions and outbound.client.log_level is not None and outbound.era.sessions:
            outbound = await self._at_level(outbound, era)
        is_plain = (
            era is outbound.era and outbound.method not in _SETTLED_HERE and "requestState" not in outbound.params
        )
        call, end = await (self._ask_straight(outbound, era) if is_plain else self._ask(outbound, era))
        if call is not None and call.evidence in _AGAIN:
            end = await self._ask_again(outbound, era, call.evidence, end)
        self._circuit.take(end)
        return end

    async def listen(self, outbound: Outbound, wanted: Wanted) -> Refusal | None:
        """Tell `outbound.exchange` what the server says unasked, until the client goes or the server will not."""
        era = self._choose(outbound.era)
        while True:
            listener = await self._attend(outbound, wanted, era)
            before, era, wanted = era, self._choose(outbound.era), listener.wanted
            # A server that has changed its era is listened to in the other one.
            if not listener.moved or era is before:
                return None

    async def _attend(self, outbound: Outbound, wanted: Wanted, era: Era) -> Listener:
        if era.sessions and self._setting.apart:
            # What a call causes in its session at the server is told on that session's stream, and on no other.
            key = ("own" if outbound.era.sessions else "conversation", outbound.conversation)
        else:
            key = (era.version, self._setting.context_of(outbound))
        listener, feed = Listener(outbound, wanted), self._feeds.get(key)
        if feed is None or feed.ended:
            feed = self._feeds[key] = Feed(self._way, self._streaming(outbound, era), key, self._manners)
            feed.add(listener)
            self._background.start(feed.run)
        else:
            feed.add(listener)
        try:
            await listener.attend()
        finally:
            feed.remove(listener)
            if not feed.listeners and self._feeds.get(key) is feed:
                del self._feeds[key]
        return listener

    async def note(self, outbound: Outbound) -> None:
        """Pass on a notification of the client, where the server's era has it."""
        era = self._choose(outbound.era)
        if outbound.method == _ROOTS_CHANGED and era.sessions and self._circuit.refusal is None:
            await self._transport.note(outbound, era)

    async def introduce(self, outbound: Outbound) -> Reply | Refusal:
        """Return what the server says of itself in the era of `outbound`, unbridged."""
        return await self._introduced(outbound, outbound.era)

    def refuse(self) -> Refusal | None:
        """Return why nothing may be sent now (its circuit is open), None while it may."""
        return self._circuit.refusal

    async def forget(self, conversation: str) -> None:
        """End what the server keeps for a conversation, if there is anything."""
        self._levels.forget(conversation)
        await self._transport.forget(conversation)

    def close(self) -> None:
        """Let go of connections and processes, because the configuration no longer has this way to the server."""
        self._background.stop()
        for feed in tuple(self._feeds.values()):
            for listener in tuple(feed.listeners):
                listener.end()
        self._transport.close()

    async def _at_level(self, outbound: Outbound, era: Era) -> Outbound:
        """Have a client with sessions hear what it set its level to, whatever its server was told or has forgotten."""
        if outbound.method == _LEVEL:
            self._levels.forget(outbound.conversation)
        elif self._logs:
            await self._levels.tell(self._way, outbound, era)
        return replace(outbound, exchange=Heard(outbound.exchange, outbound.era, outbound.client.log_level))

    async def _ask(self, outbound: Outbound, era: Era) -> tuple[Call | None, Reply | Refusal]:
        if outbound.era.sessions:
            if outbound.method in _SETTLED_HERE:
                self._remember(outbound)
                if not (era.sessions and self._setting.apart):
                    return None, Reply("result", None, b"{}")
        elif "requestState" in outbound.params:
            return await self._go_on(outbound, era)
        if era.sessions == outbound.era.sessions:
            return await self._ask_straight(outbound, era)
        if not era.sessions:
            return await modern.ask(self._way, outbound, era)
        if self._logs:
            await self._levels.tell(self._way, outbound, era)
        return await sessions.ask(self._way, outbound, era)

    async def _ask_straight(self, outbound: Outbound, era: Era) -> tuple[Call | None, Reply | Refusal]:
        call = await self._transport.begin(outbound, era)
        if isinstance(call, Refusal):
            return None, call
        try:
            end = await call.follow(outbound)
        except BaseException:
            await cancel(call)
            raise
        if isinstance(end, Reply):
            return call, _hold(end) if end.result_type == modern.ASKS and not era.sessions else end
        if isinstance(end, Question):
            return call, await answer_questions(self._way, call, outbound, end)
        if end.reasons[0] in UNFOLLOWED:
            await cancel(call)
        return call, end

    async def _go_on(self, outbound: Outbound, era: Era) -> tuple[Call | None, Reply | Refusal]:
        """Bring a state back to whoever gave it out: a parked call, or a server without sessions."""
        state = outbound.params["requestState"]
        if isinstance(state, str) and state.startswith(sessions.PARKED):
            return None, await sessions.resume(self._way, outbound, state)
        if era.sessions or not (isinstance(state, str) and state.startswith(HELD)):
            # The server has another era by now, so nobody knows this state any more.
            return None, sessions.EXPIRED
        params = {**outbound.params, "requestState": state.removeprefix(HELD)}
        return await self._ask_straight(replace(outbound, params=params), era)

    def _remember(self, outbound: Outbound) -> None:
        """Keep what a client subscribes to with its listeners, so that it lasts when a stream is opened anew.

        A server without sessions, or one that shares its only session, is told nothing else of it, and of a log level
        nothing at all: that travels with each request.
        """
        uri = outbound.params.get("uri")
        for key, feed in self._feeds.items():
            for listener in feed.listeners:
                if listener.conversation == outbound.conversation and isinstance(uri, str):
                    listener.subscribe(uri, on=outbound.method == "resources/subscribe")
                    if key[0] != "own":
                        feed.look(listener)

    def _choose(self, wanted: Era) -> Era:
        choice = self._verdict.choose(wanted, self._setting.clock())
        doubt = choice.doubt
        # A process would have to be started to be asked, and the next one is asked at its start anyway.
        if doubt is not None and self._setting.apart:

            async def look() -> None:
                await self._look(doubt)

            self._background.start(look)
        return choice.era

    async def _ask_again(
        self, outbound: Outbound, era: Era, evidence: Evidence, end: Reply | Refusal
    ) -> Reply | Refusal:
        """Ask again, once, where the server did not take the first: in the other era, if it speaks that one instead."""
        if evidence == "not_taken":
            return (await self._ask(outbound, era))[1]
        if not await self._is_lost(era):
            return end
        other = self._verdict.other(era)
        return (await self._ask(outbound, outbound.era if other.sessions == outbound.era.sessions else other))[1]

    async def _is_lost(self, era: Era) -> bool:
        """Find out whether a server that seems not to speak an era any more speaks the other one instead."""
        # What one answer seems to show may be about that request alone, so the server is asked in so many words.
        if await self._look(era) or not await self._look(self._verdict.other(era)):
            return False
        self._verdict.learn(era, spoken=False, now=self._setting.clock())
        _log.warning("server %s speaks %s", self._way.name, ", ".join(self._verdict.spoken))
        for feed in tuple(self._feeds.values()):
            feed.leave(era)
        return True

    async def _look(self, era: Era) -> bool:
        """Find out by its opening, which changes nothing at the server, whether it speaks an era."""
        said = await self._introduce(era)
        spoken = isinstance(said, Reply) and said.kind == "result"
        if isinstance(said, Reply):
            self._verdict.learn(era, spoken=spoken, now=self._setting.clock())
        return spoken

    def _goes_on(self, era: Era, evidence: Evidence) -> bool:
        """Take note of what a stream has shown, and say whether to open it again in the same era."""
        if evidence == "not_spoken":

            async def look() -> None:
                await self._is_lost(era)

            self._background.start(look)
        return self._verdict.speaks(era)

    async def _introduce(self, era: Era) -> Reply | Refusal:
        said = await self._introduced(self._own_request(era, era.opening), era)
        await self._transport.forget(_PROBE)
        return said

    async def _introduced(self, outbound: Outbound, era: Era) -> Reply | Refusal:
        said = await self._transport.introduce(outbound, era)
        if era.sessions or offered(said, sessions=False) is None:
            return said
        # It names what it was asked in, so it means its first answer no more than its second.
        return await self._transport.introduce(outbound, era)

    async def _probe(self) -> Reply | Refusal:
        """Find out whether the server answers at all; of one with sessions, a new one has to work."""
        era = ERAS[next(iter(self._verdict.spoken), MODERN)]
        if not era.sessions:
            return await self._introduce(era)
        request = self._own_request(era, "ping")
        call = await self._transport.begin(request, era)
        end = call if isinstance(call, Refusal) else await follow(call, request)
        await self._transport.forget(_PROBE)
        return BROKEN if isinstance(end, Question) else end

    def _streaming(self, outbound: Outbound, era: Era) -> Outbound:
        """Return the request behind a feed, with the gateway's own limits: a listening client has none."""
        setting = self._setting
        return replace(outbound, era=era, timeout_s=setting.timeout_s, result_bytes=setting.result_bytes)

    def _own_request(self, era: Era, method: str) -> Outbound:
        params = bridge.request(method, {}, era, _GATEWAY)
        setting = self._setting
        return Outbound(era, method, params, _PROBE, Alone(), setting.timeout_s, setting.result_bytes, client=_GATEWAY)


def _hold(reply: Reply) -> Reply:
    """Mark the state of a server as the server's own."""
    members = _read_members(reply.payload)
    try:
        state = msgspec.json.decode(members.get("requestState", b"null"), type=str)
    except msgspec.DecodeError:
        return reply
    members["requestState"] = msgspec.Raw(encode.value(HELD + state))
    return reply._replace(payload=encode.value(members))


def _logs(said: Mapping[str, object]) -> bool:
    capabilities = said.get("capabilities")
    return isinstance(capabilities, Mapping) and "logging" in capabilities
