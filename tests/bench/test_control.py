"""The bench of control state measures what it says, on a small state."""

from bench.control import compare, measure, table


def test_a_small_state_is_compiled_whole_changed_and_listed() -> None:
    rows = measure(4, 10, 8)
    named = [row.what for row in rows]
    assert {"everything, the first time", "one pin is another, worst"} <= set(named)
    assert "a toolset of 40 tools, built when first asked for" in named
    assert all(row.value >= 0 for row in rows)
    assert table(rows).count("\n") == len(rows) + 1


def test_both_ways_of_compiling_policies_are_measured_on_the_same_ones() -> None:
    assert [row.what for row in compare(2, 2, 4)] == ["policies alone, the plain way", "policies alone, as it is"]
