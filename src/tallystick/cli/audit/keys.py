"""`tally audit rotate-keys`: new signing keys for the record, with overlap."""

import os
import pwd
from pathlib import Path

import click

from tallystick.audit import client
from tallystick.audit.offline import is_fields
from tallystick.cli.audit.group import audit
from tallystick.cli.places import state_option
from tallystick.cli.terminal import tame


@audit.command("rotate-keys")
@state_option
@click.argument("step", type=click.Choice(["begin", "end"]))
def rotate_keys(state: Path, step: str) -> None:
    """Replace the keys that sign checkpoints: `begin` adds new ones, `end` destroys the old ones.

    In between every checkpoint is signed by both. Each step is on record in every log before it takes effect.
    """
    operator = pwd.getpwuid(os.getuid()).pw_name
    told = client.order(state, {"order": "rotate-key", "step": step, "operator": operator})
    tenants = told.get("tenants")
    for tenant, index in sorted(tenants.items()) if is_fields(tenants) else ():
        click.echo(f"{tame(tenant)}: keys {told.get('action')}, see leaf {index}")
