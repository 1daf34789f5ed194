"""What each role may do, as Cedar policies. Default deny: what no line here permits, nobody may.

`context.roles` are the roles that the caller holds in the resource's tenant (or everywhere), `context.everywhere` those
that it holds everywhere. Whatever can speak for somebody else (roles, webhooks that carry approvals, the secrets that
sign them, pins) is the owner's alone. Who signs people in and how tenants hang together is of the whole installation.
"""

from typing import Final

BUILTIN: Final = """
@id("console-read")
permit (principal, action in Action::"console/read", resource)
when { context.roles.containsAny(["owner", "admin", "operator", "reviewer", "developer", "auditor"]) };

@id("console-auditor")
permit (principal, action in Action::"console/oversight", resource)
when { context.roles.contains("auditor") };

@id("console-owner")
permit (principal, action in Action::"console/change", resource)
when { context.roles.contains("owner") };

@id("console-admin")
permit (principal, action in Action::"console/change", resource)
when { context.roles.contains("admin") }
unless {
  ["Role", "Webhook", "Secret", "Pin"].contains(resource.kind) ||
  action in [
    Action::"console/server:approve", Action::"console/server:reject", Action::"console/server:renew",
    Action::"console/server:reinstate", Action::"console/grant:approve", Action::"console/grant:reject",
    Action::"console/grant:renew", Action::"console/grant:reinstate"
  ]
};

@id("console-reviewer")
permit (
  principal,
  action in [
    Action::"console/server:approve", Action::"console/server:reject", Action::"console/server:renew",
    Action::"console/server:suspend", Action::"console/server:reinstate", Action::"console/server:retire",
    Action::"console/grant:approve", Action::"console/grant:reject", Action::"console/grant:renew",
    Action::"console/grant:suspend", Action::"console/grant:reinstate", Action::"console/grant:retire",
    Action::"console/server:scan"
  ],
  resource
)
when { context.roles.contains("reviewer") };

@id("console-operator")
permit (
  principal,
  action in [Action::"console/server:suspend", Action::"console/grant:suspend", Action::"console/server:scan"],
  resource
)
when { context.roles.contains("operator") };

@id("console-developer")
permit (
  principal,
  action in [
    Action::"console/server:put", Action::"console/server:delete", Action::"console/server:submit",
    Action::"console/grant:put", Action::"console/grant:delete", Action::"console/grant:submit"
  ],
  resource
)
when { context.roles.contains("developer") && ["", "draft"].contains(resource.state) };

@id("console-developer-scan")
permit (principal, action == Action::"console/server:scan", resource)
when { context.roles.contains("developer") };

@id("console-installation")
forbid (
  principal,
  action in [
    Action::"console/tenant:put", Action::"console/tenant:delete", Action::"console/issuer:put",
    Action::"console/issuer:delete"
  ],
  resource
)
unless { context.everywhere.containsAny(["owner", "admin"]) };
"""
