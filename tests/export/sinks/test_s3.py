"""Batches as objects of a real SeaweedFS whose bucket locks; what is sent again replaces itself."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.export.follower import Follower
from tallystick.export.ledger import Ledger
from tallystick.export.model import Unavailable, is_list, is_object
from tallystick.export.settings import S3Options
from tallystick.export.written import raw
from tests.export.kept import ENTRY, Kept, indices_of, opened
from tests.export.published import Published
from tests.export.sinks.sent import PLAIN, events, format_for, secret_file

pytest.importorskip("boto3", reason="the extra `scale` is not installed")
pytest.importorskip("psycopg", reason="the extra `scale` is not installed")

from tallystick.audit.scale.bucket.client import Body
from tallystick.audit.scale.options import Options
from tallystick.export.sinks.s3 import S3Sink
from tallystick.wiring.followers.bucket import Bucket
from tests.audit.scale.place import BUCKET, make_bucket, operator
from tests.audit.scale.servers import KEY, SECRET, WEED, Seaweed

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """An object store with one bucket."""
    if not WEED.exists():
        pytest.skip("SeaweedFS is missing; run scripts/scale")
    store = Seaweed(tmp_path_factory.mktemp("seaweed"))
    try:
        make_bucket(store)
        yield store
    finally:
        store.kill()


def options(store: Seaweed, folder: Path) -> S3Options:
    """Settings for that store, with a prefix of the test's own."""
    key, secret = secret_file(folder, KEY, "key"), secret_file(folder, SECRET)
    return S3Options(BUCKET, f"siem/{folder.name}", "us-east-1", store.endpoint, key, secret, PLAIN)


def objects(store: Seaweed, chosen: S3Options) -> dict[str, bytes]:
    """Content of every object below the prefix, by its name."""
    client, prefix = operator(store), chosen.prefix + "/"
    listed = client.list_object_versions(Bucket=chosen.bucket, Prefix=prefix).get("Versions")
    entries = [entry for entry in listed if is_object(entry)] if is_list(listed) else []
    found: dict[str, bytes] = {}
    for name in {str(entry["Key"]) for entry in entries}:
        body = client.get_object(Bucket=chosen.bucket, Key=name)["Body"]
        assert isinstance(body, Body)
        found[name.removeprefix(prefix)] = gzip.decompress(body.read())
    return found


def test_batches_are_objects_named_by_their_first_index(seaweed: Seaweed, tmp_path: Path) -> None:
    log = Published(tmp_path / "state")
    log.publish_calls(range(10))
    chosen = options(seaweed, tmp_path)
    follower = opened(tmp_path / "state", S3Sink(chosen))
    follower.round(lambda: 0.0)
    log.publish_calls(range(10, 15))
    follower.round(lambda: 0.0)
    found = objects(seaweed, chosen)
    assert sorted(found) == [f"bank/2026/{index:020d}.jsonl.gz" for index in (0, 20)]
    assert indices_of(b"".join(found[name] for name in sorted(found))) == list(range(30))


def test_a_batch_that_is_sent_again_replaces_itself(seaweed: Seaweed, tmp_path: Path) -> None:
    log = Published(tmp_path / "state")
    log.publish_calls(range(5))
    chosen = options(seaweed, tmp_path)
    for _ in range(2):
        follower = opened(tmp_path / "state", S3Sink(chosen))
        follower.round(lambda: 0.0)
        follower.ledger.replay(log.place, 0)
        log.publish_calls(range(5, 6))
    found = objects(seaweed, chosen)
    assert sorted(found) == ["bank/2026/00000000000000000000.jsonl.gz"]
    assert indices_of(found[min(found)]) == list(range(12))


def test_a_wrong_key_is_unavailable_and_a_renewed_one_is_read(seaweed: Seaweed, tmp_path: Path) -> None:
    chosen = options(seaweed, tmp_path)
    batch, sink = events(format_for("s3", chosen), range(3)), S3Sink(chosen)
    secret_file(tmp_path, "another")
    with pytest.raises(Unavailable, match="does not take objects"):
        sink.deliver(batch)
    secret_file(tmp_path, SECRET)
    assert sink.deliver(batch) == []


def test_a_store_that_dies_is_unavailable_and_gets_everything_later(seaweed: Seaweed, tmp_path: Path) -> None:
    chosen = options(seaweed, tmp_path)
    batch, sink = events(format_for("s3", chosen), range(3)), S3Sink(chosen)
    sink.deliver(batch)
    seaweed.kill()
    try:
        with pytest.raises(Unavailable):
            sink.deliver(batch)
    finally:
        seaweed.start()
    assert sink.deliver(batch) == []


def test_the_record_of_the_scale_out_store_is_followed_where_it_is(seaweed: Seaweed, tmp_path: Path) -> None:
    log, client, sink = Published(tmp_path / "state"), operator(seaweed), Kept()

    def upload() -> None:
        for path in (path for path in log.directory.rglob("*") if path.is_file()):
            name = f"{tmp_path.name}/bank/2026/{path.relative_to(log.directory).as_posix()}"
            client.put_object(Bucket=BUCKET, Key=name, Body=path.read_bytes())

    now = 0.0
    credentials = str(seaweed.credentials)
    chosen = Options("", BUCKET, f"{tmp_path.name}/", seaweed.endpoint, credentials_file=credentials)
    source = Bucket(chosen, lambda: now)
    log.publish_calls(range(150))
    upload()
    follower = Follower(ENTRY, sink, raw, source, Ledger(tmp_path / "ledger.sqlite"))
    while follower.round(lambda: now):
        pass
    assert sink.indices == list(range(300))
    log.publish_calls(range(150, 160))
    upload()
    assert follower.round(lambda: now) == 0
    now = 60.0
    while follower.round(lambda: now):
        pass
    assert sink.indices == list(range(320))
    seaweed.kill()
    try:
        now = 120.0
        with pytest.raises(Unavailable, match=r"the record cannot be listed: .*object store"):
            follower.round(lambda: now)
    finally:
        seaweed.start()
