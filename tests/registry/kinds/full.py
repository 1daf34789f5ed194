"""One document of each kind with everything in it that may be there."""

from collections.abc import Mapping

RULES: dict[str, object] = {
    "amount": {"minimum": 1, "exclusiveMaximum": 10.5, "maximum": 9, "exclusiveMinimum": 0, "required": True},
    "sum": {"money": {"currency": "EUR", "maximum": {"EUR": "10.00"}, "minimum": {"EUR": "1"}, "unit": "minor"}},
    "word": {"pattern": "^a", "minLength": 1, "maxLength": 9, "enum": ["a", 1, None, True], "const": "a"},
    "list": {"minItems": 1, "maxItems": 2, "uniqueItems": True, "items": {"enum": [1]}},
    "object": {"properties": {"a": {"const": 1}}, "additionalProperties": False},
    "*": False,
}
TOOL: dict[str, object] = {
    "operation": "write",
    "risk": "high",
    "labels": ["a"],
    "data_scope": "accounts",
    "purpose": "pays",
    "sources": ["internal"],
    "sinks": ["bank"],
    "reversibility": "R3",
    "arguments": RULES,
    "subject": "who",
    "retention": "ten-years",
    "amount": "sum",
    "currency": "EUR",
}
SERVER: dict[str, object] = {
    "title": "Bank",
    "owner": {"person": "ada", "team": "payments", "legal_entity": "Bank SA"},
    "purpose": "payments",
    "provider": {"name": "Vendor", "contract": {"sla": "99.9", "exit": "a year", "sub_processors": ["cloud"]}},
    "classification": "confidential",
    "jurisdictions": ["EU"],
    "regions": ["eu-central-1"],
    "approved_clients": ["vscode"],
    "environments": ["production"],
    "security_review": {"date": "2026-01-31", "next": "2027-01-31"},
    "credentials": "none",
    "support": {"contact": "desk@bank.example", "url": "https://help.example", "hours": "8-18"},
    "limits": {"timeout_s": 10.5, "result_bytes": 4096, "in_flight": 4},
    "tools": {"pay": TOOL, "*": {"operation": "read", "risk": "low"}},
    "state": "approved",
    "transport": {"http": {"url": "https://bank.example/mcp", "allow_special_addresses": True, "ca_file": "ca.pem"}},
}
STDIO: dict[str, object] = {
    "owner": "payments",
    "credentials": "environment",
    "transport": {"stdio": {"command": ["mcp", "-v"], "env": {"A": "b"}, "cwd": "/srv"}},
}
_SELECTION: dict[str, object] = {
    "servers": ["b*"],
    "labels": ["a"],
    "operations": ["read"],
    "risks": ["low"],
    "tools": ["get_*"],
    "prompts": ["*"],
    "resources": ["file://*"],
}
TOOLSET: dict[str, object] = {
    "title": "Desk",
    "members": [{"server": "bank", "tools": ["pay"], "prompts": ["*"], "resources": ["*"]}],
    "include": [_SELECTION],
    "exclude": [_SELECTION],
    "conflicts": "priority",
    "priority": ["bank"],
    "audience": {"people": ["ada"], "groups": ["g"], "agents": ["robot"], "clients": ["vscode"]},
    "overrides": {
        "tools": {
            "bank/pay": {
                "name": "pay_now",
                "title": "Pay",
                "description": "Pays.",
                "arguments": {"amount": {"maximum": 5}},
                "fixed": {"currency": "EUR"},
                "trim": {
                    "fields": {"keep": ["$.a[*].b"], "drop": ["$.c"]},
                    "rows": [{"path": "$.a", "first": 10}],
                    "bytes": 1000,
                },
            }
        },
        "prompts": {"bank/ask": {"name": "ask", "title": "Ask", "description": "Asks."}},
        "resources": {"file:///a": {"server": "bank", "title": "A", "description": "An a."}},
    },
}
WEBHOOK: dict[str, object] = {
    "url": "https://hooks.example/in",
    "secret": "signing",
    "format": "jira",
    "events": ["server.submitted"],
    "token": "token",
    "user": "robot",
    "allow_special_addresses": False,
    "enabled": True,
    "ticketing": {
        "project": "GOV",
        "kind": "Task",
        "table": "change_request",
        "approve": ["Done"],
        "reject": ["Rejected"],
        "people": {"557058:a": "ada"},
    },
}
ISSUER: dict[str, object] = {
    "issuer": "https://idp.example",
    "algorithms": ["ES256"],
    "subject_claim": "sub",
    "groups_claim": "groups",
    "client_claim": "azp",
    "agent_claim": "agent",
    "agent_value": "yes",
    "jwks_uri": "https://idp.example/keys",
    "allow_special_addresses": False,
}
PIN: dict[str, object] = {
    "pinned_at": "2026-01-01T00:00:00Z",
    "eras": {"2026-07-28": {"capabilities": {}}},
    "tools": [{"name": "pay", "inputSchema": {"type": "object"}, "description": "Pays."}],
    "prompts": [{"name": "ask"}],
    "resource_templates": [{"uriTemplate": "file:///{path}"}],
    "variants": {"2025-11-25": {"tools": []}},
    "quarantined": {"pay": {"since": "2026-01-02T00:00:00Z", "digest": "sha256:0", "why": "differs"}},
}
GRANT: dict[str, object] = {
    "toolset": "desk",
    "tools": ["bank__pay"],
    "to": {"people": ["ada"], "groups": ["g"], "agents": ["robot"], "clients": ["vscode"]},
    "purpose": "month end",
    "reason": "asked for",
    "expires": "2027-01-31T18:00:00+01:00",
    "state": "draft",
}

# (kind, what is special about it) -> spec
SPECS: Mapping[tuple[str, str], dict[str, object]] = {
    ("Tenant", "full"): {"title": "Retail", "jurisdiction": "EU", "parent": "group"},
    ("Issuer", "of one tenant"): ISSUER,
    ("Issuer", "by claim"): ISSUER | {"tenant_claim": "tid"},
    ("Server", "over http"): SERVER,
    ("Server", "over stdio"): STDIO,
    ("Pin", "full"): PIN,
    ("Toolset", "full"): TOOLSET,
    ("Toolset", "plain"): {"members": [{"server": "bank"}]},
    ("Policy", "full"): {"cedar": '@id("a") permit(principal, action, resource);'},
    ("Grant", "full"): GRANT,
    ("Grant", "to a server"): {"server": "bank", "to": {"groups": ["g"]}},
    ("Agent", "full"): {"title": "Robot", "owner": "payments", "purpose": "pays", "clients": ["cron"]},
    ("Role", "full"): {"role": "auditor", "people": ["eve"], "groups": ["g"], "agents": ["robot"]},
    ("Webhook", "jira"): WEBHOOK,
    ("Webhook", "plain"): {"url": "https://hooks.example/in", "secret": "signing"},
    ("Secret", "full"): {"value": "s3cret", "set": True},
}
