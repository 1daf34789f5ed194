"""Each rule of test_architecture.py and test_docs.py is seen to break: one planted violation, one finding."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests import test_architecture, test_docs
from tests.rules import docs
from tests.rules.plant import small_tree, write
from tests.rules.source import Violation

WIRE = "src/tallystick/wire"
DOOR = '"""Wire. It must never sleep."""\n\nfrom tallystick.wire.words import word\n\n__all__ = ["word"]\n'

# rule -> ((file, its new text, a part of the finding), ...)
PLANTED: dict[str, tuple[tuple[str, str, str], ...]] = {
    "a door says what the room is and shows few names": (
        (f"{WIRE}/__init__.py", DOOR.replace("It must never sleep.", ""), "must never be in it"),
        (f"{WIRE}/__init__.py", DOOR.replace('["word"]', str([f"word{n}" for n in range(13)])), "has 13"),
        (f"{WIRE}/__init__.py", DOOR.replace("__all__", "names"), "has None"),
        (f"{WIRE}/__init__.py", DOOR + "\n\ndef more() -> None: ...\n", "nothing but a docstring"),
    ),
    "a room is entered by its door": (
        (f"{WIRE}/more.py", "from tallystick.terms.words import word\n", "use the door"),
        (f"{WIRE}/more.py", "import tallystick.terms.words\n", "use the door"),
        (f"{WIRE}/more.py", "def late():\n    from tallystick.terms import words\n", "does not show"),
    ),
    "files and functions are short": (
        (f"{WIRE}/long.py", "x = 1\n" * 501, "501 lines"),
        ("tests/wire/test_long.py", "x = 1\n" * 501, "501 lines"),
        (f"{WIRE}/long.py", "def long():\n" + "    x = 1\n" * 60, "61 lines"),
    ),
    "packages are small": (
        *((f"{WIRE}/many{n}.py", "", "") for n in range(8)),
        (f"{WIRE}/many8.py", "", "11 files"),
        (f"{WIRE}/large.py", "x = 1\n" * 2_500, "lines, at most 2500"),
    ),
    "every room has tests": (("src/tallystick/policy/__init__.py", DOOR, "tests/policy"),),
    "models are frozen": (
        (f"{WIRE}/model.py", "@dataclass\nclass Open: ...\n", "Open"),
        (f"{WIRE}/model.py", "@dataclasses.dataclass(frozen=True)\nclass Open: ...\n", "Open"),
    ),
    "settings are few and explained": (
        ("src/tallystick/settings/model.py", 'class A:\n    """A."""\n    port: int = 1\n    host: str = ""\n', "port"),
        ("src/tallystick/settings/model.py", "class A:\n" + '    x: int = 1\n    """Why."""\n' * 11, "11 fields"),
    ),
    "names come from the field": (
        (f"{WIRE}/utils.py", "", "utils"),
        (f"{WIRE}/more.py", "class TokenManager: ...\n", "TokenManager"),
        (f"{WIRE}/more.py", "def process_user_data(): ...\n", "process_user_data"),
        (f"{WIRE}/more.py", "def decide(info): ...\n", "info"),
        (f"{WIRE}/more.py", "self.services = 1\n", "services"),
        (f"{WIRE}/more.py", "import json as base\n", "base"),
    ),
    "a suppression has a code and a reason": (
        (f"{WIRE}/more.py", "x = 1  # " + "noqa\n", "no code"),
        (f"{WIRE}/more.py", "x = 1  # " + "noqa: S105\n", "no reason"),
        ("tests/wire/test_more.py", "x = 1  # type: " + "ignore[misc]\n", "no reason"),
        (f"{WIRE}/more.py", "x = 1  # pyright: " + "ignore\n", "no code"),
    ),
    "no file names a machine, a registry or a ticket": (
        ("docs/a.md", "see " + "/home/" + "ada/notes", "one machine"),
        ("Makefile", "pip install --index-url https://" + "pypi." + "org/simple", "host"),
        (f"{WIRE}/more.py", "# see issue " + "#12\n", "ticket"),
    ),
    "a library has one door": (
        (f"{WIRE}/more.py", "import cedarpy\n", "allowed: policy"),
        (
            f"{WIRE}/more.py",
            "def late():\n    from cryptography import x509\n",
            "allowed: audit, control, gateway, identity",
        ),
        (f"{WIRE}/more.py", "import requests\n", "no room yet"),
    ),
    "dependencies, doors and docs agree": (
        ("pyproject.toml", '[project]\ndependencies = ["requests>=2"]\n', "requests"),
        ("docs/dependencies.md", "| a | b |\n| --- | --- |\n| `anyio` | every room |\n", "cedarpy"),
        ("docs/dependencies.md", "| a | b |\n| --- | --- |\n| `cedarpy` | `wire` |\n", "says ['wire']"),
    ),
    "locks have hashes and no addresses": (
        ("requirements.lock", "anyio==4.0\n", "no hash"),
        ("requirements.lock", "--index-url https://example.org\n", "address"),
        ("requirements.lock", "anyio==4.0 --hash=sha256:0\n", "cedarpy is missing"),
        ("examples/npm/package-lock.json", '{"packages": {"node_modules/a": {}}}', "integrity"),
    ),
}


def test_every_rule_has_a_planted_violation() -> None:
    assert set(PLANTED) == set(test_architecture.RULES)


@pytest.mark.parametrize("name", test_architecture.RULES)
def test_the_rule_is_silent_on_a_tree_that_keeps_it(name: str, tmp_path: Path) -> None:
    assert list(test_architecture.RULES[name](small_tree(tmp_path))) == []


def test_a_name_that_python_gives_is_no_finding(tmp_path: Path) -> None:
    write(small_tree(tmp_path), f"{WIRE}/more.py", "class Peer:\n    def data_received(self, data): ...\n")
    assert list(test_architecture.RULES["names come from the field"](tmp_path)) == []


@pytest.mark.parametrize("name", PLANTED)
def test_the_rule_bites(name: str, tmp_path: Path) -> None:
    small_tree(tmp_path)
    for where, text, expected in PLANTED[name]:
        write(tmp_path, where, text)
        found = [str(violation) for violation in test_architecture.RULES[name](tmp_path)]
        assert not expected or any(expected in finding for finding in found), f"{where}: {expected} not in {found}"


@pytest.mark.parametrize(
    ("readme", "expected"),
    [
        ("```\nx\n```\n", "'' is none of"),
        ("```sh\nmake demo\n```\n", "'sh' is none of"),
        ("```text\n$ make demo\n```\n", "hides"),
    ],
)
def test_a_fence_without_a_known_language_is_found(readme: str, expected: str, tmp_path: Path) -> None:
    write(small_tree(tmp_path), "README.md", readme)
    assert expected in _only(docs.fences(tmp_path))


@pytest.mark.parametrize(
    ("readme", "expected"),
    [
        ("See [this](docs/nothing.md).", "leads nowhere"),
        ("See [this](docs/dependencies.md#nothing).", "no heading"),
        ("See [this](#nothing).", "no heading"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(readme: str, expected: str, tmp_path: Path) -> None:
    write(small_tree(tmp_path), "README.md", readme)
    assert expected in _only(docs.links(tmp_path))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("make dinner", "no such target"),
        ("tally audit tail", "not run"),
        ("python setup.py", "nothing runs"),
        ("tally demo | tee out", "one plain command"),
        ("tally up", "no such test"),
    ],
)
def test_a_command_that_nothing_runs_is_found(command: str, expected: str, tmp_path: Path) -> None:
    write(small_tree(tmp_path), "README.md", f"```bash\n{command}\n```\n")
    assert expected in _only(docs.proofs(tmp_path, {"tally up": "tests/wire/test_words.py::test_nothing"}))


def test_a_command_with_its_proof_is_accepted(tmp_path: Path) -> None:
    text = "```bash\ntally up\nmake check\n```\n\n```console\n$ tally --help\nUsage\n```\n"
    write(small_tree(tmp_path), "README.md", text)
    proof = {"tally up": "tests/wire/test_words.py::test_the_word_is_said"}
    assert list(docs.proofs(tmp_path, proof)) == []


@pytest.mark.parametrize(
    ("expected", "output", "same"),
    [
        ("a\nb", "a\nb", True),
        ("a\nb", "a\nc", False),
        ("a\n...\nc", "a\nb\nb\nc", True),
        ("a\n...", "a\nb", True),
        ("a\n...\nd", "a\nb\nc", False),
        ("a", "a\nb", False),
    ],
)
def test_shown_output_is_compared_with_the_real_one(expected: str, output: str, same: bool) -> None:  # noqa: FBT001 - a table's column
    assert docs.matches(expected, output) is same


@pytest.mark.parametrize(
    ("command", "expected", "found"),
    [
        ("tally --help", "Usage: tally [OPTIONS] COMMAND [ARGS]...\n...", ""),
        ("tally --help", "Usage: tally [NOTHING]\n...", "prints something else"),
        ("tally dinner --help", "...", "ended with 2"),
    ],
)
def test_a_shown_command_is_run(command: str, expected: str, found: str, tmp_path: Path) -> None:
    said = [str(violation) for violation in docs.run(docs.Command("README.md", 1, command, expected), tmp_path)]
    assert found in "".join(said)
    assert bool(said) == bool(found)


def test_a_word_that_is_defined_twice_is_found(tmp_path: Path) -> None:
    write(tmp_path, "docs/glossary.md", "| word | meaning |\n| --- | --- |\n| leaf | a |\n| tile | b |\n| leaf | c |\n")
    assert "'leaf' stands after 'tile'" in _only(docs.glossary(tmp_path))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("0001-a.md", "**Decision.** **Why.** **Rejected.**", "does not say: Check"),
        ("0002-b.md", "**Decision.** **Why.** **Rejected.** **Check.**", "is not in docs/adr/README.md"),
    ],
)
def test_a_decision_record_without_a_check_is_found(name: str, text: str, expected: str, tmp_path: Path) -> None:
    write(tmp_path, "docs/adr/README.md", "[A](0001-a.md)")
    write(tmp_path, f"docs/adr/{name}", text)
    assert expected in _only(docs.decision_records(tmp_path))


def test_the_documents_of_this_repository_are_looked_at() -> None:
    assert (test_docs.ROOT / "README.md") in docs.documents(test_docs.ROOT)


def _only(violations: Iterable[Violation]) -> str:
    found = list(violations)
    assert len(found) == 1, found
    return str(found[0])
