"""The small MCP client and the sign-in, against servers that answer as they like."""

import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tallystick.remote import Gateway, GatewayError, RemoteError, read_place, sign_in

Answer = tuple[int, str, bytes]


class Far(ThreadingHTTPServer):
    """A server with one answer per path; it keeps what was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Answer] = {}
        self.heard: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def json(self, path: str, content: object, status: int = 200) -> None:
        """Answer JSON at a path."""
        self.answers[path] = (status, "application/json", json.dumps(content).encode())


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        assert isinstance(self.server, Far)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.heard.append((self.command, self.path, headers, body))
        status, kind, content = self.server.answers.get(self.path, (404, "text/plain", b"nothing"))
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("mcp-session-id", "s1")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
        """Say nothing."""


@pytest.fixture
def far() -> Generator[Far]:
    """A server that answers what a test wants."""
    with Far() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def gateway(far: Far) -> Gateway:
    """Return a client of it."""
    return Gateway(read_place(far.url), lambda: "secret")


PATH = "/servers/risk/mcp"


def test_a_request_has_its_envelope_and_its_token(far: Far) -> None:
    far.json(PATH, {"jsonrpc": "2.0", "id": 1, "result": {"content": []}})
    gateway(far).ask("servers/risk", "tools/call", {"name": "pay", "arguments": {}})
    ((method, path, headers, body),) = far.heard
    assert (method, path, headers["authorization"]) == ("POST", PATH, "Bearer secret")
    assert (headers["mcp-protocol-version"], headers["mcp-method"], headers["mcp-name"]) == (
        "2026-07-28",
        "tools/call",
        "pay",
    )
    assert json.loads(body)["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"


def test_an_answer_in_a_stream_is_found_behind_what_came_before_it(far: Far) -> None:
    progress = b'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n'
    result = b'event: message\ndata: {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"pay"}]}}\n\n'
    far.answers[PATH] = (200, "text/event-stream", progress + result)
    assert gateway(far).every("servers/risk", "tools/list", "tools") == [{"name": "pay"}]


@pytest.mark.parametrize(
    ("number", "reason", "code", "exit_code"),
    [
        (-31003, "policy_denied", "denied", 5),
        (-31001, "token_invalid", "unauthenticated", 4),
        (-31002, "approval_required", "approval_required", 5),
        (-31053, "record_unwritable", "unavailable", 8),
        (-32602, "tool_unknown", "not_found", 3),
        (-32602, "malformed", "invalid", 2),
    ],
)
def test_a_refusal_keeps_its_reasons_and_its_record(
    far: Far, number: int, reason: str, code: str, exit_code: int
) -> None:
    told = {"tallystick.dev/reasons": [reason], "tallystick.dev/record": 7}
    far.json(PATH, {"jsonrpc": "2.0", "id": 1, "error": {"code": number, "message": "No.", "data": told}})
    with pytest.raises(GatewayError) as refused:
        gateway(far).ask("servers/risk", "tools/list")
    error = refused.value
    assert (error.code, error.reasons, error.record, error.exit_code) == (code, (reason,), 7, exit_code)


def test_a_refusal_in_the_form_of_a_failed_tool_is_a_refusal(far: Far) -> None:
    meta = {"tallystick.dev/reasons": ["arguments_invalid"], "tallystick.dev/record": 3}
    result = {"isError": True, "content": [{"type": "text", "text": "amount is missing"}], "_meta": meta}
    far.json(PATH, {"jsonrpc": "2.0", "id": 1, "result": result})
    with pytest.raises(GatewayError, match="amount is missing") as refused:
        gateway(far).ask("servers/risk", "tools/call", {"name": "pay"})
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(("status", "code"), [(401, "unauthenticated"), (404, "not_found"), (502, "upstream")])
def test_what_is_no_answer_of_mcp_is_told_as_that(far: Far, status: int, code: str) -> None:
    far.answers[PATH] = (status, "text/html", b"<p>")
    with pytest.raises(GatewayError) as refused:
        gateway(far).ask("servers/risk", "tools/list")
    assert refused.value.code == code


def test_the_older_era_is_greeted_and_its_session_ended(far: Far) -> None:
    far.json(PATH, {"jsonrpc": "2.0", "id": 1, "result": {"serverInfo": {"name": "risk"}}})
    assert gateway(far).greet("servers/risk") == {"serverInfo": {"name": "risk"}}
    assert [method for method, *_ in far.heard] == ["POST", "DELETE"]


def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(GatewayError) as away:
        Gateway(read_place("http://127.0.0.1:1"), lambda: "t").ask("servers/x", "tools/list")
    assert away.value.exit_code == 8


def test_an_issuer_that_calls_itself_something_else_is_refused(far: Far) -> None:
    far.json("/.well-known/oauth-authorization-server", {"issuer": "https://other.example"})
    with pytest.raises(RemoteError, match="not for"):
        sign_in.issuer_of(far.url)


def test_what_comes_back_from_a_browser_has_to_fit(far: Far) -> None:
    issuer = sign_in.Issuer(far.url, f"{far.url}/authorize", f"{far.url}/token")
    begun = sign_in.begin(issuer, "http://127.0.0.1:1/callback", ["https://c"], "tally")
    good = {"state": begun.state, "iss": far.url, "code": "c"}
    for wrong in ({"state": "x"}, {"iss": "https://other.example"}, {"code": "", "error": "access_denied"}):
        answer = {name: value for name, value in {**good, **wrong}.items() if value}
        with pytest.raises(RemoteError) as refused:
            sign_in.finish(issuer, begun, answer, "https://c")
        assert refused.value.exit_code == 4
    assert far.heard == []
    far.json("/token", {"error": "invalid_grant"}, 400)
    with pytest.raises(RemoteError, match="invalid_grant"):
        sign_in.finish(issuer, begun, good, "https://c")
    with pytest.raises(RemoteError, match="client-id"):
        sign_in.begin(issuer, "http://127.0.0.1:1/callback", ["https://c"])
    with pytest.raises(RemoteError, match="signs nobody in"):
        sign_in.begin(sign_in.Issuer(far.url), "http://127.0.0.1:1/callback", ["https://c"])


def test_a_console_behind_a_path_is_asked_where_the_standard_says(far: Far) -> None:
    far.json("/.well-known/oauth-protected-resource/tally", {"resource": f"{far.url}/tally"})
    assert sign_in.protected(f"{far.url}/tally").resource == f"{far.url}/tally"
