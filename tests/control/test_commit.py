"""What a commit does: versions, owners, problems, and all of it or nothing."""

from dataclasses import replace

import pytest

from tallystick.control import Control, Postgres, Sqlite
from tallystick.control.entries import Where
from tallystick.control.model import Committed, Conflict, Key, Mark, Put, Remove, Step
from tallystick.terms import TenantId
from tests.control.stage import ADA, BOB, RETAIL, done, opened, pin, policy, publish, server, tenant, toolset

RISK = Key("Server", "risk")


def test_each_change_is_a_revision_and_a_version(control: Control) -> None:
    done(control, tenant())
    done(control, server())
    changed = done(control, server(title="Risk desk"))
    assert (changed.revision, control.head()) == (3, 3)
    found = control.get(RISK)
    assert found is not None
    assert (found.version, found.revision, found.spec["title"], found.owner) == (2, 3, "Risk desk", "directory")
    assert found.created < found.changed


def test_what_changes_nothing_is_no_revision(control: Control) -> None:
    done(control, tenant(), server())
    again = done(control, tenant(), server())
    assert (again.revision, again.changes, control.head()) == (1, (), 1)
    assert len(control.history()) == 2


def test_a_change_against_an_older_version_is_refused_and_told_the_newer_one(control: Control) -> None:
    done(control, tenant(), server())
    done(control, server(title="First"))
    outcome = control.commit([replace(server(title="Second"), expected=1)], BOB)
    assert isinstance(outcome, Conflict)
    assert (outcome.why, outcome.version) == ("version", 2)
    found = control.get(RISK)
    assert found is not None
    assert found.spec["title"] == "First"


LATE = (Remove(RISK, owner="directory", expected=7), Step(RISK, "suspended", "x", expected=7))


@pytest.mark.parametrize("change", LATE)
def test_removals_and_steps_keep_to_versions_too(control: Control, change: Remove | Step) -> None:
    done(control, tenant(), server())
    outcome = control.commit([change], ADA)
    assert isinstance(outcome, Conflict)
    assert outcome.why == "version"


def test_creating_what_is_there_is_a_conflict_of_versions(control: Control) -> None:
    done(control, tenant(), server())
    outcome = control.commit([replace(server(), expected=0)], ADA)
    assert isinstance(outcome, Conflict)
    assert (outcome.why, outcome.version) == ("version", 1)


def test_a_name_that_comes_back_goes_on_with_its_versions(control: Control) -> None:
    done(control, tenant(), toolset("desk", "risk"), server())
    done(control, replace(toolset("desk", "risk"), labels={"a": "b"}))
    done(control, Remove(Key("Toolset", "desk")))
    done(control, toolset("desk", "risk"))
    found = control.get(Key("Toolset", "desk"))
    assert found is not None
    assert found.version == 3


def test_what_is_owned_is_changed_by_its_owner_or_taken_over(control: Control) -> None:
    done(control, tenant(), server())
    mine = replace(server(title="Mine"), owner="git:risk", state=None)
    for change in (mine, Remove(RISK, owner="git:risk"), Remove(RISK)):
        outcome = control.commit([change], BOB)
        assert isinstance(outcome, Conflict)
        assert (outcome.why, "directory" in outcome.text) == ("owned", True)
    done(control, replace(mine, take_over=True))
    found = control.get(RISK)
    assert found is not None
    assert found.owner == "git:risk"


def test_what_is_free_is_adopted(control: Control) -> None:
    done(control, tenant())
    done(control, replace(tenant(), owner="git:all"))
    found = control.get(Key("Tenant", "retail"))
    assert found is not None
    assert found.owner == "git:all"


def test_what_is_missing_cannot_be_removed_moved_or_marked(control: Control) -> None:
    for change in (Remove(RISK), Step(RISK, "retired"), Mark(RISK, {"a": 1}), Mark(Key("Pin", "risk"), {"a": 1})):
        outcome = control.commit([change], ADA)
        assert isinstance(outcome, Conflict)
        assert outcome.why == "missing"


def test_what_does_not_compile_is_refused_with_every_problem(control: Control) -> None:
    done(control, tenant())
    outcome = control.commit([server(transport={"http": {}}), policy(text="permit (")], ADA)
    assert isinstance(outcome, tuple)
    assert {problem.file for problem in outcome} >= {"servers/risk.yaml"}
    assert (control.head(), control.get(RISK), len(control.outbox(10))) == (1, None, 1)


def test_one_refused_change_refuses_all_of_them(control: Control) -> None:
    done(control, tenant())
    outcome = control.commit([server(), Remove(Key("Toolset", "none"))], ADA)
    assert isinstance(outcome, Conflict)
    assert (control.head(), control.get(RISK)) == (1, None)


def test_a_resource_of_an_unknown_tenant_is_a_problem(control: Control) -> None:
    done(control, tenant())
    outcome = control.commit(
        [Put("Secret", "s", RETAIL, {"value": "v"}), replace(server(), tenant=TenantId("retial"))], ADA
    )
    assert isinstance(outcome, tuple)
    assert [(problem.file, problem.field) for problem in outcome] == [("server/risk", "metadata.tenant")]


def test_what_others_refer_to_is_not_removed(control: Control) -> None:
    done(control, tenant(), server(), policy(text='@id("a") permit (principal, action, resource == Server::"risk");'))
    outcome = control.commit([Remove(RISK, owner="directory")], ADA)
    assert isinstance(outcome, Conflict)
    assert (outcome.key, outcome.why) == (RISK, "used")
    assert "risk" in outcome.text


