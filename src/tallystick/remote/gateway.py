"""A small MCP client of the gateway: one request, one answer (MCP 2026-07-28), and a look at the era before it."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
import urllib3

from tallystick.remote.error import RemoteError
from tallystick.remote.messages.told import Code, Problem
from tallystick.remote.place import Place, open_pool
from tallystick.remote.stream import read_events

MODERN: Final = "2026-07-28"
OLDER: Final = "2025-11-25"
MOST_BYTES: Final = 64 << 20
_ID: Final = 1
_META: Final = "io.modelcontextprotocol/"
_REASONS: Final = "tallystick.dev/reasons"
_RECORD: Final = "tallystick.dev/record"
_BY_ERROR: Final[dict[int, Code]] = {
    -31001: "unauthenticated",
    -31002: "approval_required",
    -31003: "denied",
    -31009: "conflict",
    -31029: "limited",
    -31052: "upstream",
    -31053: "unavailable",
}
_BY_STATUS: Final[dict[int, Code]] = {401: "unauthenticated", 403: "denied", 404: "not_found", 429: "limited"}
_NOT_FOUND: Final = frozenset({"route_unknown", "tool_unknown"})
_DONE: Final = 200
_FAILED: Final = 400

Json = dict[str, object]


class GatewayError(RemoteError):
    """The gateway refused. `record` is the number of the leaf that says so, null where it quoted none."""

    def __init__(self, code: Code, message: str, problem: Problem | None = None, record: int | None = None) -> None:
        super().__init__(code, message, problem)
        self.record = record


class Said(NamedTuple):
    """One answer: the JSON-RPC result, and the session that it opened (older era)."""

    result: Json
    session: str


class Gateway:
    """Asks one gateway. `token` gives the access token of each request."""

    def __init__(self, place: Place, token: Callable[[], str], timeout_s: float = 120.0) -> None:
        """Connect to nobody yet."""
        self._place = place
        self._token = token
        self._prefix = urlsplit(place.url).path.rstrip("/")
        self._pool = open_pool(place, timeout_s)

    def ask(self, route: str, method: str, params: Mapping[str, object] | None = None) -> Json:
        """Return the result of one request to `servers/<name>` or `toolsets/<name>`; raises GatewayError."""
        given = dict(params or {})
        meta: Json = {f"{_META}protocolVersion": MODERN, f"{_META}clientCapabilities": {}}
        headers = {"mcp-protocol-version": MODERN, "mcp-method": method}
        named = given.get("name", given.get("uri"))
        headers |= {"mcp-name": named} if isinstance(named, str) else {}
        return self._post(route, method, {**given, "_meta": meta}, headers).result

    def every(self, route: str, method: str, member: str) -> list[Json]:
        """Return every item of a list, page by page."""
        found: list[Json] = []
        cursor: object = None
        while True:
            result = self.ask(route, method, {"cursor": cursor} if isinstance(cursor, str) else {})
            found += msgspec.convert(result.get(member, []), list[Json])
            cursor = result.get("nextCursor")
            if not isinstance(cursor, str):
                return found

    def greet(self, route: str) -> Json:
        """Return what the route answers to the handshake of the older era; its session is ended again."""
        client = {"name": "tally", "version": "1"}
        params: Json = {"protocolVersion": OLDER, "capabilities": {}, "clientInfo": client}
        said = self._post(route, "initialize", params, {})
        if said.session:
            self._send("DELETE", route, None, {"mcp-session-id": said.session, "mcp-protocol-version": OLDER})
        return said.result

    def _post(self, route: str, method: str, params: Json, headers: Mapping[str, str]) -> Said:
        body = json.dumps({"jsonrpc": "2.0", "id": _ID, "method": method, "params": params}).encode()
        status, got, raw = self._send("POST", route, body, headers)
        kind = got.get("content-type", "").partition(";")[0].strip()
        pieces = [event.content for event in read_events([raw])] if kind == "text/event-stream" else [raw]
        return Said(_result_of(status, pieces), got.get("mcp-session-id", ""))

    def _send(
        self, verb: str, route: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        sent = {
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            "authorization": f"Bearer {self._token()}",
            "user-agent": "tallystick",
            **headers,
        }
        target = f"{self._prefix}/{route}/mcp"
        try:
            response = self._pool.urlopen(
                verb, target, body=body, headers=sent, redirect=False, preload_content=False, assert_same_host=False
            )
            try:
                raw = response.read(MOST_BYTES, cache_content=False, decode_content=False)
            finally:
                response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise GatewayError(
                code="unavailable", message=f"The gateway at {self._place} cannot be reached: {error}"
            ) from error
        return response.status, {name.lower(): value for name, value in response.headers.items()}, raw


def _result_of(status: int, pieces: Iterable[bytes]) -> Json:
    """Return the result among what came; progress and log messages before it are passed over."""
    for piece in pieces:
        try:
            message = msgspec.json.decode(piece, type=Json)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if isinstance(message.get("error"), dict):
            raise _refusal(status, msgspec.convert(message["error"], Json))
        if isinstance(message.get("result"), dict):
            return _called(msgspec.convert(message["result"], Json))
    if status < _FAILED:
        raise GatewayError(
            code="upstream", message=f"The answer (status {status}) is no answer of MCP: is this a gateway's URL?"
        )
    raise GatewayError(_BY_STATUS.get(status, "upstream"), f"The gateway answered with status {status}.")


def _called(result: Json) -> Json:
    """Return a result, unless it tells in the form of a failed tool that the call was refused."""
    meta = result.get("_meta")
    told = msgspec.convert(meta, Json) if isinstance(meta, dict) else {}
    if not result.get("isError") or _REASONS not in told:
        return result
    texts = [part.get("text") for part in msgspec.convert(result.get("content", []), list[Json])]
    raise _told(code="invalid", message=" ".join(str(text) for text in texts if text), told=told)


def _refusal(status: int, error: Json) -> GatewayError:
    content = error.get("data")
    told = msgspec.convert(content, Json) if isinstance(content, dict) else {}
    number = error.get("code")
    code = _BY_ERROR.get(number) if isinstance(number, int) else None
    return _told(code or _BY_STATUS.get(status, "invalid"), str(error.get("message", "")), told)


def _told(code: Code, message: str, told: Json) -> GatewayError:
    reasons = msgspec.convert(told.get(_REASONS, []), list[str])
    record = told.get(_RECORD)
    code = "not_found" if _NOT_FOUND & set(reasons) else code
    problem = Problem("about:blank", code, _DONE, message, "", code, reasons)
    return GatewayError(code, message, problem, record if isinstance(record, int) else None)
