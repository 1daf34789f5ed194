"""VS Code's four requests to a real server, byte for byte as they go over the wire, with no redirect followed.

It strips one slash from the end of the address that is set, asks whether there is anything, lists, searches page by
page, and asks for one server by its name as `encodeURIComponent` writes it. It drops entries without a name, a
description, a version and at least one package or remote, and wants the very name that it asked for.
"""

import http.client
import json
import socket
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import quote

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.api.catalog.stage import GATEWAY, NAMESPACE, World, tools
from tests.control.stage import pin, server

HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Code/1.139.0 Chrome/142.0 Electron/39.0 Safari/537.36",
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB",
    "Origin": "vscode-file://vscode-app",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "cross-site",
}


class Heard(NamedTuple):
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    json: dict[str, object]


@contextmanager
def _served(world: World) -> Generator[int]:
    app = Starlette(routes=[Mount("/registry", world.app)])
    app.router.redirect_slashes = False
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    port = int(listener.getsockname()[1])
    config = uvicorn.Config(app, lifespan="off", log_level="critical", ws="none", timeout_graceful_shutdown=1)
    serving = uvicorn.Server(config)
    thread = threading.Thread(target=serving.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield port
    finally:
        serving.should_exit = True
        thread.join(10)
        listener.close()


def _get(port: int, target: str, method: str = "GET") -> Heard:
    # http.client sends a target as it is and follows nothing.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, target, headers=HEADERS)
        answer = connection.getresponse()
        body = answer.read()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Heard(answer.status, headers, json.loads(body) if body else {})
    finally:
        connection.close()


def _servers(heard: Heard) -> list[dict[str, dict[str, object]]]:
    servers = heard.json["servers"]
    assert isinstance(servers, list)
    return servers  # pyright: ignore[reportUnknownVariableType] - JSON


def _cursor(heard: Heard) -> str:
    metadata = heard.json["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata.get("nextCursor", ""))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - JSON


@pytest.mark.parametrize("base", ["/registry/retail", "/registry/retail/", "/registry/retail/market-risk"])
def test_vs_code_probes_lists_searches_and_resolves(world: World, base: str) -> None:
    owner = {"team": "Market Risk"}
    world.put(server("risk", tools=tools("limit"), owner=owner), pin("risk", "limit"))
    world.put(*[server(f"desk-{number:02d}", f"Desk {number}", owner=owner) for number in range(60)])
    base = base.removesuffix("/")
    with _served(world) as port:
        probe = _get(port, f"{base}/v0.1/servers?limit=1")
        assert (probe.status, len(_servers(probe))) == (200, 1)

        page = _get(port, f"{base}/v0.1/servers?limit=50&version=latest")
        names = [str(entry["server"]["name"]) for entry in _servers(page)]
        more = _get(port, f"{base}/v0.1/servers?limit=50&version=latest&cursor={quote(_cursor(page), safe='')}")
        names += [str(entry["server"]["name"]) for entry in _servers(more)]
        assert len(names) == len(set(names)) == 61
        assert _cursor(more) == ""

        found = _get(port, f"{base}/v0.1/servers?limit=50&version=latest&search=desk%201")
        assert len(_servers(found)) == 11
        searched = _get(port, f"{base}/v0.1/servers?limit=4&version=latest&search=desk%201")
        rest = _get(port, f"{base}/v0.1/servers?limit=50&version=latest&cursor={_cursor(searched)}&search=desk%201")
        assert len(_servers(searched)) + len(_servers(rest)) == 11

        name = f"{NAMESPACE}/risk"
        one = _get(port, f"{base}/v0.1/servers/{quote(name, safe='')}/versions/latest")
        resolved = one.json["server"]
        assert isinstance(resolved, dict)
        assert resolved["name"] == name
        assert resolved["remotes"] == [{"type": "streamable-http", "url": f"{GATEWAY}/servers/risk/mcp"}]

        for heard in (probe, page, more, found, one):
            assert heard.status == 200
            assert heard.headers["access-control-allow-origin"] == "*"
            assert heard.headers["content-type"] == "application/json"
        for entry in (*_servers(page), *_servers(more)):
            assert all(entry["server"][key] for key in ("name", "description", "version", "remotes"))


def test_copilot_asks_first_whether_a_page_may_read(world: World) -> None:
    with _served(world) as port:
        asked = _get(port, "/registry/retail/v0.1/servers", "OPTIONS")
        assert asked.status == 204
        assert asked.headers["access-control-allow-origin"] == "*"
        assert asked.headers["access-control-allow-methods"] == "GET, OPTIONS"
        assert asked.headers["access-control-allow-headers"] == "Authorization, Content-Type"


def test_head_has_the_head_and_no_body(world: World) -> None:
    with _served(world) as port:
        heard = _get(port, "/registry/retail/v0.1/servers/", "HEAD")
        assert (heard.status, heard.json) == (200, {})
