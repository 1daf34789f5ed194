"""Orders to the writer of the record, as the commands give them."""

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

import click

from tallystick.audit import offline
from tallystick.cli.audit.group import meant
from tallystick.settings import places

tenant_option = click.option("--tenant", help="Whose record (default: the only one there is).")


def give(name: str, fields: Mapping[str, object]) -> Mapping[str, object]:
    """Give an order in the name of who runs the command; absent fields are left out. Raises TallyError."""
    from tallystick.wiring import Places  # noqa: PLC0415 - `tally --help` must not load the whole gateway

    given = {field: value for field, value in fields.items() if value is not None}
    return Places(*places()[:2]).order({"order": name, "operator": operator(), **given})


def operator() -> str:
    """Who runs the command: the account, or its number where it has no name, as in a container."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def give_for(name: str, tenant: str | None, fields: Mapping[str, object]) -> Mapping[str, object]:
    """Give an order about a tenant's record."""
    return give(name, {"tenant": tenant or only_tenant(places()[1]), **fields})


def objects(value: object) -> list[dict[str, object]]:
    """The objects in a member of an answer; what is none is left out."""
    match value:
        case list():
            items: list[object] = [*value]
            return [one for one in items if offline.is_fields(one)]
        case _:
            return []


def only_tenant(state: Path) -> str:
    """The tenant whose record there is, where there is one beside the platform's; raises UsageError."""
    names = sorted({log.parent.name for log in meant([*(state / "audit").glob("*/*/checkpoint")])})
    if len(names) == 1:
        return names[0]
    if names:
        message = f"{len(names)} tenants have a record under {state}: name one with --tenant: {', '.join(names)}"
    else:
        message = f"no tenant has a record under {state}: set TALLY_STATE to the state directory of a Tallystick"
    raise click.UsageError(message)
