#!/usr/bin/env python
"""Writes docs/reference from the code: reason codes, command line, settings, leaves. With --check it only compares.

Nothing in docs/reference/*.md is written by hand; the sentences come from reasons.toml, from the commands' own help,
from the docstrings below the settings' fields and from the table of kinds of leaves.
"""

import argparse
import ast
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import click
from api_reference import api_page, openapi_text
from resources_reference import resources_page, schema_files
from siem_reference import siem_page, templates

from tallystick.audit.leaf.kinds import EVERY_LEAF, KINDS, Field
from tallystick.audit.leaf.schema import leaf_schema
from tallystick.cli import codes
from tallystick.control import lifecycle

ROOT = Path(__file__).resolve().parent.parent
MARK = "<!-- Written by `make docs`; changes by hand are lost. -->\n\n"


def reasons_page(root: Path) -> str:
    """One heading per code, in the order and under the rooms of the closed list in `terms`."""
    meanings = tomllib.loads((root / "docs/reference/reasons.toml").read_text())
    lines = ["# Reason codes\n", "Every refusal and every decision is explained by these codes and by no others.\n"]
    codes: list[str] = []
    for line in (root / "src/tallystick/terms/reason.py").read_text().splitlines():
        text = line.strip()
        if text.startswith("# "):
            lines.append(f"## {text[2:].capitalize()}\n")
        elif " = " in text:
            code = text.split('"')[1]
            codes.append(code)
            meaning = meanings.get(code)
            if meaning is not None:
                lines.append(f"### `{code}`\n\n{meaning['means']}\n\nWhat to do: {meaning['do']}\n")
    if wrong := sorted(set(codes) ^ set(meanings)):
        sys.exit(f"docs/reference/reasons.toml and the Reason codes differ in: {', '.join(wrong)}")
    return MARK + "\n".join([*lines, *told_lines(root / "src/tallystick/wire/refuse.py")])


_TOLD = """## What a client is told

A refusal reaches a client as a JSON-RPC error. Its `data` holds the codes above (`tallystick.dev/reasons`) and the
number of its record (`tallystick.dev/record`). The reason decides its code and HTTP status; for a reason without a
line of its own its kind does. Two exceptions: arguments that do not fit are told as a failed tool (`isError`), and
errors of servers keep their own codes.

| reason, or kind of refusal | JSON-RPC code | HTTP status |
| --- | --- | --- |"""


def told_lines(file: Path) -> Iterator[str]:
    """The tables of the MCP surface, where that is built: reasons first, then kinds of refusal."""
    if not file.exists():
        return
    tables = {
        ast.unparse(node.target): node.value
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict)
    }
    yield _TOLD
    for name in ("_BY_REASON", "_BY_CODE"):
        table = tables[name]
        for key, value in zip(table.keys, table.values, strict=True):
            is_reason = isinstance(key, ast.Attribute)
            word = f"`{key.attr.lower()}`" if is_reason else f"kind `{ast.literal_eval(key or value)}`"
            code, status = ast.literal_eval(value)
            yield f"| {word} | {code} | {status} |"
    yield ""


