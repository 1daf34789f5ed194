"""The configuration of the measured gateway: one tenant, one server, twenty policies, the development issuer."""

import json
from pathlib import Path
from typing import Final

from bench.upstream import READ_TOOL, TOOL

TENANT: Final = "bench"
SERVER: Final = "tracker"
PERSON: Final = "rosa.reader"

_POLICIES: Final = f"""
@id("connect")
permit (principal, action == Action::"connect", resource) when {{ principal.tenant == Tenant::"{TENANT}" }};

@id("readers-read")
permit (principal in Group::"readers", action in Action::"read", resource in Server::"{SERVER}")
unless {{ action == Action::"{SERVER}/{READ_TOOL}" }};

@id("readers-read-few")
permit (principal in Group::"readers", action == Action::"{SERVER}/{READ_TOOL}", resource)
when {{ context.arguments has per_page && context.arguments.per_page <= 50 }};

@id("agents-never-write")
forbid (principal is Agent, action in Action::"write", resource);
"""
_FURTHER: Final = """
@id("team-{number}")
permit (principal in Group::"team-{number}", action in Action::"{operation}", resource in Server::"{server}");
"""
_TEAMS: Final = 16


def write(config: Path, port: int, upstream_port: int) -> None:
    """Write the configuration, all but the pin. Its limits leave room for every connection of the load."""
    teams = [
        _FURTHER.format(number=number, operation=("read", "write")[number % 2], server=SERVER)
        for number in range(_TEAMS)
    ]
    reads = {"operation": "read", "risk": "low", "labels": ["tickets"]}
    writes = {"operation": "write", "risk": "medium", "labels": ["tickets"]}
    tools = {"*": reads, "create_issue": writes, "close_issue": writes}
    url = f"http://127.0.0.1:{port}"
    documents: dict[str, object] = {
        "tally.yaml": {
            "gateway": {"listen_port": port, "public_url": url, "calls_per_caller": 1000},
        },
        f"tenants/{TENANT}.yaml": {"name": TENANT, "title": "Bench", "jurisdiction": "LU"},
        "issuers/development.yaml": {
            "name": "development",
            "issuer": f"{url}/development-issuer",
            "tenant": TENANT,
            "algorithms": ["EdDSA"],
            "subject_claim": "sub",
            "groups_claim": "groups",
            "client_claim": "client_id",
        },
        f"servers/{SERVER}.yaml": {
            "name": SERVER,
            "tenant": TENANT,
            "title": "Tracker",
            "transport": {"http": {"url": f"http://127.0.0.1:{upstream_port}/mcp", "allow_special_addresses": True}},
            "limits": {"timeout_s": 20, "result_bytes": 1 << 20, "in_flight": 1000},
            "tools": tools,
        },
        "development-people.yaml": {
            "people": [{"subject": PERSON, "name": "Rosa Reader", "title": "Reader", "groups": ["readers", "staff"]}]
        },
    }
    for name, document in documents.items():
        path = config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=1) + "\n")  # JSON is YAML
    (config / "policies").mkdir(exist_ok=True)
    (config / "policies" / "bench.cedar").write_text(_POLICIES + "".join(teams))


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

__all__ = ["NGINX", "PERSON", "READ_TOOL", "SERVER", "TENANT", "TOOL", "write"]
