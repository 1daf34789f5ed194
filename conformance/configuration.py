"""The configuration of a gateway in front of one server: everything classified, everything allowed to one agent."""

import json
import shutil
from pathlib import Path
from typing import Final

SERVER: Final = "fixture"
AGENT: Final = "conformance"
_TENANT: Final = "lab"
_POLICIES: Final = f"""
@id("conformance-may-everything")
permit (principal, action, resource) when {{ principal.tenant == Tenant::"{_TENANT}" }};
"""


Upstream = str | list[str]
"""Where a server is: the URL of its endpoint on loopback, or the command of a process that speaks over stdio."""


def write(config: Path, port: int, upstream: Upstream, cwd: Path) -> None:
    """Write the configuration, all but the pin. `cwd` is where a process starts."""
    shutil.rmtree(config, ignore_errors=True)
    url = f"http://127.0.0.1:{port}"
    remote: dict[str, object] = {"http": {"url": upstream, "allow_special_addresses": True}}
    transport = remote if isinstance(upstream, str) else {"stdio": {"command": upstream, "cwd": str(cwd)}}
    documents: dict[str, object] = {
        "tally.yaml": {
            "gateway": {"listen_port": port, "public_url": url, "allowed_origins": [url]},
            "console": {"listen_port": 0},
        },
        f"tenants/{_TENANT}.yaml": {"name": _TENANT, "title": "Conformance laboratory", "jurisdiction": "LU"},
        "issuers/development.yaml": {
            "name": "development",
            "issuer": f"{url}/development-issuer",
            "tenant": _TENANT,
            "algorithms": ["EdDSA"],
            "groups_claim": "groups",
        },
        f"servers/{SERVER}.yaml": {
            "name": SERVER,
            "tenant": _TENANT,
            "title": "Conformance fixture",
            "transport": transport,
            "limits": {"timeout_s": 20, "result_bytes": 1 << 20, "in_flight": 64},
            "tools": {"*": {"operation": "execute", "risk": "low"}},
        },
        "development-people.yaml": {
            "people": [{"subject": AGENT, "name": "Conformance", "title": "Agent", "groups": ["agents"]}]
        },
    }
    for name, document in documents.items():
        path = config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=1) + "\n")  # JSON is YAML
    (config / "policies").mkdir(exist_ok=True)
    (config / "policies" / "conformance.cedar").write_text(_POLICIES)
