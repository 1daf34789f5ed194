"""`tally plan`, `apply`, `diff` and `export`: what is wanted stands in files, and becomes one change or none."""

import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from tallystick.cli.codes import FINDINGS, WRONG, CommandError
from tallystick.cli.connection import Connection, connected
from tallystick.cli.control.care import Care, careful
from tallystick.cli.output import API_VERSION, Shape, say, shaped
from tallystick.cli.terminal import counted, tame_lines

if TYPE_CHECKING:
    from tallystick.control import model
    from tallystick.remote import messages

F = TypeVar("F", bound=Callable[..., object])
_ITEMS: Final = {"ACTION": "action", "KIND": "kind", "NAME": "name", "TENANT": "tenant", "NOTE": "note"}
_STILL: Final = frozenset({"unchanged"})


def declaring(command: F) -> F:
    """Give a command what says which files, and whose they are."""
    command = click.option("--take-over", is_flag=True, help="Also take what another owner has.")(command)
    command = click.option("--prune", is_flag=True, help="Remove what --owner has and the files lack.")(command)
    command = click.option("--owner", default="", metavar="git:NAME", help="Who has it from now on.")(command)
    return click.option(
        "-f",
        "files",
        multiple=True,
        required=True,
        metavar="DIR|FILE|-",
        help="Documents: YAML, JSON or TOML files, a folder of them, or - for standard input. Several may be given.",
    )(command)


@click.command()
@connected
@shaped
@declaring
@click.pass_context
def plan(context: click.Context, console: Connection, shape: Shape, files: tuple[str, ...], **given: object) -> None:
    """Show what applying files would do. Exit code 6: something would change."""
    _print(shape, console.client().plan(_documents(files, given)), context)


@click.command()
@connected
@shaped
@declaring
@click.pass_context
def diff(context: click.Context, console: Connection, shape: Shape, files: tuple[str, ...], **given: object) -> None:
    """Show how what is there differs from files. Exit code 6: it differs."""
    _print(shape, console.client().plan(_documents(files, given)), context)


@click.command()
@connected
@shaped
@careful
@declaring
@click.option("--why", default="", help="Kept with the change.")
def apply(console: Connection, shape: Shape, care: Care, files: tuple[str, ...], **given: object) -> None:
    """Bring about what files say, as one change, all or none."""
    documents = _documents(files, given, is_dry=care.is_dry)
    client = console.client()
    planned = client.plan(documents)
    changes = [item for item in planned.items if item.action not in _STILL]
    gone = [item.name for item in changes if item.action == "remove"]
    if shape.form == "table":
        say(tame_lines(planned.text))
    if gone:
        care.confirm(f"Remove {', '.join(gone)}", gone[0] if len(gone) == 1 else str(len(gone)))
    done = client.apply(documents, secrets.token_hex(16)) if changes else planned
    if shape.form != "table" or shape.field:
        _show(shape, done)
    told = "nothing to do" if done.revision is None else f"applied as revision {done.revision}"
    care.tell(f"{len(changes)} to change" if care.is_dry else told)


@click.command()
@connected
@click.option("-o", "--output", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
@click.option("--tenant", help="Of this tenant only.")
@click.option("--owner", help="With this owner only, such as git:risk.")
@click.option("--kind", help="Of this kind only, such as Server.")
@click.option("-f", "--file", type=click.Path(path_type=Path, dir_okay=False), help="Write them into this file.")
def export(console: Connection, form: str, kind: str | None, file: Path | None, **given: str | None) -> None:
    """Print documents of everything, as they can be applied again; of secrets only the names."""
    from tallystick.remote import messages  # noqa: PLC0415 - loaded when it is asked

    kinds: dict[str, messages.resources.Kind] = {known.lower(): known for known in messages.resources.PLURALS.values()}
    if kind is not None and kind.lower() not in kinds:
        raise CommandError(WRONG, f"{kind!r} is no kind; there are {', '.join(sorted(kinds.values()))}")
    query = messages.asked.Export(given["tenant"], None if kind is None else kinds[kind.lower()], given["owner"])
    found = console.client().export(query)
    with nullcontext() if file is None else file.open("w", encoding="utf-8") as out, redirect_stdout(out or sys.stdout):
        Shape(form, "").many(found.documents, {"NAME": "metadata.name"})
    if file is not None:
        say(f"{counted(len(found.documents), 'document')} in {file}")


def _print(shape: Shape, found: "messages.declared.Plan", context: click.Context) -> None:
    if shape.form == "table" and not shape.field:
        click.echo(tame_lines(found.text))
    else:
        _show(shape, found)
    if any(item.action not in _STILL for item in found.items):
        context.exit(FINDINGS)


def _show(shape: Shape, found: "messages.declared.Plan") -> None:
    from tallystick.remote import plain  # noqa: PLC0415 - loaded when it is asked

    if shape.form == "json" and not shape.field:
        shape.one({"apiVersion": API_VERSION, "kind": "Plan", **plain(found)}, _ITEMS)
    else:
        shape.many([plain(item) for item in found.items], _ITEMS)


def _documents(
    files: tuple[str, ...], given: Mapping[str, object], *, is_dry: bool = False
) -> "messages.asked.Documents":
    from tallystick.remote import messages  # noqa: PLC0415 - loaded when it is asked

    found = [document for place in files for document in read(place)]
    if given.get("prune") and not given.get("owner"):
        message = "--prune removes what one owner has: say whose with --owner git:NAME"
        raise CommandError(WRONG, message)
    return messages.asked.Documents(
        found,
        str(given.get("owner") or ""),
        bool(given.get("prune")),
        bool(given.get("take_over")),
        is_dry,
        str(given.get("why") or ""),
    )


def read(place: str) -> list[dict[str, object]]:
    """Return the documents of a folder, a file or `-`; raises CommandError with every problem in them."""
    from tallystick.control import declare, model  # noqa: PLC0415 - costs a second

    files = _files(place)
    # A folder may be one that `tally up` reads: there the folder that a document is in says its kind.
    found = declare.from_directory(files, "") if Path(place).is_dir() else declare.read_documents(files)
    problems = [problem for problem in found if not isinstance(problem, model.Put)]
    if problems:
        raise CommandError(WRONG, "\n".join(map(str, problems)))
    return [_document(put) for put in found if isinstance(put, model.Put)]


def _document(put: "model.Put") -> dict[str, object]:
    metadata: dict[str, object] = {"name": put.name}
    if put.tenant and put.kind != "Tenant":
        metadata["tenant"] = str(put.tenant)
    if put.labels:
        metadata["labels"] = dict(put.labels)
    return {"apiVersion": API_VERSION, "kind": put.kind, "metadata": metadata, "spec": dict(put.spec)}


def _files(place: str) -> Mapping[str, bytes]:
    from tallystick.settings import read_directory  # noqa: PLC0415 - loaded when it is asked

    if place == "-":
        return {"standard-input.yaml": sys.stdin.buffer.read()}
    path = Path(place)
    if path.is_dir():
        found = read_directory(path)
        if isinstance(found, tuple):
            raise CommandError(WRONG, "\n".join(map(str, found)))
        return {name: raw for name, raw in found.items() if name not in {"tally.yaml", "development-people.yaml"}}
    try:
        return {path.name: path.read_bytes()}
    except OSError as error:
        raise CommandError(WRONG, f"{place} cannot be read: {error.strerror}") from error
