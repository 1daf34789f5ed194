"""Other programs on the same upstream server, each in its own environment below var/bench (scripts/bench-peers).

All settings are what makes them fastest on one machine: no access log, no audit trail, no metrics, caches on, sessions
kept. They do other things than we do, and less; docs/performance.md says what.
"""

import asyncio
import base64
import hashlib
import hmac
import http.client
import json
import shutil
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from bench import configuration
from bench.contestants import Contestant, Place, absent, in_session
from bench.processes import free_port, running
from bench.shapes import SEARCH
from bench.traffic import LEGACY, MODERN, Call, Endpoint, open_sessions

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent / "var" / "bench"
FASTMCP: Final = ROOT / "venv" / "bin"
CONTEXTFORGE: Final = ROOT / "contextforge" / "bin"
LITELLM: Final = ROOT / "litellm" / "bin"
_INSTALL: Final = "scripts/bench-peers"
_SLOW: Final = (1, 16)
_SESSIONS: Final = 64
_START_S: Final = 120.0
_TOOLS_S: Final = 60.0
_SECRET: Final = "for-measuring-on-loopback-only-and-nothing-else"  # noqa: S105 - a secret of nothing
_KEY: Final = "sk-for-measuring-on-loopback-only"
_ADMIN: Final = "admin@example.com"


def nginx(place: Place, stack: ExitStack) -> list[Contestant]:
    """Run Nginx as a plain proxy, one worker."""
    if shutil.which("nginx") is None:
        raise RuntimeError(absent("nginx", "Debian: apt-get install nginx"))
    port = free_port()
    file = place.folder / "nginx.conf"
    file.write_text(configuration.NGINX.format(folder=place.folder, port=port, upstream_port=place.upstream_port))
    command = ["nginx", "-p", str(place.folder), "-c", str(file), "-g", "daemon off;"]
    pid = stack.enter_context(running(command, port, place.folder / "nginx.log"))
    return [Contestant("nginx", "nginx, plain proxy", Endpoint(port, "/mcp", MODERN), Call(), pid)]


def fastmcp(place: Place, stack: ExitStack) -> list[Contestant]:
    """Run the FastMCP proxy with one shared, connected client; measured in a session, where it is faster."""
    _installed(FASTMCP)
    port = free_port()
    command = [str(FASTMCP / "python"), str(HERE / "fastmcp_proxy.py"), _url(place), str(port)]
    pid = stack.enter_context(running(command, port, place.folder / "fastmcp.log"))
    endpoint = in_session(Endpoint(port, "/mcp", LEGACY))
    return [Contestant("fastmcp", "FastMCP proxy, shared client", endpoint, Call(), pid)]


