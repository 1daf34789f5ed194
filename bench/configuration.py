"""The configurations of the measured gateways, and those of the peers: one tenant, the development issuer, policies."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.shapes import FLEET, MIB, SEARCH_READ, SERVERS, SHAPES, TRACKER

TENANT: Final = "bench"
PERSON: Final = "rosa.reader"
TOOLSET: Final = "everything"
"""The toolset of all servers of the fleet."""

_POLICIES: Final = f"""
@id("connect")
permit (principal, action == Action::"connect", resource) when {{ principal.tenant == Tenant::"{TENANT}" }};

@id("listen")
permit (principal, action == Action::"mcp/subscriptions/listen", resource)
when {{ principal.tenant == Tenant::"{TENANT}" }};

@id("agents-never-write")
forbid (principal is Agent, action in Action::"write", resource);
"""
_TRACKER_POLICIES: Final = f"""
@id("readers-read")
permit (principal in Group::"readers", action in Action::"read", resource in Server::"{TRACKER}")
unless {{ action == Action::"{TRACKER}/{SEARCH_READ.tool}" }};

@id("readers-read-few")
permit (principal in Group::"readers", action == Action::"{TRACKER}/{SEARCH_READ.tool}", resource)
when {{ context.arguments has per_page && context.arguments.per_page <= 50 }};
"""
_FURTHER: Final = """
@id("team-{number}")
permit (principal in Group::"team-{number}", action in Action::"{operation}", resource in Server::"{server}");
"""
_READERS: Final = """
@id("readers-read-{server}")
permit (principal in Group::"readers", action in Action::"read", resource in Server::"{server}");
"""
_TEAMS: Final = 14
_READS: Final = {"operation": "read", "risk": "low", "labels": ["tickets"]}
_WRITES: Final = {"operation": "write", "risk": "medium", "labels": ["tickets"]}
_TOOLS: Final = {"*": _READS, "create_issue": _WRITES, "close_issue": _WRITES}


@dataclass(frozen=True, slots=True)
class Site:
    """One gateway's configuration directory, its port, and that of the server behind it."""

    config: Path
    port: int
    upstream_port: int

    @property
    def url(self) -> str:
        """The gateway's public URL."""
        return f"http://127.0.0.1:{self.port}"


def write(site: Site, people: Sequence[str] = (PERSON,)) -> None:
    """Write the usual configuration, all but the pins: the tracker, and the server of the other kinds of call.

    Twenty policies; limits that leave room for every connection of a load.
    """
    teams = [
        _FURTHER.format(number=number, operation=("read", "write")[number % 2], server=TRACKER)
        for number in range(_TEAMS)
    ]
    policies = _POLICIES + _TRACKER_POLICIES + _READERS.format(server=SHAPES) + "".join(teams)
    servers = {TRACKER: _server(site, TRACKER, "mcp"), SHAPES: _server(site, SHAPES, SHAPES)}
    _write(site, servers, policies, people)


def write_fleet(site: Site) -> None:
    """Write a configuration of many servers and one toolset of all of them, all but the pins."""
    names = [f"fleet-{number:02}" for number in range(SERVERS)]
    servers = {name: _server(site, name, f"{FLEET}/{name}") for name in names}
    _write(site, servers, _POLICIES + "".join(_READERS.format(server=name) for name in names), (PERSON,))
    toolset = {"name": TOOLSET, "tenant": TENANT, "title": "Everything", "members": [{"server": n} for n in names]}
    _put(site.config / "toolsets" / f"{TOOLSET}.yaml", toolset)


def _server(site: Site, name: str, path: str) -> Mapping[str, object]:
    return {
        "name": name,
        "tenant": TENANT,
        "title": name.title(),
        "transport": {
            "http": {"url": f"http://127.0.0.1:{site.upstream_port}/{path}", "allow_special_addresses": True}
        },
        "limits": {"timeout_s": 20, "result_bytes": 4 * MIB, "in_flight": 10_000},
        "tools": _TOOLS if name == TRACKER else {"*": _READS},
    }


def _write(site: Site, servers: Mapping[str, Mapping[str, object]], policies: str, people: Sequence[str]) -> None:
    gateway = {"listen_port": site.port, "public_url": site.url, "calls_per_caller": 1000}
    documents: dict[str, object] = {
        "tally.yaml": {"gateway": gateway, "console": {"listen_port": 0}},
        f"tenants/{TENANT}.yaml": {"name": TENANT, "title": "Bench", "jurisdiction": "LU"},
        "issuers/development.yaml": {
            "name": "development",
            "issuer": f"{site.url}/development-issuer",
            "tenant": TENANT,
            "algorithms": ["EdDSA"],
            "subject_claim": "sub",
            "groups_claim": "groups",
            "client_claim": "client_id",
        },
        **{f"servers/{name}.yaml": server for name, server in servers.items()},
        "development-people.yaml": {
            "people": [
                {"subject": name, "name": name.title(), "title": "Reader", "groups": ["readers", "staff"]}
                for name in people
            ]
        },
    }
    for name, document in documents.items():
        _put(site.config / name, document)
    policy = site.config / "policies" / "bench.cedar"
    policy.parent.mkdir(exist_ok=True)
    policy.write_text(policies)


def _put(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")  # JSON is YAML


NGINX: Final = """
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  upstream server {{ server 127.0.0.1:{upstream_port}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://server; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""
"""nginx as a plain proxy with one worker and keep-alive on both sides."""
