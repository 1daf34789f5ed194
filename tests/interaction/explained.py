"""A configuration whose policies want calls explained: the world's, with obligations, people's data and money named."""

from pathlib import Path

from tests.interaction.configuration import copy_configuration, write

_POLICIES = """
@id("echo-explained")
@obligation("reason")
permit (
  principal in Group::"clerks",
  action in [Action::"desk/echo", Action::"line/echo", Action::"desk/release", Action::"desk/refuse"],
  resource
);

@id("echo-freely")
permit (principal in Group::"seniors", action in [Action::"desk/echo", Action::"line/echo"], resource);

@id("add-in-context")
@obligation("prompt, intent")
permit (principal in Group::"clerks", action in [Action::"desk/add", Action::"line/add"], resource);

@id("rates-explained")
@obligation("reason")
permit (principal in Group::"clerks", action == Action::"mcp/resources/read", resource)
when { context.arguments has uri && context.arguments.uri like "desk://rates/secret-*" };

@id("close-explained")
@obligation("reason")
permit (principal in Group::"clerks", action == Action::"desk/close_account", resource);
"""
EXPLAINED = ("desk", "line")
"""Servers whose `echo` wants a reason and whose `add` wants prompt and intent."""
OWN = "release"
"""A tool of the desk that has a `reason` of its own."""


def explained(config: Path, to: Path, settings: str = "") -> Path:
    """Copy the world's configuration and have calls explained; `settings` are lines for tally.yaml."""
    copy_configuration(config, to)
    write(to, "policies/explained.cedar", _POLICIES)
    write(to, "tally.yaml", (to / "tally.yaml").read_text() + settings)
    moved = "transfer: {operation: write, risk: high, subject: account, retention: ten-years, amount: amount, "
    for server in EXPLAINED:
        file = to / f"servers/{server}.yaml"
        file.write_text(file.read_text().replace("transfer: {operation: write, risk: high", moved + "currency: EUR"))
    return to
