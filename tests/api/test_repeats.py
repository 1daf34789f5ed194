"""What is sent twice, asked page by page, followed, or changed by fifty at once."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import msgspec
import pytest

from tallystick.remote import Client, RemoteError, Versioned
from tallystick.remote.messages.asked import Documents, Listing
from tallystick.remote.messages.resources import Change, Metadata, Resource
from tests.api.stage import Stage

EDITORS = 50


def agent(name: str, **spec: object) -> dict[str, object]:
    """Return the document of an agent of the bank."""
    metadata = {"name": name, "tenant": "bank"}
    return {"apiVersion": "tallystick.dev/v1", "kind": "Agent", "metadata": metadata, "spec": spec}


def test_a_post_with_the_same_key_is_done_once(stage: Stage) -> None:
    client = stage.client("owner-of-bank")
    first = client.apply(Documents([agent("once", title="One")]), key="k-1")
    again = client.apply(Documents([agent("once", title="One")]), key="k-1")
    assert first == again
    assert again.items[0].action == "create"
    assert len(list(client.history("Agent", "once"))) == 1


def test_the_same_key_for_another_request_is_refused(stage: Stage) -> None:
    client = stage.client("owner-of-bank")
    client.apply(Documents([agent("key", title="One")]), key="k-2")
    with pytest.raises(RemoteError) as refused:
        client.apply(Documents([agent("key", title="Two")]), key="k-2")
    assert refused.value.reasons == ("idempotency_mismatch",)


def test_a_key_is_its_callers_own_and_a_refused_request_does_not_use_it_up(stage: Stage) -> None:
    owner, admin = stage.client("owner-of-bank"), stage.client("admin-of-bank")
    documents = Documents([agent("shared", title="One")])
    with pytest.raises(RemoteError):
        stage.client("auditor-of-bank").apply(documents, key="k-3")
    assert owner.apply(documents, key="k-3").items[0].action == "create"
    assert admin.apply(documents, key="k-3").items[0].action == "unchanged"


def test_pages_hold_everything_once_whatever_their_size(stage: Stage) -> None:
    client = stage.client("owner-of-bank")
    client.apply(Documents([agent(f"page-{number:02}", title="Paged") for number in range(23)]))
    for limit in (1, 7, 23, 500):
        names = [found.metadata.name for found in client.every("Agent", Listing(limit=limit, q="page-"))]
        assert names == [f"page-{number:02}" for number in range(23)]


@pytest.mark.parametrize("cursor", ["x", "AAAA", "WyJhIiwiYiJd", "é"])
def test_a_cursor_of_another_question_is_refused(stage: Stage, cursor: str) -> None:
    with pytest.raises(RemoteError) as refused:
        next(stage.client("owner-of-bank").pages("Agent", Listing(cursor=cursor)))
    assert refused.value.reasons == ("cursor_refused",)


def test_a_cursor_does_not_go_on_with_other_filters(stage: Stage) -> None:
    client = stage.client("owner-of-bank")
    client.apply(Documents([agent(f"filter-{number}", title="F") for number in range(3)]))
    page = next(client.pages("Agent", Listing(limit=1, q="filter-")))
    assert page.next is not None
    with pytest.raises(RemoteError) as refused:
        next(client.pages("Agent", Listing(limit=1, cursor=page.next)))
    assert refused.value.reasons == ("cursor_refused",)


def has_added(client: Client, name: str, mine: str) -> bool:
    """Add one's own client to an agent; false where somebody else was faster."""
    found = client.get("Agent", name)
    changed = Resource("Agent", Metadata(name, "bank"), {**found.resource.spec, "clients": [*clients_of(found), mine]})
    try:
        client.put(changed, found.etag)
    except RemoteError as error:
        if error.reasons != ("version_conflict",):
            raise
        return False
    return True


def clients_of(found: Versioned) -> list[str]:
    """Return the clients of an agent."""
    return msgspec.convert(found.resource.spec["clients"], list[str])


def edit(client: Client, name: str, mine: str) -> None:
    """Add one's own client to an agent, however often somebody else is faster."""
    while not has_added(client, name, mine):
        pass


def test_fifty_editors_lose_no_update(stage: Stage) -> None:
    stage.put("Agent", "crowded", "bank", {"title": "Crowded", "clients": []})
    names = [f"c{number}" for number in range(EDITORS)]
    with ThreadPoolExecutor(12) as pool:
        clients = [stage.client("owner-of-bank" if number % 2 else "admin-of-bank") for number in range(EDITORS)]
        list(pool.map(edit, clients, ["crowded"] * EDITORS, names))
    assert sorted(clients_of(stage.client("owner-of-bank").get("Agent", "crowded"))) == sorted(names)


def of_agents(changes: Iterator[Change], prefix: str) -> Iterator[tuple[int, str]]:
    """Yield revision and name of what is told of agents whose names begin alike."""
    return ((change.revision, change.name) for change in changes if change.name.startswith(prefix))


def test_a_stream_tells_every_change_once_and_goes_on_after_it_was_lost(stage: Stage) -> None:
    client = stage.client("owner-of-bank")
    start = client.revision().published
    wanted = [f"told-{number}" for number in range(12)]
    for name in wanted[:4]:
        client.apply(Documents([agent(name, title="Told")]))
    first = list(islice(of_agents(client.follow(start), "told-"), 3))
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(lambda: list(islice(of_agents(client.follow(first[-1][0]), "told-"), 9)))
        for name in wanted[4:]:
            stage.client("owner-of-bank").apply(Documents([agent(name, title="Told")]))
        told = [*first, *rest.result(30)]
    assert [name for _, name in told] == wanted
    assert [revision for revision, _ in told] == sorted({revision for revision, _ in told})


def test_a_revision_of_many_changes_is_told_whole(stage: Stage) -> None:
    client = stage.client("owner-of-bank")
    start = client.revision().published
    client.apply(Documents([agent(f"many-{number:03}", title="Many") for number in range(40)]))
    told = list(islice(of_agents(client.follow(start), "many-"), 40))
    assert [name for _, name in told] == [f"many-{number:03}" for number in range(40)]
    page = json.loads(stage.send("GET", f"/api/v1/changes?after={start}&limit=5", stage.token("owner-of-bank")).data)
    assert len(page["items"]) == 40


def test_nobody_is_told_of_another_tenants_changes(stage: Stage) -> None:
    client = stage.client("auditor-of-fund", "fund")
    start = client.revision().published
    stage.put("Agent", "private", "bank", {"title": "Private"})
    stage.put("Agent", "public", "fund", {"title": "Public"})
    assert next(iter(client.follow(start))).name == "public"


def test_a_stream_ends_when_its_reader_loses_the_role(stage: Stage) -> None:
    stage.put("Role", "passing", "bank", {"role": "developer", "people": ["passer"]})
    client = stage.client("passer")
    stream = client.follow(client.revision().published)
    stage.put("Agent", "seen", "bank", {"title": "Seen"})
    assert next(stream).name == "seen"
    operator = stage.client()
    operator.delete("Role", "passing", operator.get("Role", "passing").etag)
    stage.put("Agent", "unseen", "bank", {"title": "Unseen"})
    with pytest.raises(RemoteError) as ended:
        next(stream)
    assert ended.value.reasons == ("role_missing",)
