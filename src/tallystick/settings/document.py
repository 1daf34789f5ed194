"""Strict parsers of YAML, TOML and JSON into plain values: dict, list, str, int, float, bool, None.

YAML is read with the YAML 1.2 core schema (section 10.3) instead of 1.1: `no` and `on` are texts, `0777` is no octal
number, a date stays a text. Duplicate keys, aliases, custom tags, other kinds of key and deep nesting are refused,
because each of them lets one document say two things to two readers.
"""

import re
import tomllib
from collections.abc import Hashable
from math import isfinite
from typing import NoReturn

import yaml

from tallystick.settings.problem import Problem
from tallystick.settings.section import as_mapping
from tallystick.terms import strict_json

DEPTH = strict_json.MAX_DEPTH


class _Loader(yaml.SafeLoader):
    """The YAML 1.2 core schema, without what can be read in two ways."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own class attribute
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            self._refuse("aliases are not supported")
        self._depth += 1
        if self._depth > DEPTH:
            self._refuse(f"nested deeper than {DEPTH}")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _refuse(self, what: str) -> NoReturn:
        mark = self.peek_event().start_mark  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped stubs
        raise yaml.MarkedYAMLError(problem=what, problem_mark=mark)  # pyright: ignore[reportUnknownArgumentType] - untyped stubs

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise yaml.MarkedYAMLError(problem="a key is not a text (quote it)", problem_mark=node.start_mark)
            if key.value in seen:
                msg = f'the key "{key.value}" is written twice'
                raise yaml.MarkedYAMLError(problem=msg, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"~|null|", "~n"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-+0123456789"),
):
    _firsts = [*_first, ""] if _tag == "null" else list(_first)
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _firsts)  # pyright: ignore[reportUnknownMemberType] - untyped in the stubs


def parse_document(name: str, raw: bytes) -> dict[str, object] | Problem:
    """Return the mapping that the file `name` holds; the suffix chooses the language. An empty YAML file is empty."""
    try:
        value = strict_json.read(raw) if name.endswith(".json") else _parse(name, raw.decode("utf-8"))
        if not _is_plain(value, DEPTH):
            what = f"holds a value that is not plain, or nests deeper than {DEPTH}"
            return Problem(name, "", what, "use texts, numbers, lists and mappings")
    except UnicodeDecodeError as error:
        return Problem(name, "", f"is not UTF-8 (byte {error.start})", "save it as UTF-8")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        return Problem(name, "", f"{error.problem or error.context}{where}", "correct the YAML")
    except yaml.YAMLError as error:
        return Problem(name, "", str(error).partition("\n")[0], "correct the YAML")
    except RecursionError:
        return Problem(name, "", "nests too deeply", f"use at most {DEPTH} levels")
    except ValueError as error:
        return Problem(name, "", str(error), "correct the syntax")
    mapping = as_mapping(value)
    if mapping is None:
        return Problem(name, "", "is not a mapping", "start with `name: value` lines")
    return dict(mapping)


def _parse(name: str, text: str) -> object:
    if name.endswith(".toml"):
        return tomllib.loads(text)
    loaded: object = yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    return {} if loaded is None else loaded


def _is_plain(value: object, depth: int) -> bool:
    if value is None or isinstance(value, str | bool | int):
        return True
    if isinstance(value, float):
        return isfinite(value)
    if depth == 0:
        return False
    if isinstance(value, list):
        return all(_is_plain(item, depth - 1) for item in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - parsed document
    mapping = as_mapping(value)
    return mapping is not None and all(_is_plain(item, depth - 1) for item in mapping.values())
