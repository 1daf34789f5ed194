"""`tally audit reveal | payload-keys | rotate-payload-keys | rewrap-payload-keys`: payloads and their keys."""

import json
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from tallystick.audit import offline
from tallystick.cli.audit.group import audit, json_option
from tallystick.cli.audit.orders import give, give_for, objects, tenant_option
from tallystick.cli.terminal import counted, tame

NOTHING: Final = 1
_FIELDS: Final = ("args", "result", "prompt", "intent", "reason", "before", "after")
_NEVER: Final = "never kept: no payload {field} of a call with the id {call}. `tally audit search` prints the ids"


@audit.command()
@click.argument("call")
@click.argument("field", type=click.Choice(_FIELDS), metavar="FIELD")
@click.option("--why", required=True, help="Why, as it will stand in the record.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this new file.")
@tenant_option
@click.pass_context
def reveal(context: click.Context, call: str, field: str, why: str, output: Path | None, tenant: str | None) -> None:
    """Print the payload FIELD (args, result, prompt, intent, reason, before or after) of the call with the id CALL.

    The record says who reveals it, and why, before it is told. Exit code 1: erased, expired or never kept.
    """
    file = None if output is None else str(output.absolute())
    told = give_for("reveal", tenant, {"call": call, "field": field, "why": why, "file": file})
    gone, content = told.get("gone"), told.get("content")
    if gone is not None:
        leaf = f" under leaf {told['leaf']}" if "leaf" in told else ""
        said = _NEVER.format(field=field, call=tame(call)) if gone == "never" else f"{tame(str(gone))}{leaf}"
        click.echo(said, err=True)
        context.exit(NOTHING)
    elif isinstance(content, str):
        click.echo(b64decode(content), nl=False)
    else:
        click.echo(f"{told['bytes']} bytes in {tame(str(told['file']))} (leaf {told['leaf']})")


@audit.command("payload-keys")
@json_option
def payload_keys(*, as_json: bool) -> None:
    """Show who keeps the payload keys, each keyring key, and what is damaged."""
    told = give("payload-keys", {})
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(f"provider: {tame(str(told['provider']))}")
    for key in objects(told["keyring_keys"]):
        click.echo(f"keyring key {key['version']}: made {key['made']}, master key {tame(str(key['master']))}")
    for tenant, live in _pairs(told["live"]):
        click.echo(f"{tame(tenant)}: {counted(live, 'data key')}")
    for tenant, damage in _pairs(told["damaged"]):
        click.echo(f"DAMAGED {tame(tenant)}: {tame(str(damage))}")


@audit.command("rotate-payload-keys")
def rotate_payload_keys() -> None:
    """Make a new keyring key for what comes. What is kept stays readable, and nothing is rewritten."""
    told = give("rotate-payload-keys", {})
    click.echo(f"keyring key {told['keyring_key']} is in use ({_leaves(told)})")


@audit.command("rewrap-payload-keys")
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Move to the provider that audit.keys in this configuration directory names.",
)
def rewrap_payload_keys(to: Path | None) -> None:
    """Wrap the keyring keys by the provider's newest master key, or move them to another provider.

    No payload and no data key is touched. After a move the configuration has to name the new provider.
    """
    told = give("rewrap-payload-keys", {"to": None if to is None else _keys_of(to)})
    click.echo(f"{told['keyring_keys']} keyring keys are wrapped by {tame(str(told['provider']))} ({_leaves(told)})")
    if told["provider"] != told["before"]:
        click.echo(f"Next: set audit.keys.provider to {tame(str(told['provider']))} in tally.yaml, before a restart")


def _keys_of(config: Path) -> object:
    from tallystick.wiring import Places  # noqa: PLC0415 - `tally --help` must not load the whole gateway

    return Places(config, config).key_settings()


def _leaves(told: Mapping[str, object]) -> str:
    return ", ".join(f"{tame(tenant)}: leaf {index}" for tenant, index in _pairs(told["leaves"]))


def _pairs(value: object) -> list[tuple[str, object]]:
    return sorted(value.items()) if offline.is_fields(value) else []
