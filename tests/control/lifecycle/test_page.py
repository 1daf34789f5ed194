"""The reference page says what the table says."""

from pathlib import Path

from tallystick.control.lifecycle import GATES, TABLE, page

PAGE = Path(__file__).resolve().parents[3] / "docs/reference/lifecycle.md"


def test_the_page_in_the_documents_is_the_one_that_the_table_gives() -> None:
    assert PAGE.read_text().endswith(page())


def test_every_step_and_every_gate_is_on_the_page() -> None:
    written = page()
    for row in TABLE:
        assert f"| {row.verb} | `{row.source}` | `{row.target}` |" in written
    for code in GATES:
        assert f"### `{code}`" in written
    assert written.count("Not in force yet") == 1
