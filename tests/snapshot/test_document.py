"""Documents have canonical bytes and a digest, wherever they were kept; a state's digest can be recomputed by hand."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tallystick.settings import Problem
from tallystick.snapshot import Compiler, Document, Snapshot, compile_snapshot, read_documents
from tests.snapshot.files import FILES


def _document(name: str, content: Mapping[str, object] | str) -> Document:
    document = Document.of(name, content)
    assert isinstance(document, Document)
    return document


def _read(files: Mapping[str, bytes]) -> Mapping[str, Document]:
    documents = read_documents(files)
    assert not isinstance(documents, tuple)
    return documents


def _digest(documents: Mapping[str, Document]) -> str:
    snapshot = Compiler().compile(documents)
    assert isinstance(snapshot, Snapshot)
    return snapshot.digest


def test_the_digest_of_a_state_is_what_sha256sum_says_of_its_canonical_files(tmp_path: Path) -> None:
    documents = _read(FILES)
    for document in documents.values():
        path = tmp_path / document.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(document.canonical())
    script = "find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum | sha256sum"
    told = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert _digest(documents) == f"sha256:{told.stdout.split()[0]}"
    assert _digest(_read({path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.*")}))


def test_what_was_exported_is_the_state_it_came_from() -> None:
    documents = _read(FILES)
    assert _digest(_read({entry.path: entry.canonical() for entry in documents.values()})) == _digest(documents)


@pytest.mark.parametrize(
    ("name", "said", "same"),
    [
        ("servers/a.yaml", {"tenant": "t"}, {"name": "a", "tenant": "t"}),
        ("servers/a.yaml", {"tenant": "t"}, {"tenant": "t", "state": "approved"}),
        ("grants/a.yaml", {"tenant": "t"}, {"name": "a", "tenant": "t", "state": "approved"}),
        ("pins/a.json", {"tools": []}, {"server": "a", "tools": []}),
        ("tenants/a.yaml", {"title": "x", "parent": "b"}, {"parent": "b", "title": "x"}),
    ],
)
def test_what_goes_without_saying_makes_no_other_document(
    name: str, said: Mapping[str, object], same: Mapping[str, object]
) -> None:
    assert _document(name, said).digest == _document(name, same).digest


@pytest.mark.parametrize("state", ["draft", "in_review", "suspended", "retired"])
def test_another_state_makes_another_document(state: str) -> None:
    plain = {"tenant": "t"}
    assert _document("servers/a.yaml", plain).digest != _document("servers/a.yaml", {**plain, "state": state}).digest


def test_the_language_of_a_file_makes_no_other_state() -> None:
    toml = {name: raw for name, raw in FILES.items() if name != "tenants/group.yaml"}
    assert _digest(_read({**toml, "tenants/group.toml": b'title = "Group"\n'})) == _digest(_read(FILES))


def test_text_of_policies_counts_as_it_is() -> None:
    text = '@id("a") permit(principal, action, resource);'
    assert _document("policies/a.cedar", text).canonical() == text.encode()
    assert _document("policies/a.cedar", text).digest != _document("policies/a.cedar", text + "\n").digest


@pytest.mark.parametrize("content", [{"title": 2**60}, {"title": "\ud800"}, "\ud800"])
def test_what_has_no_canonical_form_is_a_problem_of_its_file(content: Mapping[str, object] | str) -> None:
    problem = Document.of("tenants/a.yaml", content)
    assert isinstance(problem, Problem)
    assert (problem.file, bool(problem.remedy)) == ("tenants/a.yaml", True)
    assert "has no canonical form" in problem.what


def test_every_file_that_cannot_be_read_is_told() -> None:
    answer = compile_snapshot({**FILES, "tenants/x.yaml": b"a: [", "policies/x.cedar": b"\xff"})
    assert isinstance(answer, tuple)
    assert [problem.file for problem in answer] == ["policies/x.cedar", "tenants/x.yaml"]
