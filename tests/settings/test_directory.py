"""The configuration directory is read whole, bounded, and never outside of itself."""

import os
from pathlib import Path

from tallystick.settings import Problem, fingerprint, read_directory
from tallystick.settings.directory import FILE_BYTES


def _problems(path: Path) -> list[str]:
    answer = read_directory(path)
    assert isinstance(answer, tuple)
    return [str(problem) for problem in answer]


def test_only_configuration_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "servers").mkdir()
    (tmp_path / ".git").mkdir()
    for name in (
        "servers/b.yaml",
        "servers/a.yaml",
        "tally.yaml",
        "notes.md",
        ".hidden.yaml",
        ".git/x.yaml",
        "p.cedar",
    ):
        (tmp_path / name).write_text(name)
    answer = read_directory(tmp_path)
    assert not isinstance(answer, tuple)
    assert dict(answer) == {
        "p.cedar": b"p.cedar",
        "tally.yaml": b"tally.yaml",
        "servers/a.yaml": b"servers/a.yaml",
        "servers/b.yaml": b"servers/b.yaml",
    }


def test_a_missing_directory_says_what_to_do(tmp_path: Path) -> None:
    assert "create it or set TALLY_CONFIG" in _problems(tmp_path / "none")[0]
    assert fingerprint(tmp_path / "none") == ""


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "config"
    inside.mkdir()
    (tmp_path / "secret.yaml").write_text("a: 1")
    (inside / "x.yaml").symlink_to(tmp_path / "secret.yaml")
    assert "leads out of the configuration directory" in _problems(inside)[0]


def test_a_linked_directory_that_leads_out_is_not_entered(tmp_path: Path) -> None:
    inside, outside = tmp_path / "config", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "x.yaml").write_text("a: 1")
    (inside / "servers").symlink_to(outside)
    assert read_directory(inside) == {}


def test_links_inside_are_followed_as_a_mounted_config_map_has_them(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "tally.yaml").write_text("a: 1")
    (tmp_path / "tally.yaml").symlink_to(Path("..data") / "tally.yaml")
    assert read_directory(tmp_path) == {"tally.yaml": b"a: 1"}


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b" " * (FILE_BYTES + 1))
    assert f"larger than {FILE_BYTES} bytes" in _problems(tmp_path)[0]


def test_a_named_pipe_does_not_stop_the_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.yaml")
    assert read_directory(tmp_path) == {"x.yaml": b""}


def test_a_broken_link_is_a_problem_and_all_problems_are_told(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    assert len(_problems(tmp_path)) == 2


def test_the_fingerprint_changes_with_content_and_names_and_not_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("a: 1")
    before = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == before
    (tmp_path / "notes.md").write_text("not configuration")
    assert fingerprint(tmp_path) == before
    file.write_text("a: 1234")
    changed = fingerprint(tmp_path)
    file.rename(tmp_path / "y.yaml")
    assert len({before, changed, fingerprint(tmp_path)}) == 3


def test_a_problem_names_the_nearest_known_name() -> None:
    problem = Problem.unknown(("x.yaml", "tenant"), "tenant", "retial", ["retail", "group"])
    assert str(problem) == 'x.yaml: tenant: there is no tenant "retial"; did you mean "retail"?'
    assert Problem.unknown(("x.yaml", ""), "tenant", "zzz", ["retail", "group"]).remedy == "known: group, retail"
    assert Problem.unknown(("x.yaml", ""), "tenant", "zzz", []).remedy == "there is no tenant yet"
