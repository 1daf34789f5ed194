"""Payloads in PostgreSQL and S3: told to whoever has the keys, gone with their key, and locked as their class says."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import CLOCK_REALTIME, clock_gettime

import psycopg
import pytest

from tallystick.audit.model import Capture, Content, Unwritable
from tallystick.audit.payload import Gone, Vault, open_provider
from tallystick.audit.payload.keys import open_master
from tallystick.audit.payload.keys.slots import decode
from tallystick.audit.scale.payload.records import ScaleRecords
from tallystick.audit.scale.state import ScaleState
from tests.audit.sample import BANK, NOON, intent
from tests.audit.scale.place import Place

ALICE, BOB = "a" * 64, "b" * 64
DAY = 86_400.0


def _capture(subject: str = ALICE, retention: str = "short", text: bytes = b'{"iban":"GB33BUKB"}') -> Capture:
    return Capture(subject, retention, (Content("args", text), Content("prompt", b"pay the rent")))


@contextmanager
def _vault(state: ScaleState, directory: Path, now: float = NOON) -> Generator[Vault]:
    master = open_master(directory, open_provider(directory), lambda: NOON)
    keyring, records = state.payload_places(BANK, master)
    yield Vault(keyring, records, lambda: now)
    keyring.close()


def _call(number: int) -> str:
    return intent(number).decode().partition('"id":"')[2][:26]


def _rows(place: Place, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg.connect(Path(place.options.dsn_file).read_text(), autocommit=True)) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def _slots(place: Place) -> list[bytes]:
    return [slot for (slot,) in _rows(place, "SELECT slot FROM payload_key") if isinstance(slot, bytes)]


def test_what_was_kept_is_told_by_the_next_host_and_kept_only_once(place: Place) -> None:
    with place.opened() as state, _vault(state, place.directory / "a") as vault:
        sealed = [record for number in range(3) for record in vault.seal(intent(number), _capture(), NOON)]
        vault.keep(sealed)
        vault.keep(sealed)
        assert [(use.retention, use.month, use.segments, use.records) for use in vault.usage()] == [
            ("short", "2026-05", 1, 6)
        ]
    with place.opened("b") as state, _vault(state, place.directory / "b") as vault:
        assert vault.reveal(_call(1), "args") == b'{"iban":"GB33BUKB"}'
        assert vault.reveal(_call(2), "prompt") == b"pay the rent"
        assert vault.reveal(_call(3), "args") == Gone("never")
        assert len(vault.entries(ALICE)) == 6
        # The same key goes on: a subject has one.
        vault.keep(vault.seal(intent(4), _capture(), NOON))
        assert _rows(place, "SELECT count(*) FROM payload_key") == [(1,)]


def test_a_payload_is_nowhere_in_clear(place: Place) -> None:
    with place.opened() as state, _vault(state, place.directory / "a") as vault:
        vault.keep(vault.seal(intent(0), _capture(text=b"CANARY-5500005555555559"), NOON))
        objects = [version for version in state.objects.versions() if version.path.endswith(".pay")]
        contents = [state.objects.read_version(version) for version in objects]
    assert len(contents) == 1
    assert b'"key":"' in contents[0]
    assert b"CANARY" not in contents[0]
    questions = ("TABLE payload_key", "TABLE payload_record", "TABLE payload_object")
    assert not any("CANARY" in str(_rows(place, question)) for question in questions)


def test_an_erased_key_is_in_no_page_of_the_table_and_its_payloads_are_gone(place: Place) -> None:
    with place.opened() as state, _vault(state, place.directory / "a") as vault:
        vault.keep(vault.seal(intent(0), _capture(), NOON))
        vault.keep(vault.seal(intent(1), _capture(BOB), NOON))
        key, _ = vault.keyring.find(ALICE)[0]
        slot = decode(next(slot for slot in _slots(place) if bytes.fromhex(key) in slot))
        assert slot is not None
        wrapped = slot.wrapped
        _rows(place, "CHECKPOINT")
        assert place.postgres.pages_with(wrapped)
        erased = vault.erase(ALICE)
        assert (erased.keys, erased.records) == (1, 2)
        _rows(place, "CHECKPOINT")
        assert not place.postgres.pages_with(wrapped)
        assert vault.reveal(_call(0), "args") == Gone("erased")
        assert vault.reveal(_call(1), "args") == b'{"iban":"GB33BUKB"}'
        # A new key for the same person does not bring the old payloads back.
        vault.keep(vault.seal(intent(2), _capture(), NOON))
        assert vault.reveal(_call(2), "prompt") == b"pay the rent"
        assert vault.reveal(_call(0), "args") == Gone("erased")


def test_a_writer_that_was_replaced_makes_and_destroys_no_keys(place: Place) -> None:
    with place.opened() as one, place.opened("b") as other, _vault(one, place.directory / "a") as stale:
        stale.keep(stale.seal(intent(0), _capture(), NOON))
        _rows(place, "UPDATE lease SET until = clock_timestamp() - interval '1 second'")
        with _vault(other, place.directory / "a") as vault:
            with pytest.raises(Unwritable, match="the lease is lost"):
                stale.seal(intent(1), _capture(BOB), NOON)
            with pytest.raises(Unwritable, match="the lease is lost"):
                stale.erase(ALICE)
            assert vault.reveal(_call(0), "prompt") == b"pay the rent"


def test_payloads_are_locked_as_long_as_their_class_keeps_them_and_then_expire(place: Place) -> None:
    with place.opened() as state, _vault(state, place.directory / "a", NOON + 400 * DAY) as vault:
        vault.keep(vault.seal(intent(0), _capture(), NOON))
        vault.keep(vault.seal(intent(1), _capture(retention="sox"), NOON))
        paths = sorted(version.path for version in state.objects.versions() if version.path.endswith(".pay"))
        terms = [state.objects.locked_until(path) for path in paths]
        now = datetime.fromtimestamp(clock_gettime(CLOCK_REALTIME), UTC)
        assert [until is not None and (until - now) // timedelta(days=1) for until in terms] == [182, 2556]
        # Its keys go now; what is left of the object goes when its lock is over.
        expired = vault.expire("short", NOON + 200 * DAY)
        assert (expired.keys, expired.segments) == (1, 0)
        assert vault.reveal(_call(0), "args") == Gone("expired")
        assert vault.reveal(_call(1), "prompt") == b"pay the rent"
        assert isinstance(vault.records, ScaleRecords)
        assert "cannot be deleted" in vault.records.damaged[0]


@pytest.mark.live
def test_what_is_not_locked_any_more_is_deleted_when_it_expires(place: Place) -> None:
    place = place.change(class_years={"brief": 2 / (365.25 * DAY)})
    with place.opened() as state, _vault(state, place.directory / "a", NOON + 400 * DAY) as vault:
        vault.keep(vault.seal(intent(0), _capture(retention="brief"), NOON))
        first = expired = vault.expire("brief", NOON + 200 * DAY)
        while not expired.segments:
            expired = vault.expire("brief", NOON + 200 * DAY)
        assert (first.keys, expired.segments, expired.records) == (1, 1, 2)
        assert not [version for version in state.objects.versions() if version.path.endswith(".pay")]
        assert vault.reveal(_call(0), "args") == Gone("expired")


@pytest.mark.live
def test_a_lost_index_is_made_anew_out_of_the_objects(place: Place) -> None:
    with place.opened() as state, _vault(state, place.directory / "a") as vault:
        vault.keep(vault.seal(intent(0), _capture(), NOON))
        vault.keep(vault.seal(intent(1), _capture(BOB), NOON))
        before = (vault.usage(), vault.entries(BOB))
        _rows(place, "TRUNCATE payload_record, payload_object")
        assert vault.reveal(_call(0), "args") == Gone("never")
        assert isinstance(vault.records, ScaleRecords)
        assert vault.records.rebuild() == 2
        assert (vault.usage(), vault.entries(BOB)) == before
        assert vault.reveal(_call(0), "prompt") == b"pay the rent"


def test_a_retired_key_reads_what_was_sealed_and_what_comes_goes_under_another(place: Place) -> None:
    with place.opened() as state, _vault(state, place.directory / "a") as vault:
        vault.keep(vault.seal(intent(1), _capture(), NOON))
        [(first, _)] = vault.retire(ALICE)
        vault.keep(vault.seal(intent(2), _capture(), NOON))
        assert [entry.call_id for entry in vault.entries_of([first])] == [_call(1)] * 2
        assert len(vault.entries(ALICE)) == 4
        assert len(vault.keyring.find(ALICE, ["short"])) == 2
        assert vault.keyring.find(ALICE, ["standard"]) == []
        assert vault.reveal(_call(1), "args") == b'{"iban":"GB33BUKB"}'
        assert vault.destroy([first], 7) == 1
        assert vault.reveal(_call(1), "args") == Gone("erased", 7)
        assert vault.reveal(_call(2), "args") == b'{"iban":"GB33BUKB"}'
        assert vault.due("short", NOON + 90 * DAY) == (0, 0, 0, 0)
