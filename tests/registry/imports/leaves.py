"""Every leaf of a document with its JSON Pointer, and documents with one leaf changed."""

import json
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import yaml

from tallystick.registry import imports
from tallystick.registry.imports.syntax import without_comments
from tallystick.terms import TenantId

SAMPLES = Path(__file__).parent / "samples"
BANK = TenantId("bank")
SECRET = "s3cr3t-value-9f8e7d6c5b4a"
Step = str | int


def format_of(sample: Path) -> str:
    """The format of a sample, which its name begins with."""
    stem = sample.name.rpartition(".")[0]
    return stem if stem in imports.FORMATS else stem.rpartition(".")[0]


def samples() -> list[Path]:
    """All samples, in order."""
    return sorted(SAMPLES.iterdir())


def load(sample: Path) -> object:
    """The sample as another parser than ours reads it."""
    text = sample.read_text()
    if sample.suffix == ".toml":
        return tomllib.loads(text)
    return yaml.safe_load(text) if sample.suffix == ".yaml" else json.loads(without_comments(text))


def children(value: object) -> list[tuple[Step, object]]:
    """What is right below a value."""
    if isinstance(value, dict):
        return [(str(key), item) for key, item in value.items()]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    return list(enumerate(value)) if isinstance(value, list) else []  # pyright: ignore[reportUnknownArgumentType] - JSON


def leaves(value: object, path: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], object]]:
    """Every leaf: what is no mapping and no list, or an empty one."""
    below = children(value)
    if not below:
        yield path, value
    for step, item in below:
        yield from leaves(item, (*path, step))


def pointer(path: tuple[Step, ...]) -> str:
    """The JSON Pointer of a path (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def changed(document: object, path: tuple[Step, ...], value: object) -> object:
    """The document with another value at a path."""
    whole = deepcopy(document)
    place = whole
    for step in path[:-1]:
        place = dict(children(place))[step]
    if isinstance(place, dict):
        place[path[-1]] = value
    elif isinstance(place, list):
        place[int(path[-1])] = value
    return whole


def is_below(place: str, above: str) -> bool:
    """Whether a place is another one, or below it. A report on the whole document covers no leaf."""
    return bool(above) and (place == above or place.startswith(above + "/"))


def read(raw: bytes, wanted: str | None) -> imports.Imported:
    """An import that has to succeed."""
    found = imports.read(raw, wanted, BANK)
    assert isinstance(found, imports.Imported), [str(problem) for problem in found]
    return found


def read_json(document: object, wanted: str) -> imports.Imported:
    """An import of a document of a format that JSON can be written for (JSON is YAML too)."""
    return read(json.dumps(document).encode(), wanted)
