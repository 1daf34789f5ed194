"""The tree of commands: which there are, what help says of each, and where each is."""

from collections.abc import Mapping
from typing import Final

import click

from tallystick.cli.branch import Branch


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
    "audit": Branch("Read the record.", _audit),
    "config": Branch("Look at the configuration without serving it.", _config),
    "demo": Branch("Run the demo bank behind the gateway: people, an agent, a verified record.", _demo),
    "follow": Branch("Bring the record to every sink of the configuration until interrupted.", _follow),
    "gateway": Branch(
        "Serve the configuration with several processes that share one record, until interrupted.", _gateway
    ),
    "gateway-worker": Branch("Be one worker of `tally gateway`, which starts it.", _gateway_worker, hidden=True),
    "health": Branch(
        "Tell how each server is, as each worker of the gateway sees it: circuit, failures, calls,...", _health
    ),
    "pin": Branch(
        "Ask SERVERS (default: all) for their tools and write pins/<server>.json, for review and for serving.", _pin
    ),
    "token": Branch("Print an access token of the DEVELOPMENT issuer.", _token),
    "up": Branch("Serve the configuration until interrupted, and follow its changes.", _up),
    "witness": Branch(
        "Watch logs of other machines: cosign what continues what was seen, and nothing else (C2SP...", _witness
    ),
}
"""Every command below `tally`."""
