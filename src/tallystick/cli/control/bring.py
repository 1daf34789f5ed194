"""`tally server add` and `tally server import`: new servers, always as drafts."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tallystick.cli.codes import WRONG, CommandError
from tallystick.cli.connection import Connection, connected
from tallystick.cli.control.care import Care, careful
from tallystick.cli.output import API_VERSION, Shape, say, shaped
from tallystick.cli.terminal import tame, tame_lines
from tallystick.terms import TenantId

if TYPE_CHECKING:
    from tallystick.registry import imports

_BROUGHT: Final = {"KIND": "kind", "NAME": "metadata.name", "TENANT": "metadata.tenant", "TITLE": "spec.title"}


@click.command()
@connected
@careful
@click.option("--tenant", required=True, help="Whose it is.")
@click.option("--title", help="How people call it.")
@click.option("--owner", help="The person who answers for it.")
@click.option("--team", help="The team of that person.")
@click.option("--purpose", help="What it is for.")
@click.option("--at", "address", help="Its URL.")
@click.option("--private", help="Allow a loopback or private address.", is_flag=True)
@click.argument("name")
@click.argument("command", nargs=-1)
def add(console: Connection, care: Care, name: str, command: tuple[str, ...], **given: object) -> None:
    """Register a server as a draft.

    It is at a URL (--at), or a program that the gateway starts: everything after NAME (after --, if it has options).
    """
    from tallystick.remote import messages  # noqa: PLC0415 - loaded when it is asked

    address = given["address"]
    if (address is None) == (not command):
        message = "a server is either at a URL (--at URL) or a program (NAME -- PROGRAM ARGUMENT ...)"
        raise CommandError(WRONG, message)
    http: dict[str, object] = {"url": address, **({"allow_special_addresses": True} if given["private"] else {})}
    spec: dict[str, object] = {"transport": {"stdio": {"command": list(command)}} if command else {"http": http}}
    spec |= {field: given[field] for field in ("title", "purpose") if given[field]}
    if owner := {part: given[name] for part, name in (("person", "owner"), ("team", "team")) if given[name]}:
        spec["owner"] = owner
    metadata = messages.resources.Metadata(name, str(given["tenant"]))
    console.client().put(messages.resources.Resource("Server", metadata, spec), None, messages.asked.Dry(care.is_dry))
    care.tell(f"server {name} is a draft. Next: tally server scan {name}, then tally server submit {name}")


@click.command("import")
@connected
@shaped
@careful
@click.option("--tenant", required=True, help="Whose they will be.")
@click.option("--format", "written", help="What FILE is; left out, it is told from the content.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write what was left out as JSON.")
@click.argument("file")
def bring_in(console: Connection, shape: Shape, care: Care, file: str, tenant: str, **given: object) -> None:
    """Bring in servers that are written down elsewhere, as drafts.

    FILE is a client's configuration, a server.json, a catalog ...; - is standard input. What could not be carried over
    is told on standard error. With --dry-run the documents are printed (-o yaml) and nothing is registered.
    """
    from tallystick.registry import imports  # noqa: PLC0415 - loaded when it is asked
    from tallystick.remote import messages  # noqa: PLC0415 - loaded when it is asked

    client = console.client()
    taken = frozenset(one.metadata.name for one in client.every("Server"))
    written = given["written"]
    found = imports.read(_raw(file), None if written is None else str(written), TenantId(tenant), taken)
    if not isinstance(found, imports.Imported):
        raise CommandError(WRONG, "\n".join(map(str, found)))
    documents: list[dict[str, object]] = [
        {
            "apiVersion": API_VERSION,
            "kind": one.kind,
            "metadata": {"name": one.name, "tenant": str(one.tenant)},
            "spec": dict(one.spec),
        }
        for one in found.documents
    ]
    _tell(found, given["report"])
    if not care.is_dry and documents:
        client.apply(messages.asked.Documents(documents, why=f"imported from {found.format}"))
    shape.many(documents, _BROUGHT)
    care.tell(f"{len(documents)} brought in as drafts")


def _raw(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(WRONG, f"{file} cannot be read: {error.strerror}") from error


def _tell(found: "imports.Imported", report: object) -> None:
    for left in found.report:
        say(f"left out {tame(left.place)}: {tame_lines(left.what)} ({tame_lines(left.why)}); {tame_lines(left.remedy)}")
    for secret in found.secrets:
        say(f"server {tame(secret.server)} needs {tame(secret.name)}. Run: tally secret set {tame(secret.secret)}")
    if isinstance(report, Path):
        import json  # noqa: PLC0415 - few want a report

        rows = [{"place": one.place, "what": one.what, "why": one.why, "remedy": one.remedy} for one in found.report]
        report.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