def command_pages(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[str]:
    """The help of one command and of everything below it."""
    if command.hidden:
        return
    context = click.Context(
        command,
        parent=parent,
        info_name=name,
        terminal_width=100,
        max_content_width=100,
        help_option_names=command.context_settings.get("help_option_names"),
    )
    yield f"## `{context.command_path}`\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None:
                yield from command_pages(found, inner, context)


def cli_page() -> str:
    """Every command with its help."""
    root: object = import_module("tallystick.cli").tally
    if not isinstance(root, click.Command):
        sys.exit("tallystick.cli.tally is not a command")
    return MARK + "\n".join(["# Command line\n", *command_pages(root, "tally")])


def setting_rows(tree: ast.Module) -> Iterator[str]:
    """One section per settings class, one row per field with the docstring that stands below it."""
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        rows: list[str] = []
        for field, after in zip(node.body, [*node.body[1:], ast.Pass()], strict=True):
            if not isinstance(field, ast.AnnAssign):
                continue
            said = after.value if isinstance(after, ast.Expr) else None
            doc = said.value if isinstance(said, ast.Constant) and isinstance(said.value, str) else ""
            default = f"`{ast.unparse(field.value)}`" if field.value is not None else "required"
            sentence = " ".join(doc.split()).replace("|", "\\|")
            annotation = ast.unparse(field.annotation).replace("|", "\\|")
            rows.append(f"| `{ast.unparse(field.target)}` | `{annotation}` | {default} | {sentence} |")
        if rows:
            intro = " ".join((ast.get_docstring(node) or "").split())
            head = "| field | type | default | meaning |\n| --- | --- | --- | --- |"
            yield f"## `{node.name}`\n\n{intro}\n\n{head}\n" + "\n".join(rows) + "\n"


def settings_page(root: Path) -> str:
    """Every field of the process settings."""
    text = (root / "src/tallystick/settings/model.py").read_text()
    return MARK + "\n".join(["# Settings\n", *setting_rows(ast.parse(text))])


def leaves_page() -> str:
    """Every kind of leaf with its fields."""
    lines = [
        "# Leaves\n",
        "A leaf is canonical JSON (RFC 8785) of at most 8 KiB. Its JSON Schema: [leaf-schema.json](leaf-schema.json).",
        "Fields that end in `_c` are keyed commitments to payloads; no payload is in a leaf.\n",
        "## Every leaf\n",
        *_fields_of(EVERY_LEAF),
    ]
    for name, kind in sorted(KINDS.items()):
        lines += [f"## `{name}`\n", f"{kind.says}\n", *_fields_of(kind.fields)]
    return MARK + "\n".join(lines)


def _fields_of(fields: Mapping[str, Field]) -> list[str]:
    rows = [f"| `{name}` | {'always' if field.required else ''} | {field.says} |" for name, field in fields.items()]
    return ["| field | | says |\n| --- | --- | --- |", *rows, ""]


def schema_file() -> str:
    """The JSON Schema of leaves."""
    return json.dumps(leaf_schema(), indent=1) + "\n"


def pages(root: Path) -> dict[str, str]:
    """Path below docs/reference -> text; a page whose room is not built yet is left out."""
    result = {"reasons.md": reasons_page(root)}
    if any((root / "src/tallystick").glob("cli/__init__.py")):
        result["cli.md"] = cli_page()
        result["exit-codes.md"] = MARK + codes.page()
    if (root / "src/tallystick/settings/model.py").exists():
        result["settings.md"] = settings_page(root)
    if (root / "src/tallystick/audit/leaf/kinds.py").exists():
        result["leaves.md"] = leaves_page()
        result["leaf-schema.json"] = schema_file()
    if (root / "src/tallystick/control/lifecycle/__init__.py").exists():
        result["lifecycle.md"] = MARK + lifecycle.page()
    if (root / "src/tallystick/registry/kinds/__init__.py").exists():
        result["resources.md"] = MARK + resources_page()
        result.update(schema_files())
    if (root / "src/tallystick/api/__init__.py").exists():
        result["api.md"] = api_page(MARK)
        result["openapi.json"] = openapi_text()
    if (root / "src/tallystick/export/formats/__init__.py").exists():
        result["siem.md"] = MARK + siem_page(root)
        result.update(templates())
    return result


def main() -> None:
    """Write the pages, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit code 1 if a page differs")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to work on")
    options = parser.parse_args()
    folder = options.root / "docs/reference"
    stale: list[str] = []
    for name, text in pages(options.root).items():
        target = folder / name
        if options.check:
            if not target.exists() or target.read_text() != text:
                stale.append(f"docs/reference/{name}")
        else:
            target.parent.mkdir(exist_ok=True)
            target.write_text(text)
            print(f"wrote docs/reference/{name}")
    if stale:
        sys.exit(f"out of date: {', '.join(stale)}; run `make docs`")


if __name__ == "__main__":
    main()
