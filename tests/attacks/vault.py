"""A server that hands out values to repeat: a cursor, a request state and a task id; it notes which it gets back."""

from collections.abc import Mapping

import msgspec
from starlette.types import Receive, Scope, Send

Json = dict[str, object]
INNER = {"cursor": "inner-cursor", "state": "inner-state", "task": "inner-task"}
_DONE: Json = {"content": [{"type": "text", "text": "opened"}], "resultType": "complete"}


class Vault:
    """The ASGI application, stateless as servers of 2026-07-28 are. `got` are the values that came back."""

    def __init__(self) -> None:
        self.got: list[object] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one POST; a stream tells of each task that it was asked for, and stays open."""
        del scope
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        request = msgspec.json.decode(body or b"{}", type=Json)
        params = msgspec.convert(request.get("params", {}), Json)
        if request.get("method") == "subscriptions/listen":
            await self._tell(msgspec.convert(params["notifications"], Json), receive, send)
            return
        result = self._answer(str(request.get("method")), params)
        answer = msgspec.json.encode({"jsonrpc": "2.0", "id": request.get("id"), "result": result})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _tell(self, wanted: Json, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for task in msgspec.convert(wanted["taskIds"], list[str]):
            self.got.append(task)
            for told in (task, "somebody-elses"):
                params: Json = {"taskId": told, "status": "working"}
                message = msgspec.json.encode({"jsonrpc": "2.0", "method": "notifications/tasks", "params": params})
                await send({"type": "http.response.body", "body": b"data: " + message + b"\n\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    def _answer(self, method: str, params: Mapping[str, object]) -> Json:
        cached: Json = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        if method == "tools/list":
            tools = [{"name": name, "inputSchema": {"type": "object"}} for name in ("ask", "ask_too", "slow")]
            return {**cached, "tools": tools}
        if method == "resources/list":
            return {**cached, "resources": [], **self._page(params.get("cursor"))}
        if method == "tools/call":
            return self._call(str(params["name"]), params.get("requestState"))
        if method.startswith("tasks/"):
            self.got.append(params.get("taskId"))
            times = {"createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z", "ttlMs": None}
            return {"resultType": "complete", "taskId": params.get("taskId"), "status": "working", **times}
        capabilities: Json = {"tools": {}, "resources": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}}
        named = {"serverInfo": {"name": "vault", "version": "1"}, "supportedVersions": ["2026-07-28"]}
        return {**cached, "capabilities": capabilities, **named}

    def _page(self, cursor: object) -> Json:
        if cursor is None:
            return {"nextCursor": INNER["cursor"]}
        self.got.append(cursor)
        return {}

    def _call(self, name: str, state: object) -> Json:
        if name == "slow":
            times = {"createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z", "ttlMs": None}
            return {"resultType": "task", "taskId": INNER["task"], "status": "working", "pollIntervalMs": 10, **times}
        if state is None:
            asked: Json = {
                "method": "elicitation/create",
                "params": {"mode": "form", "message": "?", "requestedSchema": {}},
            }
            return {"resultType": "input_required", "inputRequests": {"k": asked}, "requestState": INNER["state"]}
        self.got.append(state)
        return _DONE
