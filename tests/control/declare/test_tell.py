"""A plan as text: what changes, from what to what, and nothing that acts on a terminal."""

from tallystick.control import declare
from tallystick.control.declare import Difference, Item, Plan
from tallystick.control.model import Key
from tallystick.terms import TenantId

RETAIL = TenantId("retail")


def _told(*items: Item) -> str:
    return declare.tell(Plan(items, ()))


def test_each_action_has_its_sign_and_is_counted() -> None:
    assert _told(
        Item("create", Key("Server", "risk"), RETAIL, (Difference("/spec/title", None, "Risk"),)),
        Item("change", Key("Server", "bank"), RETAIL, (Difference("/spec/limits/in_flight", 4, 8),)),
        Item("remove", Key("Agent", "robot"), RETAIL),
        Item("drift", Key("Server", "desk"), RETAIL, note="is suspended, declared approved"),
        Item("conflict", Key("Policy", "all"), TenantId(""), note="belongs to git:other"),
        Item("unchanged", Key("Tenant", "retail"), RETAIL),
        Item("unchanged", Key("Role", "old"), RETAIL, note="is declared no longer"),
    ) == (
        "+ server/risk (tenant retail)\n"
        '    /spec/title: "Risk"\n'
        "~ server/bank (tenant retail)\n"
        "    /spec/limits/in_flight: 4 -> 8\n"
        "- agent/robot (tenant retail)\n"
        "! server/desk (tenant retail) drift: is suspended, declared approved\n"
        "! policy/all conflict: belongs to git:other\n"
        "  role/old (tenant retail): is declared no longer\n"
        "\n"
        "1 to create, 1 to change, 1 to remove, 1 drifted, 1 in conflict, 2 unchanged.\n"
    )


def test_nothing_to_do_is_one_line() -> None:
    assert _told(Item("unchanged", Key("Tenant", "retail"), RETAIL)) == "1 unchanged.\n"
    assert _told() == "nothing is declared.\n"


def test_a_text_of_several_lines_is_compared_line_by_line() -> None:
    before, after = "permit(a);\nforbid(b);\npermit(c);\n", "permit(a);\nforbid(x);\npermit(c);\n"
    told = _told(Item("change", Key("Policy", "all"), RETAIL, (Difference("/spec/cedar", before, after),)))
    assert "      -forbid(b);\n      +forbid(x);\n" in told
    assert "permit(a)" in told


def test_what_appears_and_what_goes_is_told() -> None:
    fields = (Difference("/spec/owner", None, {"team": "a"}), Difference("/spec/regions", ["eu", "us"], None))
    told = _told(Item("change", Key("Server", "risk"), RETAIL, fields))
    assert '/spec/owner: (nothing) -> {"team": "a"}' in told
    assert '/spec/regions: ["eu", "us"] -> (nothing)' in told


def test_long_values_and_many_fields_are_cut_and_say_so() -> None:
    fields = tuple(Difference(f"/spec/{number}", 1, 2) for number in range(300))
    assert "... and 100 more fields" in _told(Item("change", Key("Pin", "risk"), RETAIL, fields))
    cut = _told(Item("create", Key("Pin", "risk"), RETAIL, (Difference("/spec/tools", None, "x" * 999),)))
    assert "(1001 characters)" in cut
    assert len(cut) < 400


def test_nothing_that_is_declared_acts_on_a_terminal_or_turns_text_around() -> None:
    nasty = "\x1b[2J\u202e\u200b\x9b\x07"
    fields = (Difference(f"/spec/{nasty}", nasty, f"{nasty}\n{nasty}"), Difference("/spec/a", 1, nasty))
    told = _told(Item("change", Key("Server", "risk"), TenantId(nasty), fields, nasty))
    assert all(one.isprintable() or one == "\n" for one in told)
    assert "\\u202e" in told