def litellm(place: Place, stack: ExitStack) -> list[Contestant]:
    """Run LiteLLM's MCP gateway with one server of its configuration file and the master key, without a database."""
    _installed(LITELLM)
    port, folder = free_port(), place.folder / "litellm"
    folder.mkdir()
    server = {"url": _url(place), "transport": "http"}
    document = {"mcp_servers": {"tracker": server}, "general_settings": {"master_key": _KEY}}
    (folder / "config.yaml").write_text(json.dumps(document))  # JSON is YAML
    command = [str(LITELLM / "litellm"), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    quiet = {"LITELLM_TELEMETRY": "False", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    pid = stack.enter_context(running(command, port, folder / "log", folder=folder, variables=quiet, within_s=_START_S))
    endpoint = Endpoint(port, "/mcp/", LEGACY, _KEY, key="x-litellm-api-key")
    call = Call(published=f"tracker-{SEARCH.tool}")
    return [_in_sessions("litellm", "LiteLLM MCP gateway", endpoint, call, pid)]


_FORGE: Final = {
    "AUDIT_TRAIL_ENABLED": "false",
    "AUTH_CACHE_REVOCATION_TTL": "120",
    "AUTH_CACHE_ROLE_TTL": "300",
    "AUTH_CACHE_TEAMS_TTL": "300",
    "AUTH_CACHE_TEAM_TTL": "300",
    "AUTH_CACHE_USER_TTL": "300",
    "AUTH_ENCRYPTION_SECRET": _SECRET,
    "BASIC_AUTH_PASSWORD": _SECRET,
    "CACHE_TYPE": "memory",
    "COMPRESSION_ENABLED": "false",
    "DB_METRICS_RECORDING_ENABLED": "false",
    "DISABLE_ACCESS_LOG": "true",
    "ENABLE_METRICS": "false",
    "JWT_SECRET_KEY": _SECRET,
    "LLMCHAT_ENABLED": "false",
    "LOG_LEVEL": "ERROR",
    "MCPGATEWAY_CATALOG_ENABLED": "false",
    "MCPGATEWAY_UI_ENABLED": "false",
    "OBSERVABILITY_ENABLED": "false",
    "PLATFORM_ADMIN_EMAIL": _ADMIN,
    "PLATFORM_ADMIN_PASSWORD": f"{_SECRET}-A1!",
    "PLUGINS_ENABLED": "false",
    "REGISTRY_CACHE_GATEWAYS_TTL": "300",
    "REGISTRY_CACHE_SERVERS_TTL": "300",
    "REGISTRY_CACHE_TOOLS_TTL": "300",
    "RATE_LIMITING_ENABLED": "false",
    "REQUIRE_USER_IN_DB": "false",
    "SECURITY_LOGGING_ENABLED": "false",
    "SSRF_ALLOW_LOCALHOST": "true",
    "STRUCTURED_LOGGING_ENABLED": "false",
    "TOOL_LOOKUP_CACHE_TTL_SECONDS": "600",
    "TOOL_RATE_LIMIT": "100000000",
    "USE_STATEFUL_SESSIONS": "true",
}


def contextforge(place: Place, stack: ExitStack) -> list[Contestant]:
    """Run ContextForge: one worker, SQLite, sessions kept (far faster than without), one virtual server."""
    _installed(CONTEXTFORGE)
    port, folder = free_port(), place.folder / "contextforge"
    folder.mkdir()
    command = [str(CONTEXTFORGE / "uvicorn"), "mcpgateway.main:app", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error"]
    variables = {**_FORGE, "DATABASE_URL": f"sqlite:///{folder}/forge.db"}
    pid = stack.enter_context(
        running(command, port, folder / "log", folder=folder, variables=variables, within_s=_START_S)
    )
    bearer = _bearer()
    server = _register(port, bearer, _url(place))
    endpoint = Endpoint(port, f"/servers/{server}/mcp", LEGACY, bearer)
    call = Call(published=f"tracker-{SEARCH.tool.replace('_', '-')}")
    return [_in_sessions("contextforge", "ContextForge, stateful", endpoint, call, pid)]


def _in_sessions(row: str, name: str, endpoint: Endpoint, call: Call, pid: int) -> Contestant:
    """Return a contestant whose load uses many sessions in turn, as many clients would."""

    async def opened() -> tuple[str, ...]:
        sessions = await open_sessions(endpoint, None, _SESSIONS, _TOOLS_S)
        for session in sessions:
            session.writer.close()
        return tuple(session.id for session in sessions)

    sessions = asyncio.run(opened())
    if not sessions:
        message = "no session could be opened"
        raise RuntimeError(message)
    inside = replace(endpoint, session=sessions[0])
    return Contestant(row, name, inside, call, pid, _SLOW, slow=True, sessions=sessions)


def _bearer() -> str:
    """Return an administrator's token as ContextForge signs its own: HS256, RFC 7519."""
    now = int(time.time())  # noqa: TID251 - the peer's token is made by the clock of the machine
    claims: dict[str, object] = {"sub": _ADMIN, "iat": now, "exp": now + 86400, "jti": f"bench-{now}"}
    claims |= {"aud": "mcpgateway-api", "iss": "mcpgateway", "is_admin": True, "teams": None, "token_use": "api"}
    claims["user"] = {"email": _ADMIN, "full_name": "Bench", "is_admin": True, "auth_provider": "local"}
    parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signature = hmac.new(_SECRET.encode(), b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, _base64(signature)]).decode()


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


class _Named(msgspec.Struct):
    id: str


def _register(port: int, bearer: str, url: str) -> str:
    """Register the upstream server and a virtual server of all its tools; return the latter's id."""
    _asked(port, bearer, "/gateways", {"name": "tracker", "url": url, "transport": "STREAMABLEHTTP"})
    end = time.monotonic() + _TOOLS_S
    tools: list[_Named] = []
    while not tools and time.monotonic() < end:
        tools = msgspec.json.decode(_asked(port, bearer, "/tools", None), type=list[_Named])
    server = {"name": "bench", "description": "bench", "associated_tools": [tool.id for tool in tools]}
    return msgspec.json.decode(_asked(port, bearer, "/servers", {"server": server}), type=_Named).id


def _asked(port: int, bearer: str, path: str, document: object) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TOOLS_S)
    body = None if document is None else json.dumps(document)
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    connection.request("GET" if body is None else "POST", path, body, headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if response.status >= http.client.BAD_REQUEST:
        message = f"{path} is answered with {response.status}: {text[:300]!r}"
        raise RuntimeError(message)
    return text


def _installed(programs: Path) -> None:
    if not (programs / "python").exists():
        raise RuntimeError(absent(programs.parent.name, _INSTALL))


def _url(place: Place) -> str:
    return f"http://127.0.0.1:{place.upstream_port}/mcp"
