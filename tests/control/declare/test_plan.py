"""A plan tells everything that applying would do, and does nothing that it does not tell."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.control import Control, Sqlite, declare
from tallystick.control.model import DIRECTORY, FREE, Committed, Key, Mark, Put, Remove, Resource, Step
from tallystick.terms import TenantId
from tests.control.stage import ADA, BOB, RETAIL, done, opened, pin, policy, server, tenant, toolset

GIT = "git:risk"
RETAIL_KEY, RISK, DESK = Key("Tenant", "retail"), Key("Server", "risk"), Key("Toolset", "desk")


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    """Control state in a file of its own."""
    with opened(Sqlite(tmp_path / "control.db")) as control:
        yield control


def _actions(plan: declare.Plan) -> Mapping[str, str]:
    return {str(item.key): item.action for item in plan.items}


def _only(plan: declare.Plan, key: Key) -> declare.Item:
    (item,) = [item for item in plan.items if item.key == key]
    return item


def _plan(
    control: Control, *wanted: Put, owner: str = GIT, prune: bool = False, take_over: bool = False
) -> declare.Plan:
    return declare.plan(control.all(), wanted, owner, prune=prune, take_over=take_over)


def test_what_is_new_is_created_with_its_owner(control: Control) -> None:
    plan = _plan(control, tenant())
    assert _actions(plan) == {"tenant/retail": "create"}
    done(control, *plan.changes)
    found = control.get(RETAIL_KEY)
    assert found is not None
    assert found.owner == GIT
    assert _plan(control, tenant()).changes == ()


def test_a_change_is_told_field_by_field(control: Control) -> None:
    spec = {"risk": "low", "operation": "read"}
    done(control, *_plan(control, tenant(), server(tools={"a": spec, "b": spec}), owner=DIRECTORY).changes)
    wanted = server(tools={"a": spec | {"risk": "high"}, "c": spec}, limits={"in_flight": 2})
    item = _only(_plan(control, tenant(), wanted, owner=DIRECTORY), RISK)
    assert item.action == "change"
    assert item.differences == (
        declare.Difference("/spec/limits", None, {"in_flight": 2}),
        declare.Difference("/spec/tools/a/risk", "low", "high"),
        declare.Difference("/spec/tools/b", spec, None),
        declare.Difference("/spec/tools/c", None, spec),
    )


def test_what_is_as_it_should_be_is_unchanged_however_it_is_written(control: Control) -> None:
    done(control, *_plan(control, tenant(), owner=DIRECTORY).changes)
    wanted = Put("Tenant", "retail", RETAIL, {"parent": None, "jurisdiction": "DE", "title": "Retail"})
    assert _actions(_plan(control, wanted, owner=DIRECTORY)) == {"tenant/retail": "unchanged"}


def test_another_owners_resource_is_a_conflict_and_stays_as_it_is(control: Control) -> None:
    done(control, replace(tenant(), owner="git:other"))
    plan = _plan(control, tenant(title="Mine"))
    item = _only(plan, RETAIL_KEY)
    assert (item.action, plan.changes) == ("conflict", ())
    assert plan.conflicts == (item,)
    assert "belongs to git:other" in item.note
    assert declare.Difference("/spec/title", "Retail", "Mine") in item.differences


def test_taking_over_is_told_and_done_when_asked_for(control: Control) -> None:
    done(control, replace(tenant(), owner="git:other"))
    plan = _plan(control, tenant(title="Mine"), take_over=True)
    assert "taken over from git:other" in _only(plan, RETAIL_KEY).note
    done(control, *plan.changes)
    found = control.get(RETAIL_KEY)
    assert found is not None
    assert (found.owner, found.spec["title"]) == (GIT, "Mine")


def test_what_somebody_took_over_shows_up_as_a_conflict(control: Control) -> None:
    done(control, *_plan(control, tenant()).changes)
    done(control, replace(tenant(title="Theirs"), owner="git:other", take_over=True), actor=BOB)
    assert _only(_plan(control, tenant()), RETAIL_KEY).action == "conflict"


def test_what_somebody_changed_and_left_free_has_drifted_and_is_put_back(control: Control) -> None:
    done(control, *_plan(control, tenant()).changes)
    done(control, replace(tenant(title="By hand"), owner=FREE, take_over=True), actor=BOB)
    plan = _plan(control, tenant())
    item = _only(plan, RETAIL_KEY)
    assert item.action == "drift"
    assert declare.Difference("/spec/title", "By hand", "Retail") in item.differences
    done(control, *plan.changes)
    assert _actions(_plan(control, tenant())) == {"tenant/retail": "unchanged"}


def test_a_free_resource_that_is_the_same_is_only_adopted(control: Control) -> None:
    done(control, tenant())
    item = _only(_plan(control, tenant()), RETAIL_KEY)
    assert (item.action, item.differences) == ("change", (declare.Difference("/owner", None, GIT),))


def test_nothing_is_removed_unless_pruning_was_asked_for(control: Control) -> None:
    done(control, *_plan(control, tenant(), policy()).changes)
    kept = _plan(control, tenant())
    assert (_actions(kept)["policy/all"], kept.changes) == ("unchanged", ())
    assert "declared no longer" in _only(kept, Key("Policy", "all")).note
    pruned = _plan(control, tenant(), prune=True)
    assert _actions(pruned)["policy/all"] == "remove"
    done(control, *pruned.changes)
    assert control.get(Key("Policy", "all")) is None


def test_pruning_takes_nothing_of_anybody_else(control: Control) -> None:
    done(control, replace(tenant("other"), owner="git:other"), tenant("free"))
    assert _actions(_plan(control, tenant(), prune=True)) == {"tenant/retail": "create"}
    assert _plan(control, owner=FREE, prune=True).items == ()


def test_what_others_refer_to_is_removed_after_them(control: Control) -> None:
    wanted = (tenant(), server(), toolset("desk", "risk"))
    done(control, *_plan(control, *wanted, owner=DIRECTORY).changes)
    plan = _plan(control, owner=DIRECTORY, prune=True)
    assert [change.key for change in plan.changes] == [DESK, RISK, RETAIL_KEY]
    done(control, *plan.changes)
    assert control.all() == {}


def test_a_plan_that_is_late_overwrites_nobody(control: Control) -> None:
    done(control, *_plan(control, tenant()).changes)
    late = _plan(control, tenant(title="Late"))
    done(control, replace(tenant(title="Sooner"), owner=GIT), actor=BOB)
    assert not isinstance(control.commit(late.changes, ADA), Committed)
    found = control.get(RETAIL_KEY)
    assert found is not None
    assert found.spec["title"] == "Sooner"


def test_a_suspended_server_stays_suspended_and_its_drift_is_told(control: Control) -> None:
    done(control, *_plan(control, tenant(), server(), owner=DIRECTORY).changes)
    done(control, Step(RISK, "suspended", "leaks"), actor=BOB)
    plan = _plan(control, tenant(), server(), owner=DIRECTORY)
    item = _only(plan, RISK)
    assert (item.action, plan.changes) == ("drift", ())
    assert "is suspended, declared approved" in item.note


def test_the_directory_suspends_by_another_word(control: Control) -> None:
    done(control, *_plan(control, tenant(), server(), owner=DIRECTORY).changes)
    plan = _plan(control, tenant(), replace(server(), state="suspended"), owner=DIRECTORY)
    assert _only(plan, RISK).differences == (declare.Difference("/spec/state", "approved", "suspended"),)
    done(control, *plan.changes)
    found = control.get(RISK)
    assert found is not None
    assert found.state == "suspended"


def test_a_pin_takes_the_tenant_of_its_server(control: Control) -> None:
    done(control, *_plan(control, tenant(), server(), owner=DIRECTORY).changes)
    wanted = replace(pin("risk", "pay"), tenant=TenantId(""))
    plan = _plan(control, tenant(), server(), wanted, owner=DIRECTORY)
    assert _only(plan, Key("Pin", "risk")).tenant == RETAIL


def test_a_pin_that_no_file_made_goes_only_with_its_server(control: Control) -> None:
    done(control, *_plan(control, tenant(), server(), owner=DIRECTORY).changes)
    done(control, Mark(Key("Pin", "risk"), {"observed": {"digest": "sha256:0", "at": "", "spec": {}}}))
    assert _plan(control, tenant(), server(), owner=DIRECTORY, prune=True).changes == ()
    removed = _plan(control, tenant(), owner=DIRECTORY, prune=True).changes
    assert {str(change.key) for change in removed} == {"pin/risk", "server/risk"}
    assert all(isinstance(change, Remove) for change in removed)


def _secret(**spec: object) -> Put:
    return Put("Secret", "hook", TenantId(""), spec)


def test_a_secrets_value_is_in_no_plan(control: Control) -> None:
    first = _plan(control, _secret(value="s3cret"))
    done(control, *first.changes)
    second = _plan(control, _secret(value="n3w"))
    for plan in (first, second):
        assert "s3cret" not in declare.tell(plan) + repr(plan.items)
        assert "n3w" not in declare.tell(plan) + repr(plan.items)
    assert _only(second, Key("Secret", "hook")).action == "change"
    done(control, *second.changes)
    assert control.secret("hook") == b"n3w"


def test_a_secret_without_a_value_stays_as_it_is(control: Control) -> None:
    done(control, *_plan(control, _secret(value="s3cret")).changes)
    assert _actions(_plan(control, _secret())) == {"secret/hook": "unchanged"}


def test_a_secret_without_a_value_that_is_not_there_is_told(control: Control) -> None:
    plan = _plan(control, _secret())
    assert (plan.changes, plan.items[0].action) == ((), "conflict")
    assert "has no value" in plan.items[0].note


def test_exported_documents_hold_no_value_of_a_secret_and_no_status(control: Control) -> None:
    done(control, *_plan(control, tenant(), server(), _secret(value="s3cret"), owner=DIRECTORY).changes)
    text = declare.to_yaml(declare.to_documents(control.all().values()))
    assert "s3cret" not in text
    assert "status" not in text
    assert "version" not in text.replace("apiVersion", "")


def test_documents_are_exported_in_the_order_of_kinds_and_names(control: Control) -> None:
    done(control, policy(), toolset("desk", "risk"), server("risk"), server("bank"), tenant())
    names = [(one["kind"], one["metadata"]) for one in declare.to_documents(control.all().values())]
    assert [kind for kind, _ in names] == ["Tenant", "Server", "Server", "Toolset", "Policy"]
    assert names[1][1] == {"name": "bank", "tenant": "retail"}


def test_a_state_other_than_approved_is_exported() -> None:
    resource = Resource("Server", "risk", RETAIL, {"title": "x"}, {}, "", "suspended", 1, 1, "", "", {})
    (document,) = declare.to_documents([resource])
    assert document["spec"] == {"title": "x", "state": "suspended"}


def test_of_a_secret_only_its_name_is_exported_whatever_stands_in_it() -> None:
    for spec in ({"set": True}, {"value": "s3cret"}):
        resource = Resource("Secret", "hook", RETAIL, spec, {}, "", "approved", 1, 1, "", "", {})
        (document,) = declare.to_documents([resource])
        assert (document["metadata"], document["spec"]) == ({"name": "hook", "tenant": "retail"}, {})


def test_what_another_owner_has_as_it_is_wanted_is_no_conflict_to_who_claims_nothing(control: Control) -> None:
    done(control, *_plan(control, tenant(), owner=DIRECTORY).changes)
    same = _plan(control, tenant(), owner=FREE)
    assert (_actions(same), same.changes) == ({"tenant/retail": "unchanged"}, ())
    assert _only(same, RETAIL_KEY).note == "belongs to directory"
    assert _actions(_plan(control, tenant(title="Ours"), owner=FREE)) == {"tenant/retail": "conflict"}
    assert _actions(_plan(control, tenant(), owner=GIT)) == {"tenant/retail": "conflict"}
