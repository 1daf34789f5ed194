"""Plan, apply and export over HTTP: what is shown is what is done, and nothing beyond the caller's rights."""

import pytest

from tallystick.remote import RemoteError
from tallystick.remote.messages.asked import Documents, Export
from tests.api.stage import Stage


def document(kind: str, name: str, tenant: str = "bank", **spec: object) -> dict[str, object]:
    """Return one document."""
    metadata = {"name": name, "tenant": tenant}
    return {"apiVersion": "tallystick.dev/v1", "kind": kind, "metadata": metadata, "spec": spec}


def test_a_plan_says_what_applying_does_and_changes_nothing(stage: Stage) -> None:
    client, head = stage.client("owner-of-bank"), stage.control.head()
    wanted = Documents([document("Agent", "planned", title="One")], owner="git:ops")
    plan = client.plan(wanted)
    assert [(item.action, item.name) for item in plan.items] == [("create", "planned")]
    assert "planned" in plan.text
    assert stage.control.head() == head
    applied = client.apply(wanted)
    assert [item.action for item in applied.items] == ["create"]
    assert applied.revision == stage.control.head()
    assert [item.action for item in client.plan(wanted).items] == ["unchanged"]


def test_what_an_owner_declares_no_longer_is_removed_only_when_asked(stage: Stage) -> None:
    client = stage.client("owner-of-bank")
    both = [document("Agent", "kept", title="K"), document("Agent", "pruned", title="P")]
    client.apply(Documents(both, owner="git:prune"))
    assert [item.action for item in client.apply(Documents(both[:1], owner="git:prune")).items] == ["unchanged"] * 2
    actions = {
        item.name: item.action for item in client.apply(Documents(both[:1], owner="git:prune", prune=True)).items
    }
    assert actions == {"kept": "unchanged", "pruned": "remove"}


def test_what_another_owner_has_is_a_conflict_until_it_is_taken_over(stage: Stage) -> None:
    client = stage.client("owner-of-bank")
    client.apply(Documents([document("Agent", "owned", title="Mine")], owner="git:first"))
    theirs = Documents([document("Agent", "owned", title="Theirs")], owner="git:second")
    with pytest.raises(RemoteError) as refused:
        client.apply(theirs)
    assert refused.value.reasons == ("owned_elsewhere",)
    taking = Documents(theirs.documents, owner="git:second", take_over=True)
    assert [item.action for item in client.apply(taking).items] == ["change"]
    assert client.get("Agent", "owned").resource.metadata.owner == "git:second"


def test_one_right_that_is_missing_stops_all_of_it(stage: Stage) -> None:
    admin = stage.client("admin-of-bank")
    wanted = [document("Agent", "half", title="H"), document("Role", "mine", role="owner", people=["admin-of-bank"])]
    with pytest.raises(RemoteError) as refused:
        admin.apply(Documents(wanted))
    assert refused.value.reasons == ("role_missing",)
    with pytest.raises(RemoteError) as missing:
        admin.get("Agent", "half")
    assert missing.value.code == "not_found"


def test_another_tenants_resources_are_neither_changed_nor_shown(stage: Stage) -> None:
    stage.put("Agent", "foreign", "fund", {"title": "Fund's"})
    client = stage.client("owner-of-bank")
    for wanted in (document("Agent", "foreign", title="Mine"), document("Agent", "foreign", "fund", title="Mine")):
        with pytest.raises(RemoteError) as refused:
            client.plan(Documents([wanted]))
        assert refused.value.reasons == ("name_taken",)
    names = {str(found["metadata"]) for found in client.export().documents}
    assert not [name for name in names if "foreign" in name]


def test_what_is_exported_and_applied_again_changes_nothing(stage: Stage) -> None:
    stage.approved("round", "bank")
    client = stage.client("owner-of-bank")
    exported = client.export(Export(tenant="bank", kind="Agent"))
    assert exported.documents
    again = client.plan(Documents(exported.documents))
    assert {item.action for item in again.items} <= {"unchanged", "conflict", "drift"}


def test_documents_that_cannot_be_read_are_told_by_their_number_and_field(stage: Stage) -> None:
    wanted = [document("Agent", "fine"), document("Agent", "broken", colour="red"), document("Gadget", "what")]
    with pytest.raises(RemoteError) as refused:
        stage.client("owner-of-bank").plan(Documents(wanted))
    assert refused.value.problem is not None
    places = {(place.where, place.field) for place in refused.value.problem.errors}
    assert places == {("document 2", "spec.colour"), ("document 3", "kind")}


def test_pruning_takes_the_right_to_remove(stage: Stage) -> None:
    stage.client("owner-of-bank").apply(Documents([document("Agent", "stays", title="S")], owner="git:stays"))
    with pytest.raises(RemoteError) as refused:
        stage.client("reviewer-of-bank").apply(Documents([], owner="git:stays", prune=True))
    assert refused.value.reasons == ("role_missing",)
    assert stage.client("owner-of-bank").get("Agent", "stays")
