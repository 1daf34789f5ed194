"""What is published about resources is what the table of kinds says."""

import json
import re
from pathlib import Path

import pytest

from tallystick.registry.kinds import KINDS, schemas
from tallystick.registry.plain import as_object
from tallystick.settings import parse_document

REFERENCE = Path(__file__).resolve().parents[3] / "docs/reference"
PAGE = (REFERENCE / "resources.md").read_text()


@pytest.mark.parametrize("name", schemas())
def test_the_published_schema_is_the_one_of_the_code(name: str) -> None:
    assert json.loads((REFERENCE / "schemas" / name).read_text()) == schemas()[name], "run `make docs`"


def test_no_other_schema_is_published() -> None:
    assert {path.name for path in (REFERENCE / "schemas").iterdir()} == set(schemas())


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_has_a_heading_for_the_kind_and_a_row_for_each_field(kind: str) -> None:
    section = PAGE.partition(f"\n## {kind}\n")[2].partition("\n## ")[0]
    for name in as_object(KINDS[kind].spec["properties"]):
        assert f"| `{name}` |" in section


def test_the_examples_of_the_page_are_yaml_that_is_read() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert isinstance(parse_document("example.yaml", block.encode()), dict)
