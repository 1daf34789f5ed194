"""One server behind one URL: which kind of call a request makes, and what is kept between requests."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from anyio.abc import TaskGroup

from tallystick.gateway.upstream.connector import Connector
from tallystick.gateway.upstream.conversation import BROKEN_OFF, Ended
from tallystick.gateway.upstream.http.calls import ModernCall, SessionCall, StreamCall
from tallystick.gateway.upstream.http.link import Link
from tallystick.gateway.upstream.http.sessions import Session, Sessions, open_session
from tallystick.gateway.upstream.model import Call, Outbound
from tallystick.terms import Refusal
from tallystick.wire import Era, Reply, encode

_LISTENING: Final = "subscriptions/listen"


class HttpTransport:
    """One server behind one URL."""

    def __init__(
        self, url: str, connector: Connector, supervising: TaskGroup, opened: Callable[[str | None], None] | None = None
    ) -> None:
        """Take an absolute http or https URL; what nobody waits for runs in `supervising`.

        `opened` is told the conversation of each session that was opened.
        """
        self._link = Link(url, connector, supervising, opened)
        self._sessions = Sessions(self._end)

    async def begin(self, outbound: Outbound, era: Era) -> Call | Refusal:
        """Send one request, whose params are in the form of `era`."""
        if era.sessions:
            return await self._begin_in_session(outbound, era)
        request_id = next(self._link.ids)
        kind = "listen" if outbound.method == _LISTENING else "call"
        call = ModernCall(request_id, outbound.result_bytes, kind)
        body = encode.request(request_id, outbound.method, outbound.params)
        return await self._link.carry(call, self._link.heads.modern(outbound, era, body), outbound) or call

    async def open_stream(self, outbound: Outbound) -> Call | Refusal:
        """Open the stream on which the server speaks unasked to a conversation."""
        session = self._sessions.of(outbound.conversation)
        refused = await open_session(self._link, session, outbound, outbound.era)
        if refused is not None:
            return refused
        call = StreamCall(self._link, session, outbound)
        return await call.send(outbound) or call

    async def note(self, outbound: Outbound, era: Era) -> Refusal | None:
        """Send one notification. A conversation that has no session has nothing to tell the server."""
        body = encode.request(None, outbound.method, outbound.params)
        if not era.sessions:
            request = self._link.heads.modern(outbound, era, body)
        else:
            session = self._sessions.known(outbound.conversation)
            if session is None:
                return None
            request = self._link.heads.post(session.lines, body)
        said = await self._link.say(request)
        return said if isinstance(said, Refusal) else None

    async def introduce(self, outbound: Outbound, era: Era) -> Reply | Refusal:
        """Return the answer to `initialize` or `server/discover`."""
        if era.sessions:
            session = self._sessions.of(outbound.conversation)
            refused = await open_session(self._link, session, outbound, era)
            return (
                session.said or BROKEN_OFF
                if refused is None
                else refused.end
                if isinstance(refused, Ended)
                else refused
            )
        asking = replace(outbound, method=era.opening)
        call = await self.begin(asking, era)
        end = call if isinstance(call, Refusal) else await call.follow(asking)
        return end if isinstance(end, Reply | Refusal) else BROKEN_OFF

    async def forget(self, conversation: str) -> None:
        """Tell the server that the conversation's session is over (HTTP DELETE); its answer does not matter."""
        session = self._sessions.drop(conversation)
        if session is not None and session.id:
            await self._link.post(self._link.heads.delete(session.lines))

    def close(self) -> None:
        """Drop the idle connections; what is under way may come to its end."""
        self._sessions.close()
        self._link.pool.close()

    async def _begin_in_session(self, outbound: Outbound, era: Era) -> Call | Refusal:
        session = self._sessions.of(outbound.conversation)
        if session.id is None:
            refused = await open_session(self._link, session, outbound, era)
            if refused is not None:
                return refused
        call = SessionCall(self._link, session, outbound, era)
        return await call.send() or call

    def _end(self, session: Session) -> None:
        if session.id:
            self._link.later(self._link.heads.delete(session.lines))