def test_a_tenant_that_owns_something_is_not_removed(control: Control) -> None:
    done(control, tenant(), Put("Secret", "s", RETAIL, {"value": "v"}))
    outcome = control.commit([Remove(Key("Tenant", "retail"))], ADA)
    assert isinstance(outcome, Conflict)
    assert (outcome.why, "secret/s" in outcome.text) == ("used", True)


def test_a_removal_that_brings_no_problem_of_its_own_is_told_the_problems(control: Control) -> None:
    done(control, tenant(), toolset("desk", "risk"), server())
    outcome = control.commit([Remove(Key("Toolset", "desk")), server(transport={"http": {}})], ADA)
    assert isinstance(outcome, tuple)


def test_a_plan_tells_the_same_and_writes_nothing(control: Control) -> None:
    done(control, tenant())
    planned = control.plan([server()], ADA)
    assert isinstance(planned, Committed)
    assert (planned.revision, [change.key for change in planned.changes]) == (2, [RISK])
    refused = control.plan([server(transport={"http": {}})], ADA)
    assert isinstance(refused, tuple)
    assert (control.head(), control.get(RISK), len(control.outbox(10))) == (1, None, 1)


def test_what_is_sent_cannot_be_changed_afterwards(control: Control) -> None:
    done(control, tenant())
    labels, limits = {"a": "b"}, {"timeout_s": 5}
    done(control, replace(server(limits=limits), labels=labels))
    labels["a"], limits["timeout_s"] = "c", 600
    found = control.get(RISK)
    assert found is not None
    assert (found.labels, found.spec["limits"]) == ({"a": "b"}, {"timeout_s": 5})


@pytest.mark.parametrize("spec", [{"title": float("nan")}, {"title": object()}, {"title": {1, 2}}])
def test_what_is_no_json_is_a_problem(control: Control, spec: dict[str, object]) -> None:
    outcome = control.commit([replace(tenant(), spec=spec)], ADA)
    assert isinstance(outcome, tuple)
    assert outcome[0].field == "spec"


@pytest.mark.parametrize("name", ["", "../x", "a/b", "-x", ".x", "x" * 129, "a b", "ä"])
def test_a_name_that_is_none_is_a_problem(control: Control, name: str) -> None:
    outcome = control.commit([replace(policy(), name=name)], ADA)
    assert isinstance(outcome, tuple)
    assert outcome[0].field == "name"


def test_pages_come_in_order_of_name_and_hold_what_fits(control: Control) -> None:
    done(control, tenant(), *(replace(server(name), labels={"team": name[-1]}) for name in ("c1", "a1", "b2", "d1")))
    first = control.page("Server", Where(), None, 3)
    assert ([found.name for found in first.resources], first.after) == (["a1", "b2", "c1"], "c1")
    rest = control.page("Server", Where(), first.after, 3)
    assert ([found.name for found in rest.resources], rest.after) == (["d1"], None)
    for where, names in (
        (Where(labels={"team": "1"}), ["a1", "c1", "d1"]),
        (Where(text="B2"), ["b2"]),
        (Where(tenants=frozenset({"other"})), []),
        (Where(owner=""), []),
        (Where(state="suspended"), []),
        (Where(tenants=frozenset({"retail"}), state="approved", owner="directory"), ["a1", "b2", "c1", "d1"]),
    ):
        assert [found.name for found in control.page("Server", where, None, 10).resources] == names


def test_everything_can_be_asked_for_as_it_was(control: Control) -> None:
    done(control, tenant(), server())
    done(control, server(title="Second"))
    done(control, Remove(RISK, owner="directory"))
    titles = [found and found.spec["title"] for found in (control.get(RISK, revision) for revision in (0, 1, 2, 3))]
    assert titles == [None, "Risk", "Second", None]
    assert control.documents(1).keys() == {"tenants/retail.yaml", "servers/risk.yaml"}
    assert control.documents().keys() == {"tenants/retail.yaml"}


def test_another_process_sees_the_same_and_the_history_of_everything(place: Sqlite | Postgres) -> None:
    with opened(place) as one, opened(place, "1") as other:
        done(one, tenant(), server(), why="first")
        assert other.all() == one.all()
        done(other, server(title="Second"), actor=BOB, why="second")
        done(one, Remove(RISK, owner="directory"), why="third")
        told = [(e.revision, str(e.key), e.actor.name, e.why, bool(e.before), bool(e.after)) for e in other.history()]
        assert told == [
            (1, "server/risk", "ada", "first", False, True),
            (1, "tenant/retail", "ada", "first", False, True),
            (2, "server/risk", "bob", "second", True, True),
            (3, "server/risk", "ada", "third", True, False),
        ]
        assert [entry.revision for entry in one.history(RISK, after=1)] == [2, 3]
        assert [entry.revision for entry in one.history(limit=1)] == [1, 1]
    with opened(place, "2") as later:
        assert later.get(RISK, 2) == later.history(RISK)[1].after
        assert later.all().keys() == {Key("Tenant", "retail")}


def test_unchanged_resources_are_the_same_documents(control: Control) -> None:
    done(control, tenant(), server(), pin("risk", "pay"))
    before = control.documents()
    done(control, server(title="Second"))
    after = control.documents()
    assert before["pins/risk.json"] is after["pins/risk.json"]
    assert before["servers/risk.yaml"] is not after["servers/risk.yaml"]
    assert control.documents(1)["servers/risk.yaml"].digest == before["servers/risk.yaml"].digest


def test_nothing_is_published_before_the_record_has_it(control: Control) -> None:
    done(control, tenant())
    done(control, server())
    assert control.published() == 0
    first, second = control.outbox(10)
    assert control.recorded([second.number]) == 0
    assert control.recorded([first.number]) == 2
    done(control, server(title="Second"))
    assert (control.published(), control.head(), publish(control)) == (2, 3, 3)
