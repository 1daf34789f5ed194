"""Writes docs/reference/resources.md and the JSON Schemas of resources from the table of kinds."""

import json
from collections.abc import Iterator, Mapping

from tallystick.registry import rules
from tallystick.registry.kinds import KINDS, KindEntry, schemas
from tallystick.registry.plain import as_list, as_object

INTRO = """# Resources

Everything that Tallystick is told to be is a resource: it has a kind, a name that no other of its kind has, perhaps a
tenant, and a `spec`. It is written as a file of the configuration directory, where name and tenant stand beside the
rest, or as a document of this form, which `tally plan`, `tally apply` and `tally export` speak:

```yaml
# yaml-language-server: $schema=schemas/tallystick.json
apiVersion: tallystick.dev/v1
kind: Tenant
metadata:
  name: retail
  labels: {country: LU}
spec:
  title: Retail banking
  jurisdiction: EU
```

A YAML file may hold several documents, each after a `---`. YAML is read by the 1.2 core schema; duplicate keys, aliases
and tags are refused. A member that is null is a member that is not there. `metadata.labels` are to choose by,
`metadata.annotations` are not read. What an API answer says beside (`status`, and `owner`, `version`, `revision`,
`created`, `changed` of the metadata) is passed over when it is sent back.

The comment in the first line gives an editor the schema: [tallystick.json](schemas/tallystick.json) for documents of
any kind, or the schema of one kind, named below, which fits its files in the configuration directory too.

Some things no schema can say, and only reading a document tells them: that a URL holds credentials or would leave the
machine in plain text, that a day is in no calendar, that something is pinned or a member twice, that a rule is no
tightening of the pinned definition, or that what is named does not exist.
"""

RULES = """## Argument rules

A server's owner, or a toolset, lets less pass than the pinned `inputSchema` does. Rules stand under the name of the
argument; they are JSON Schema 2020-12 keywords, and they can only narrow: an argument that the schema does not name, a
value that it refuses, a bound outside of its own, or a keyword that says nothing about the argument's type is a
problem, and nothing is compiled. Clients see the narrowed schema, and calls are judged by it.

```yaml
tools:
  transfer_funds:
    operation: write
    risk: high
    arguments:
      amount_minor:
        money: {currency: currency, unit: minor, maximum: {EUR: "10000", JPY: "1500000"}}
      reference: {required: true, minLength: 10, maxLength: 140}
      "*": false
```

A rule about one type lets no other type pass, but null where the schema allows it: `maximum: 5` on an argument that may
be a number or a text means a number. Bounds of money make the sum and its currency obligatory, refuse every currency
that has no maximum, and hold for numbers, for counts of minor units (ISO 4217) and for decimal texts.
"""

_TENANTS = {
    "itself": "It is a tenant itself.",
    "one": "It belongs to one tenant (`metadata.tenant`; in a file `tenant`).",
    "optional": "It belongs to one tenant or, without `metadata.tenant`, to the whole installation.",
    "of its server": "It belongs to the tenant of the server that it is named like.",
}


def resources_page() -> str:
    """The page of every kind with every field."""
    lines = [INTRO]
    for kind, entry in KINDS.items():
        lines += [f"## {kind}\n", f"{entry.doc}\n", _place(entry), "", *_table(entry.spec)]
    lines += [RULES, "| keyword | says |", "| --- | --- |"]
    lines += [f"| `{name}` | {_cell(keyword.doc)} |" for name, keyword in rules.KEYWORDS.items()]
    return "\n".join([*lines, '| `"*": false` | No argument that the schema does not name. |', ""])


def schema_files() -> Mapping[str, str]:
    """The published schemas, by their path below docs/reference."""
    return {f"schemas/{name}": json.dumps(schema, indent=1) + "\n" for name, schema in schemas().items()}


def _place(entry: KindEntry) -> str:
    inner = "<name>" if entry.kind != "Pin" else "<server>"
    file = f"File: `{entry.folder}/{inner}{entry.suffix}`. " if entry.folder else "It has no file. "
    state = " It has a lifecycle." if entry.reviewed else ""
    return (
        f"{file}{_TENANTS[entry.tenant]}{state} Schema: [{entry.kind.lower()}.json](schemas/{entry.kind.lower()}.json)."
    )


def _table(spec: Mapping[str, object]) -> list[str]:
    return ["| field | type | | meaning |", "| --- | --- | --- | --- |", *_rows(spec, ""), ""]


def _rows(schema: Mapping[str, object], path: str) -> Iterator[str]:
    needed = as_list(schema.get("required"))
    for name, part in as_object(schema.get("properties")).items():
        member = as_object(part)
        place = f"{path}.{name}" if path else name
        yield f"| `{place}` | {_type(member)} | {'required' if name in needed else ''} | {_cell(_says(member))} |"
        for below, inner in _inside(member):
            yield from _rows(inner, f"{place}{below}")


def _inside(member: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The objects that stand below a member, and how a path goes on to them."""
    for choice in _choices(member):
        if "properties" in choice and choice.get("additionalProperties") is False:
            yield "", choice
        for key, below in (("items", "[]"), ("additionalProperties", ".*")):
            if part := as_object(choice.get(key)):
                yield from ((below + nested, inner) for nested, inner in _inside(part))


def _choices(member: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    yield member
    for one in as_list(member.get("anyOf")):
        yield from _choices(as_object(one))


def _type(member: Mapping[str, object]) -> str:
    allowed = [one for one in as_list(member.get("enum")) if one is not None]
    if allowed:
        return " ".join(f"`{one}`" for one in allowed)
    if "const" in member:
        return f"`{json.dumps(member['const'])}`"
    if "$ref" in member:
        return "rule"
    choices = [_type(as_object(one)) for one in as_list(member.get("anyOf"))]
    if choices:
        return " or ".join(one for one in choices if one)
    kinds = [str(one) for one in as_list(member.get("type")) or [member.get("type")] if one != "null"]
    of = _type(as_object(member["items"])) if "items" in member else ""
    bounds = "".join(f" {sign} {member[key]}" for key, sign in (("minimum", ">="), ("maximum", "<=")) if key in member)
    return ", ".join(kinds) + (f" of {of}" if of else "") + bounds


def _says(member: Mapping[str, object]) -> str:
    return str(member.get("description", ""))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
