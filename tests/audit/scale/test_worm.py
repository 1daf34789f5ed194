"""What is stored stays, whoever holds the bucket's keys: locked tiles are refused every way out, and seen through."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import CLOCK_REALTIME, clock_gettime

import psycopg
import pytest
from botocore.exceptions import ClientError  # pyright: ignore[reportMissingTypeStubs] - it has none

from tallystick.audit.log.journal import frame
from tallystick.audit.model import Unwritable
from tallystick.audit.scale import open_scale
from tallystick.audit.scale.bucket.objects import Objects
from tests.audit.sample import BANK, YEAR, Ticking, denial
from tests.audit.scale.place import BUCKET, Place, opened_log, operator
from tests.audit.scale.test_store import mirrored, report_of

TILE = "tile/0/000"


def _filled(place: Place, count: int = 300) -> None:
    with place.opened() as state:
        log = opened_log(state)
        log.append([denial(number) for number in range(count)])
        log.publish(Ticking())


def _key(place: Place, path: str) -> str:
    return f"{place.options.prefix}{BANK}/{YEAR}/{path}"


def _today() -> datetime:
    return datetime.fromtimestamp(clock_gettime(CLOCK_REALTIME), UTC)


def test_a_locked_tile_is_neither_deleted_nor_bypassed_nor_is_its_lock_shortened(place: Place) -> None:
    _filled(place)
    client = operator(place.seaweed)
    where = {"Bucket": BUCKET, "Key": _key(place, TILE)}
    where["VersionId"] = str(client.head_object(**where)["VersionId"])
    tomorrow = _today() + timedelta(days=1)
    attempts = (
        lambda: client.delete_object(**where),
        lambda: client.delete_object(**where, BypassGovernanceRetention=True),
        lambda: client.put_object_retention(**where, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": tomorrow}),
        lambda: client.put_object_retention(
            **where, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": tomorrow}, BypassGovernanceRetention=True
        ),
    )
    for attempt in attempts:
        with pytest.raises(ClientError, match="AccessDenied"):
            attempt()


def test_what_is_replaced_soon_is_locked_for_a_day_and_what_is_newest_at_the_end_for_years(place: Place) -> None:
    partials = ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"]
    with place.opened() as state:
        objects = state.objects.below(f"{BANK}/{YEAR}/")
        log = opened_log(state)
        for at in range(0, 300, 100):
            log.append([denial(number) for number in range(at, at + 100)])
            log.publish(Ticking())
        terms = {path: _days(objects, path) for path in (TILE, "tile/entries/000", *partials, "checkpoint")}
        assert terms == {TILE: 2556, "tile/entries/000": 2556, **dict.fromkeys([*partials, "checkpoint"], 0)}
        # Those of a tile that is complete now are hidden, so that a rule of the bucket may remove them.
        hidden = {version.path for version in objects.versions() if version.marker}
        assert hidden == {f"tile/{kind}/000.p/{width}" for kind in ("0", "entries") for width in (100, 200)}
        assert objects.get("tile/0/000.p/100") is None
        assert objects.read("tile/0/000.p/100") == (objects.read(TILE) or b"")[: 100 * 32]
        body = objects.read("checkpoint")
    with place.opened() as state:
        objects = state.objects.below(f"{BANK}/{YEAR}/")
        assert {path: _days(objects, path) for path in (*partials, "vkey")} == dict.fromkeys([*partials, "vkey"], 2556)
        (kept,) = [version.path for version in objects.versions("checkpoints/")]
        assert _days(objects, kept) == 2556
        assert objects.read(kept) == body
        assert kept.startswith("checkpoints/300-")


def _days(objects: Objects, path: str) -> int:
    until = objects.locked_until(path)
    assert until is not None
    return (until - _today()).days


def test_a_tile_over_which_something_was_laid_is_told_and_read_as_it_was(place: Place, tmp_path: Path) -> None:
    _filled(place)
    client = operator(place.seaweed)
    client.delete_object(Bucket=BUCKET, Key=_key(place, TILE))
    client.put_object(Bucket=BUCKET, Key=_key(place, "tile/entries/000"), Body=b"another story")
    found = mirrored(place, tmp_path / "copy")
    assert found.laid_over == (TILE, "tile/entries/000")
    report = report_of(tmp_path / "copy")
    assert (report.damage, report.size) == ((), 300)
    # The writer goes on as well: it reads through what hides a tile.
    _filled(place, 1)


@pytest.mark.live
def test_a_copy_is_brought_up_to_date_by_fetching_what_is_new(place: Place, tmp_path: Path) -> None:
    _filled(place, 600)
    first = mirrored(place, tmp_path / "copy")
    again = mirrored(place, tmp_path / "copy")
    assert first.fetched == first.objects
    # The checkpoint, its key, and the incomplete tiles of three levels; what never changes is there already.
    assert again.fetched == 5


def test_a_bucket_that_cannot_lock_is_refused(place: Place) -> None:
    operator(place.seaweed).create_bucket(Bucket="plain")
    with pytest.raises(Unwritable, match="bucket plain was made without Object Lock"):
        open_scale(place.directory / "a", place.change(bucket="plain").options.to_json(), initialize=True)


@pytest.mark.live
def test_a_tile_that_was_put_by_somebody_else_stops_the_writer(place: Place) -> None:
    _filled(place, 200)
    client = operator(place.seaweed)
    client.put_object(Bucket=BUCKET, Key=_key(place, TILE), Body=b"x" * 8192)
    with place.opened() as state:
        log = opened_log(state)
        log.append([denial(number) for number in range(200, 300)])
        with pytest.raises(Unwritable, match=f"{TILE} exists with other content"):
            log.publish(Ticking())


@pytest.mark.parametrize(
    ("setting", "value"), [("synchronous_commit", "off"), ("synchronous_commit", "local"), ("synchronous_commit", "on")]
)
def test_a_database_that_may_lose_a_commit_is_refused(place: Place, setting: str, value: str) -> None:
    dsn = Path(place.options.dsn_file)
    dsn.write_text(dsn.read_text().replace("-c search_path", f"-c {setting}={value} -c search_path"))
    if value == "on":
        _filled(place, 1)
        return
    with pytest.raises(Unwritable, match=f"{setting} is {value}; an acknowledged record could be lost"):
        open_scale(place.directory / "a", place.options.to_json(), initialize=True)


@pytest.mark.live
def test_a_database_that_is_full_stops_the_writer_and_nothing_of_the_batch_is_stored(place: Place) -> None:
    _filled(place, 10)
    full = """
        CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER full_disk AFTER INSERT ON journal FOR EACH ROW EXECUTE FUNCTION full_disk();
    """
    with closing(psycopg.connect(Path(place.options.dsn_file).read_text(), autocommit=True)) as connection:
        with place.opened() as state:
            log = opened_log(state)
            connection.execute(full.encode())
            with pytest.raises(Unwritable, match="could not extend file"):
                log.append([denial(10)])
        connection.execute(b"DROP TRIGGER full_disk ON journal")
    with place.opened() as state:
        log = opened_log(state)
        assert log.append([denial(10)]) == 10


@pytest.mark.parametrize("first", [1, 3, 40])
def test_a_batch_that_does_not_follow_the_last_one_is_refused(place: Place, first: int) -> None:
    with place.opened() as state:
        opened_log(state).append([denial(0), denial(1)])
        store = state.store(BANK, YEAR)
        with pytest.raises(OSError, match=f"holds 2 leaves where {first} were acknowledged|was not taken"):
            store.journal(frame(first, [denial(9)]))
        store.journal(frame(2, [denial(2)]))
        assert opened_log(state).size == 3


def test_a_batch_that_is_missing_or_changed_in_the_database_is_found(place: Place) -> None:
    with place.opened() as state:
        log = opened_log(state)
        for number in range(3):
            log.append([denial(number)])
    with closing(psycopg.connect(Path(place.options.dsn_file).read_text(), autocommit=True)) as connection:
        connection.execute(b"CREATE TABLE kept AS TABLE journal")
        for damage in (
            b"DELETE FROM journal WHERE first = 1",
            b"DELETE FROM journal WHERE first = 2",
            b"UPDATE journal SET batch = set_byte(batch, 99, 7)",
            b"UPDATE head SET appended = 2",
        ):
            connection.execute(damage)
            with place.opened() as state, pytest.raises(Unwritable, match="the journal"):
                opened_log(state)
            connection.execute(b"DELETE FROM journal")
            connection.execute(b"INSERT INTO journal TABLE kept")
            connection.execute(b"UPDATE head SET appended = 3")
    with place.opened() as state:
        assert opened_log(state).size == 3
