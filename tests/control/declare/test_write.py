"""YAML that is written reads back as the same values, and reads well."""

import random
from collections.abc import Mapping

import pytest
import yaml

from tallystick.control import declare
from tallystick.settings import parse_document

SERVER: Mapping[str, object] = {
    "apiVersion": "tallystick.dev/v1",
    "kind": "Server",
    "metadata": {"name": "bank", "tenant": "retail"},
    "spec": {
        "transport": {"http": {"url": "https://bank.example/mcp"}},
        "tools": {"*": {"labels": ["a b", "c"], "risk": "low"}, "pay now": {}},
        "regions": [],
        "security_review": {"date": "2026-01-31"},
        "limits": {"timeout_s": 10.5, "in_flight": 4},
        "members": [{"server": "a", "tools": ["x"]}, {"server": "b"}],
        "text": "two\nlines\n",
    },
}


def test_a_document_reads_well() -> None:
    assert declare.to_yaml([SERVER]) == (
        "---\n"
        "apiVersion: tallystick.dev/v1\n"
        "kind: Server\n"
        "metadata:\n"
        "  name: bank\n"
        "  tenant: retail\n"
        "spec:\n"
        "  transport:\n"
        "    http:\n"
        "      url: https://bank.example/mcp\n"
        "  tools:\n"
        '    "*":\n'
        "      labels:\n"
        "        - a b\n"
        "        - c\n"
        "      risk: low\n"
        "    pay now: {}\n"
        "  regions: []\n"
        "  security_review:\n"
        '    date: "2026-01-31"\n'
        "  limits:\n"
        "    timeout_s: 10.5\n"
        "    in_flight: 4\n"
        "  members:\n"
        "    - server: a\n"
        "      tools:\n"
        "        - x\n"
        "    - server: b\n"
        "  text: |\n"
        "    two\n"
        "    lines\n"
    )


TEXTS = [
    *("", " ", "a", "true", "no", "Null", "~", "-", "- a", "?", ": a", "a: b", "a :b", "a #b", "#a", "a:", "a:b", "@a"),
    *("1", "1e3", "0x1f", "1_000", "01", "-1", ".5", "1:30", "2026-01-31", "=", "<<", "!a", "&a", "*a", "%a", "|", ">"),
    *(
        "'",
        '"',
        "\\",
        "a'b",
        'a"b',
        "[a]",
        "{a}",
        "a, b",
        " a",
        "a ",
        "a\tb",
        "\t",
        "a\nb",
        "a\nb\n",
        "\na",
        "a\n\nb\n",
    ),
    *("a\n ", " a\nb", "a\nb \n", "a\n\n", "\n", "a\r\nb", "---", "--- a", "...", "a\n---\nb\n", "y", "inf", ".nan"),
    *(
        "\x00",
        "\x1b",
        "\x85",
        "\xa0",
        "\u2028",
        "\ufeff",
        "\u202e",
        "é",
        "日本",
        "\U0001f600",
        "\U000e0041",
        "\ue000",
        "/a",
    ),
]


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_comes_back_as_key_and_as_value(text: str) -> None:
    document: dict[str, object] = {f"k{text}": text, "list": [text, {f"x{text}": text}], "inner": {"deep": [[text]]}}
    written = declare.to_yaml([document])
    assert parse_document("a.yaml", written.encode()) == document


@pytest.mark.parametrize("text", [text for text in TEXTS if text.isprintable()])
def test_other_readers_of_yaml_see_the_same(text: str) -> None:
    """PyYAML as it is reads YAML 1.1."""
    assert yaml.safe_load(declare.to_yaml([{"a": text}])) == {"a": text}


def _value(chance: random.Random, depth: int) -> object:
    match chance.randrange(8 if depth else 5):
        case 0:
            return chance.choice(TEXTS)
        case 1:
            return chance.choice([0, -1, 2**53 - 1, 10**6])
        case 2:
            return chance.choice([0.5, -1.25, 1e22, 1e-7, 3.0])
        case 3:
            return chance.choice([True, False])
        case 4:
            return None
        case 5:
            return [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
        case _:
            return {f"{chance.choice(TEXTS)}{n}": _value(chance, depth - 1) for n in range(chance.randrange(4))}


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_written_is_read(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - chosen tests, no secrets
    document: dict[str, object] = {f"m{n}": _value(chance, 5) for n in range(5)}
    assert parse_document("a.yaml", declare.to_yaml([document]).encode()) == document
