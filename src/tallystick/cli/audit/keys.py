"""`tally audit rotate-keys`: new signing keys for the record, with overlap."""

import click

from tallystick.audit import offline
from tallystick.cli.audit.group import audit
from tallystick.cli.audit.orders import give
from tallystick.cli.terminal import tame


@audit.command("rotate-keys")
@click.argument("step", type=click.Choice(["begin", "end"]))
def rotate_keys(step: str) -> None:
    """Replace the keys that sign checkpoints: `begin` adds new ones, `end` destroys the old ones.

    In between every checkpoint is signed by both. Each step is on record in every log before it takes effect.
    """
    told = give("rotate-key", {"step": step})
    tenants = told.get("tenants")
    for tenant, index in sorted(tenants.items()) if offline.is_fields(tenants) else ():
        click.echo(f"{tame(tenant)}: keys {told.get('action')}, see leaf {index}")
