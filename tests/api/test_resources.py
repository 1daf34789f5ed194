"""Resources over HTTP: created, read, changed, removed; nobody's change is lost."""

import pytest

from tallystick.remote import RemoteError
from tallystick.remote.messages.asked import Dry
from tallystick.remote.messages.resources import Metadata, Resource
from tests.api.stage import Stage


def test_what_was_put_is_read_with_its_etag(stage: Stage) -> None:
    client = stage.client("owner-of-bank")
    agent = Resource("Agent", Metadata("reader", "bank", {"team": "ops"}), {"title": "Reader", "purpose": "reads"})
    put = client.put(agent)
    got = client.get("Agent", "reader")
    assert (got.etag, got.resource) == (put.etag, put.resource)
    assert got.resource.metadata.labels == {"team": "ops"}
    assert got.resource.metadata.version == 1


def test_a_change_without_the_etag_is_refused_and_one_with_an_old_etag_too(stage: Stage) -> None:
    client = stage.client("owner-of-bank")
    agent = Resource("Agent", Metadata("writer", "bank"), {"title": "Writer", "purpose": "writes"})
    first = client.put(agent)
    with pytest.raises(RemoteError) as without:
        client.put(agent)
    assert without.value.reasons == ("precondition_required",)
    changed = Resource("Agent", Metadata("writer", "bank"), {"title": "Scribe", "purpose": "writes"})
    second = client.put(changed, first.etag)
    with pytest.raises(RemoteError) as stale:
        client.put(agent, first.etag)
    assert stale.value.reasons == ("version_conflict",)
    assert stale.value.problem is not None
    assert stale.value.problem.status == 412
    assert stale.value.problem.version == second.resource.metadata.version
    assert client.get("Agent", "writer").resource.spec["title"] == "Scribe"


def test_a_dry_run_changes_nothing(stage: Stage) -> None:
    client = stage.client("owner-of-bank")
    agent = Resource("Agent", Metadata("ghost", "bank"), {"title": "Ghost", "purpose": "haunts"})
    client.put(agent, how=Dry(dry_run=True))
    with pytest.raises(RemoteError) as missing:
        client.get("Agent", "ghost")
    assert missing.value.code == "not_found"
