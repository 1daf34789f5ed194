"""The tree of commands: which there are, what help says of each, and where each is."""

from collections.abc import Mapping
from typing import Final

import click

from tallystick.cli.branch import Branch, branch


def _audit() -> click.Command:
    from tallystick.cli.audit import audit

    return audit


def _config() -> click.Command:
    from tallystick.cli.run.configuration import config

    return config


def _demo() -> click.Command:
    from tallystick.cli.run.demo import demo

    return demo


def _follow() -> click.Command:
    from tallystick.cli.run.follow import follow

    return follow


def _gateway() -> click.Command:
    from tallystick.cli.run.gateway import gateway

    return gateway


def _gateway_worker() -> click.Command:
    from tallystick.cli.run.gateway import gateway_worker

    return gateway_worker


def _health() -> click.Command:
    from tallystick.cli.run.health import show_health

    return show_health


def _pin() -> click.Command:
    from tallystick.cli.run.configuration import pin_servers

    return pin_servers


def _token() -> click.Command:
    from tallystick.cli.run.configuration import token

    return token


def _up() -> click.Command:
    from tallystick.cli.run.up import up

    return up


def _witness() -> click.Command:
    from tallystick.cli.run.witness import witness

    return witness


BRANCHES: Final[Mapping[str, Branch]] = {
    "agent": branch("Look at agents: programs that call by themselves.", "control.others", "agent"),
    "apply": branch("Bring about what files say, as one change, all or none.", "control.declare", "apply"),
    "audit": Branch("Read the record.", _audit),
    "call": branch("Call a tool through the gateway, as yourself.", "call.tools", "call_tool"),
    "changes": branch("List what was changed, by whom and why; oldest first.", "control.others", "changes"),
    "completion": branch("Print what makes a shell complete `tally`: source it.", "shell.complete", "completion"),
    "config": Branch("Look at the configuration without serving it.", _config),
    "demo": Branch("Run the demo bank behind the gateway: people, an agent, a verified record.", _demo),
    "diff": branch("Show how what is there differs from files.", "control.declare", "diff"),
    "doctor": branch(
        "Check this machine and the console: id, status, evidence and fix of each.", "doctor.command", "doctor"
    ),
    "export": branch(
        "Print documents of everything, as they can be applied again; of secrets only the names.",
        "control.declare",
        "export",
    ),
    "follow": Branch("Bring the record to every sink of the configuration until interrupted.", _follow),
    "gateway": Branch(
        "Serve the configuration with several processes that share one record, until interrupted.", _gateway
    ),
    "gateway-worker": Branch("Be one worker of `tally gateway`, which starts it.", _gateway_worker, hidden=True),
    "grant": branch("Ask for access to toolsets and servers, give it, take it back.", "control.access", "grant"),
    "health": Branch(
        "Tell how each server is, as each worker of the gateway sees it: circuit, failures, calls,...", _health
    ),
    "inspect": branch(
        "Show what an entrance of the gateway offers to you: tools, prompts, resources, protocol versions.",
        "call.tools",
        "inspect_server",
    ),
    "login": branch("Sign in at a console, for this and the following commands.", "session.login", "login"),
    "logout": branch("Forget who signed in on this account.", "session.login", "logout"),
    "pin": Branch(
        "Ask SERVERS (default: all) for their tools and write pins/<server>.json, for review and for serving.", _pin
    ),
    "plan": branch("Show what applying files would do.", "control.declare", "plan"),
    "policy": branch("Look at policies, and ask what you may.", "control.access", "policy"),
    "review": branch("See what waits for a decision.", "control.others", "review"),
    "role": branch("See and change who has which role at the console.", "control.access", "role"),
    "secret": branch("Set values that nobody can read again.", "control.access", "secret"),
    "server": branch("Find, bring in, review and stop servers.", "control.server", "server"),
    "status": branch(
        "Tell how things stand: console, record, revision, entrances, what waits.", "session.status", "status"
    ),
    "tenant": branch("Look at tenants.", "control.others", "tenant"),
    "token": Branch("Print an access token of the DEVELOPMENT issuer.", _token),
    "tool": branch("Find tools, and look at one.", "control.others", "tool"),
    "toolset": branch("Look at toolsets: tools of several servers under one address.", "control.others", "toolset"),
    "up": Branch("Serve the configuration until interrupted, and follow its changes.", _up),
    "version": branch("Print the version of this program.", "shell.complete", "version"),
    "webhook": branch(
        "Look at webhooks, and at how those who are told of events are doing.", "control.others", "webhook"
    ),
    "whoami": branch("Say who the console takes you for, and which roles you have.", "session.login", "whoami"),
    "witness": Branch(
        "Watch logs of other machines: cosign what continues what was seen, and nothing else (C2SP...", _witness
    ),
}
"""Every command below `tally`."""
