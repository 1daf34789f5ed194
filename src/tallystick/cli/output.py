"""What commands print: -o table, json, yaml, csv or name. Machine output on stdout only; everything else on stderr."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

import click

from tallystick.cli.terminal import columns, tame

F = TypeVar("F", bound=Callable[..., object])
Item = Mapping[str, object]
FORMS: Final = ("table", "json", "yaml", "csv", "name")
API_VERSION: Final = "tallystick.dev/v1"
_FIELD: Final = "tallystick.field"
_FORMULAS: Final = ("=", "+", "-", "@")


class Shape(NamedTuple):
    """How a result is printed: its form, or one field of it."""

    form: str
    field: str

    def many(self, items: Sequence[Item], titles: Mapping[str, str], declared: Sequence[Item] | None = None) -> None:
        """Print a list. `titles` are the columns: title -> dotted path; `declared` is what -o yaml prints instead."""
        if self.field:
            _print([_text(at(item, self.field)) for item in items])
        elif self.form == "json":
            click.echo(json.dumps({"apiVersion": API_VERSION, "kind": "List", "items": items}, indent=2))
        elif self.form == "yaml":
            click.echo(_yaml(items if declared is None else declared), nl=False)
        elif self.form == "name":
            _print([_text(at(item, next(iter(titles.values())))) for item in items])
        else:
            rows = [[_text(at(item, path)) for path in titles.values()] for item in items]
            click.echo(_csv(titles, rows) if self.form == "csv" else _table(titles, rows), nl=False)

    def one(self, item: Item, titles: Mapping[str, str], declared: Item | None = None) -> None:
        """Print one thing; as a table each column is a line."""
        if self.form == "table" and not self.field:
            rows = [[title, _text(at(item, path))] for title, path in titles.items()]
            _print([f"{title:<{max(map(len, titles))}}  {text}".rstrip() for title, text in rows if text])
        elif self.form == "json" and not self.field:
            click.echo(json.dumps(item, indent=2))
        else:
            self.many([item], titles, None if declared is None else [declared])


def shaped(command: F) -> F:
    """Give a command the parameter `shape`: -o and --field."""
    command = click.option(
        "--field",
        default="",
        metavar="PATH",
        expose_value=False,
        is_eager=True,
        callback=_noted,
        help="Print this field only, such as metadata.name.",
    )(command)
    return click.option(
        "-o",
        "--output",
        "shape",
        type=click.Choice(FORMS),
        default="table",
        show_default=True,
        callback=_shape,
        help="Form of what is printed.",
    )(command)


def at(item: object, path: str) -> object:
    """Return what stands at a dotted path of objects and lists; None where nothing does."""
    found = item
    for part in path.split("."):
        if isinstance(found, Mapping):
            members: dict[object, object] = dict(found)  # pyright: ignore[reportUnknownArgumentType] - JSON
            found = members.get(part)
        elif isinstance(found, (list, tuple)) and part.isdecimal():
            parts: list[object] = list(found)  # pyright: ignore[reportUnknownArgumentType] - JSON
            found = parts[int(part)] if int(part) < len(parts) else None
        else:
            return None
    return found


def say(text: str) -> None:
    """Tell people something: on stderr, so that what is piped on stays what it is."""
    click.echo(text, err=True)


def _noted(context: click.Context, parameter: click.Parameter, value: str) -> None:
    del parameter
    context.meta[_FIELD] = value


def _shape(context: click.Context, parameter: click.Parameter, value: str) -> Shape:
    del parameter
    return Shape(value, str(context.meta.get(_FIELD, "")))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        parts: list[object] = list(value)  # pyright: ignore[reportUnknownArgumentType] - JSON
        return ", ".join(map(_text, parts))
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return str(value)


def _print(lines: Sequence[str]) -> None:
    click.echo("".join(f"{tame(line)}\n" for line in lines), nl=False)


def _table(titles: Mapping[str, str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        say("nothing found")
        return ""
    # What others have written is shown on one line, and made harmless.
    shown = [[tame(_short(cell)) for cell in row] for row in rows]
    return columns([list(titles), *shown]) + "\n"


def _short(cell: str, most: int = 80) -> str:
    line = " ".join(cell.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def _csv(titles: Mapping[str, str], rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([title.lower() for title in titles])
    writer.writerows([[_cell(cell) for cell in row] for row in rows])
    return out.getvalue()


def _cell(text: str) -> str:
    # A spreadsheet takes what begins so for a formula, and some of these texts are others' (OWASP, CSV injection).
    return f"'{tame(text)}" if text.startswith(_FORMULAS) else tame(text)


def _yaml(items: Sequence[Item]) -> str:
    from tallystick.control import declare  # noqa: PLC0415 - costs a second, and few want it

    return declare.to_yaml(items)
