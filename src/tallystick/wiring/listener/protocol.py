"""The listener's HTTP/1.1: what no parser may read in two ways, and no client may hold for ever, ends here.

uvicorn's httptools protocol plus deadlines, bounds and refusals. The parser below (llhttp, strict) refuses both lengths
at once, odd lengths, folded lines, bare LF, NUL and blanks before a colon; this file refuses what it lets through
(RFC 9112, sections 2 to 7 and 11). One timer looks at all connections of a listener; a request costs none.

A small POST that a `Taker` wants does not go round by ASGI; deadlines, bounds and order are the same for it.
"""

import math
from asyncio import AbstractEventLoop, Transport
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from tallystick.gateway import Application
from tallystick.wiring.listener.door import Bounds, Cause, Door, bucket_of
from tallystick.wiring.listener.whole import WHOLE_BYTES, Taker, Whole

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application


class Config(uvicorn.Config):
    """uvicorn's configuration of one hardened listener."""

    def __init__(self, app: Application, bounds: Bounds | None = None, taker: Taker | None = None) -> None:
        """Serve the application, and nothing around it; `taker` gets the small POSTs that it wants."""
        super().__init__(
            app,
            loop="none",
            http=Protocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
        self.door = Door(bounds or Bounds())
        self.taker = taker


class _Verdict(NamedTuple):
    status: int
    cause: Cause


class _RefusedError(Exception):
    """Stops the parser in mid-callback."""


# What a connection waits for. Plain integers: each request asks a dozen times, and an enum's members are slow to reach.
_IDLE: Final = 0  # nothing of a request is here
_HEAD: Final = 1
_BODY: Final = 2
_ANSWER: Final = 3  # the request is whole, its answer is not
_CLOSING: Final = 4  # whatever comes is thrown away


_VERBS: Final = frozenset({b"POST", b"GET", b"DELETE", b"HEAD", b"OPTIONS", b"PUT", b"PATCH"})
_JUDGED: Final = frozenset({b"host", b"transfer-encoding", b"upgrade", b"expect", b"content-length"})
_NONE: Final = -1  # no length was said
_TEXT: Final = {
    400: b"400 Bad Request",
    408: b"408 Request Timeout",
    413: b"413 Content Too Large",
    414: b"414 URI Too Long",
    431: b"431 Request Header Fields Too Large",
    503: b"503 Service Unavailable",
}


class Protocol(HttpToolsProtocol):
    """One connection. `deadline` is the loop's time at which something must have happened."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.door = config.door
        self.bounds = config.door.bounds
        self.taker = config.taker
        self.deadline = math.inf
        self._address = ""
        self._phase = _IDLE
        self._raw = 0  # bytes since the last whole request
        self._content = 0  # of these, bytes of the body
        self._chunk = 0  # bytes that came at once, and may hold several requests
        self._begun = False
        self._hosts = 0
        self._length = _NONE  # of the body, as the head says
        self._fields = 0  # of the head
        self._untaken = 0  # bytes that waited for the client when it was last looked at
        self._verdict: _Verdict | None = None

    def connection_made(self, transport: Transport) -> None:
        """Admit the connection, or tell it that there is no room."""
        super().connection_made(transport)
        self._address = bucket_of(self.client[0] if self.client else "")
        if self.door.enter(self, self._address, self.loop):
            self._within(self.bounds.head_s)
        else:
            self._refuse(_Verdict(503, "connections"))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.deadline, self._phase = math.inf, _CLOSING
        self.door.leave(self, self._address)
        super().connection_lost(exc)
        self._cut_off()

    def data_received(self, data: bytes) -> None:
        """Parse what came, and hold the client to its time and its size."""
        before, parser = self._phase, self.parser
        self._chunk = len(data)
        self._raw += self._chunk
        if before == _CLOSING or parser is None:
            if self._raw > self.bounds.drain_bytes:
                self.transport.abort()
            return
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(_Verdict(400, "upgrade"))
        except httptools.HttpParserError:
            self._refuse(self._verdict or _Verdict(400, "malformed"))
        else:
            if self._phase == _ANSWER:
                self.deadline = math.inf
            else:
                self._measure(before)

    def _measure(self, before: int) -> None:
        phase, bounds = self._phase, self.bounds
        if self.pipeline:
            self.deadline = math.inf
        elif phase == _BODY:
            if self.cycle.response_complete:
                if self._raw > bounds.drain_bytes:
                    self.transport.abort()
            elif self._raw - self._content > bounds.head_bytes + bounds.overhead_bytes:
                self._refuse(_Verdict(413, "body overhead"))
            elif before != _BODY:
                self._within(bounds.body_s)
        elif self._raw > bounds.head_bytes:
            self._refuse(_Verdict(431, "head size"))
        elif phase == _HEAD and (before != _HEAD or self.deadline == math.inf):
            self._within(bounds.head_s)

    # Parser callbacks, in their order.

    def on_message_begin(self) -> None:
        """Begin a request; too many of them may not wait for one answer."""
        if len(self.pipeline) >= self.bounds.pipelined:
            self._stop(400, "pipelined")
        self._phase = _HEAD
        self._hosts, self._length = 0, _NONE
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; judge the few that say where a request ends and whose it is."""
        name = name.lower()
        if name in _JUDGED:
            self._judge(name, value)
        self.headers.append((name, value))

    def _judge(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            self._hosts += 1
        elif name == b"content-length":
            self._length = int(value)  # the parser has seen to it that it is a number, and the only one
        elif name == b"upgrade":
            self._stop(400, "upgrade")
        elif name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"
        elif value.lower() != b"chunked":
            self._stop(400, "framing")

    def on_headers_complete(self) -> None:
        """Judge the head as a whole, then start to answer."""
        bounds, target = self.bounds, self.url
        if len(self.headers) > bounds.headers or self._head_is_over(bounds.head_bytes):
            self._stop(431, "head size")
        if len(target) > bounds.target_bytes:
            self._stop(414, "head size")
        parser = self.parser
        if parser is None or parser.get_method() not in _VERBS:
            self._stop(400, "verb")
        self._judge_version(parser.get_http_version())
        # Only the origin form, and nothing in its path that one reader decodes and another does not.
        path = target.partition(b"?")[0]
        if path[:1] != b"/" or b"#" in target or (b"%" in path and not bounds.lets_pass(path)):
            self._stop(400, "target")
        route = self._route_of_whole(parser, target)
        if route is None:
            self._go_round()
        else:
            self._go_straight(route, keep_alive=parser.should_keep_alive())
        self._phase, self._begun, self._fields = _BODY, True, len(self.headers)

    def _route_of_whole(self, parser: httptools.HttpRequestParser, target: bytes) -> str | None:
        small = 0 < self._length <= WHOLE_BYTES and not self.expect_100_continue
        if not small or self.taker is None or parser.get_method() != b"POST":
            return None
        return self.taker.route_of(target)

    def _go_round(self) -> None:
        # uvicorn makes ASGI's scope when a request begins; only a request that goes this way needs one.
        target, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = target, expects
        self.headers.extend(headers)
        super().on_headers_complete()

    def _go_straight(self, route: str, *, keep_alive: bool) -> None:
        before, whole = self.cycle, Whole(self, route, keep_alive=keep_alive)
        self.cycle = whole
        if before is None or before.response_complete:  # pyright: ignore[reportUnnecessaryComparison] - None at first
            whole.due = True
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((whole, self.app))  # pyright: ignore[reportUnknownMemberType, reportArgumentType] - uvicorn's own

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        if isinstance(cycle, Whole):
            cycle.due = True
            if not cycle.more_body:
                self._start(cycle)
        else:
            super()._start_asgi_task(cycle, app)

    def _cut_off(self) -> None:
        # Whoever takes requests learns of one that will never be whole, because it is recorded.
        cycle = self.cycle
        if isinstance(cycle, Whole) and cycle.disconnected and cycle.more_body and cycle.due and cycle.task is None:
            self._start(cycle)

    def _start(self, whole: Whole) -> None:
        # A task: driving the coroutine from callbacks of our own was measured slower from two waits on.
        if self.taker is not None:
            whole.task = self.loop.create_task(whole.run(self.taker.take, self.tasks))
            self.tasks.add(whole.task)

    def _judge_version(self, version: str) -> None:
        if version == "1.1":
            if self._hosts != 1:
                self._stop(400, "host")
        elif version != "1.0":
            self._stop(400, "version")
        elif self._hosts > 1 or any(name == b"transfer-encoding" for name, _ in self.headers):
            self._stop(400, "framing")

    def _head_is_over(self, limit: int) -> bool:
        if self._raw <= limit and self._chunk <= limit:
            return False  # as always: all that came is less
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > limit

    def on_body(self, body: bytes) -> None:
        """Hand a piece of the body over."""
        self._content += len(body)
        cycle = self.cycle
        if isinstance(cycle, Whole):
            cycle.content += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        if len(self.headers) != self._fields:
            # RFC 9110, section 6.5.1: no field of a trailer may be merged into the head. What reads the body learns
            # that the client has gone, so a request with one is never judged.
            del self.headers[self._fields :]
            self._stop(400, "trailer")
        self._raw = self._content = 0
        cycle = self.cycle
        if isinstance(cycle, Whole):
            cycle.more_body = False
            if cycle.due:
                self._start(cycle)
        else:
            super().on_message_complete()
        if cycle.response_complete:
            self._rest()
        else:
            self._phase = _ANSWER

    def on_response_complete(self) -> None:
        """Take the next request up, or rest; uvicorn's timer per answer is replaced by the deadline."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._close()
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._phase == _ANSWER:
            self._rest()
        else:
            # Either the next head has begun, or this answer came before its request was whole.
            self._within(self.bounds.head_s if self._phase == _HEAD else self.bounds.linger_s)

    def pause_writing(self) -> None:
        """Hold a client that does not read to its time."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """Let an answer take its time again."""
        super().resume_writing()
        if self._phase == _ANSWER:
            self.deadline = math.inf
        elif self._phase == _IDLE:
            self._rest()

    # Ends.

    def expire(self) -> None:
        """Do what the passed deadline asks for."""
        if self._phase == _CLOSING or self.transport.is_closing() or self.flow.write_paused:
            untaken = self._untaken
            self._wait_for_reader()
            if self._untaken >= untaken:
                self.transport.abort()
        elif self._phase == _HEAD:
            self._refuse(_Verdict(408, "late head"))
        elif self._phase == _BODY and not self.cycle.response_complete:
            self._refuse(_Verdict(408, "late body"))
        else:
            self._close()

    def _within(self, seconds: float) -> None:
        self.deadline = self.loop.time() + seconds

    def _rest(self) -> None:
        self._phase = _IDLE
        self._within(self.bounds.idle_s)

    def _stop(self, status: int, cause: Cause) -> NoReturn:
        self._verdict = _Verdict(status, cause)
        raise _RefusedError

    def _refuse(self, verdict: _Verdict) -> None:
        """Answer with a status and close; without an answer where an earlier one is still due."""
        self.door.refused[verdict.cause] += 1
        cycle, own = self.cycle, self._phase == _BODY
        waiting = self._begun and not cycle.response_complete
        if own and waiting:
            # The request is read no further, and whoever reads it learns that its client has gone.
            cycle.disconnected = True
            cycle.message_event.set()
            self._cut_off()
        if bool(self.pipeline) or (waiting and (not own or cycle.response_started)):
            # INVARIANT: a refusal is never taken for the answer to another request.
            self.transport.abort()
            return
        self.transport.write(
            b"HTTP/1.1 %b\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b\n"
            % (_TEXT[verdict.status], len(verdict.cause) + 1, verdict.cause.encode())
        )
        # Half closed: were it closed with bytes unread, the client would be reset before it has read why.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._phase, self._raw, self._untaken = _CLOSING, 0, 0
        self._within(self.bounds.linger_s)

    def _close(self) -> None:
        self.transport.close()
        self._phase = _CLOSING
        self._wait_for_reader()

    def _wait_for_reader(self) -> None:
        self._untaken = self.transport.get_write_buffer_size()
        self._within(self.bounds.write_s)
