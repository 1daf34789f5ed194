"""A vault: payloads are sealed with their leaf, told to whoever may know, and gone once their key is."""

from pathlib import Path

import pytest

from tallystick import audit
from tallystick.audit.payload import Damaged, Gone, Locked, Unsealable, open_provider, open_vaults
from tallystick.audit.payload.seal import parse
from tallystick.audit.tlog.merkle import leaf_hash
from tallystick.terms import TenantId
from tests.audit import sample
from tests.audit.payload.stored import ALICE, APRIL, BANK, BOB, MARCH, MAY, Hand, capture, opened, stored


def test_what_is_kept_with_a_leaf_is_revealed_by_call_and_field(tmp_path: Path) -> None:
    vaults = opened(tmp_path)
    vault = vaults.vault(BANK)
    stored(vault, 1, capture(("args", b'{"iban":"x"}'), ("prompt", b"pay"), ("reason", b"")))
    assert vault.reveal(sample.call_of(1), "args") == b'{"iban":"x"}'
    assert vault.reveal(sample.call_of(1), "reason") == b""
    assert vault.reveal(sample.call_of(1), "result") == Gone("never")
    vaults.close()
    assert opened(tmp_path).vault(BANK).reveal(sample.call_of(1), "prompt") == b"pay"


def test_a_record_names_its_call_its_leaf_and_its_key_and_no_subject(tmp_path: Path) -> None:
    vault = opened(tmp_path).vault(BANK)
    leaf = sample.intent(1)
    (one,) = vault.seal(leaf, capture(("args", b"x")), sample.NOON)
    header = parse(one.record).header
    assert (header.call, header.field, header.retention) == (sample.call_of(1), "args", "standard")
    assert header.leaf == leaf_hash(leaf).hex()
    assert header.ts == "2026-05-28T20:26:40.000000Z"
    assert ALICE.encode() not in one.record


def test_outcomes_and_events_take_payloads_by_their_ids(tmp_path: Path) -> None:
    vault = opened(tmp_path).vault(BANK)
    vault.keep(vault.seal(sample.outcome(7, 3), capture(("result", b"done")), sample.NOON))
    vault.keep(vault.seal(sample.denial(8), capture(("args", b"no")), sample.NOON))
    assert vault.reveal(sample.call_of(7), "result") == b"done"
    assert vault.reveal(sample.call_of(8), "args") == b"no"


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 65_535, 3 << 20])
def test_payloads_of_any_size_come_back_as_they_were(tmp_path: Path, size: int) -> None:
    vault = opened(tmp_path).vault(BANK)
    content = bytes(at * 7 % 256 for at in range(min(size, 1000))) * (size // 1000 + 1)
    stored(vault, 1, capture(("args", content[:size])))
    assert vault.reveal(sample.call_of(1), "args") == content[:size]


@pytest.mark.parametrize(
    "wrong",
    [
        capture(("args", b"x"), subject=""),
        capture(("args", b"x"), subject="alice example"),
        capture(("args", b"x"), subject="a" * 129),
        capture(("args", b"x"), retention="../keys"),
        capture(("args", b"x"), retention=""),
        capture(("args", b"x"), ("args", b"y")),
        capture(("Args", b"x")),
        capture(('a","key":"', b"x")),
    ],
)
def test_a_capture_with_names_that_are_none_is_refused_and_leaves_nothing(
    tmp_path: Path, wrong: audit.model.Capture
) -> None:
    vaults = opened(tmp_path)
    with pytest.raises(Unsealable):
        vaults.vault(BANK).seal(sample.intent(1), wrong, sample.NOON)
    vaults.vault(BANK).prepare([wrong], sample.NOON)
    assert vaults.status().live["bank"] <= 1


@pytest.mark.parametrize("leaf", [b"{}", b"", b'{"id":"', b'{"id":"short"}', b'{"kind":"open"}'])
def test_a_leaf_without_an_id_takes_no_payload(tmp_path: Path, leaf: bytes) -> None:
    with pytest.raises(Unsealable, match="without an id"):
        opened(tmp_path).vault(BANK).seal(leaf, capture(("args", b"x")), sample.NOON)


def test_a_tenant_has_a_vault_of_its_own_and_a_name_that_is_none_has_not(tmp_path: Path) -> None:
    vaults = opened(tmp_path)
    stored(vaults.vault(BANK), 1, capture(("args", b"x")))
    assert vaults.vault(TenantId("shop")).reveal(sample.call_of(1), "args") == Gone("never")
    for name in ("../bank", "", "Bank", "a" * 64):
        with pytest.raises(Unsealable):
            vaults.vault(TenantId(name))


def test_erasing_a_subject_takes_its_payloads_and_nobody_elses(tmp_path: Path) -> None:
    vaults = opened(tmp_path)
    vault = vaults.vault(BANK)
    stored(vault, 1, capture(("args", b"alice"), ("prompt", b"!")))
    stored(vault, 2, capture(("args", b"alice"), retention="brief"))
    stored(vault, 3, capture(("args", b"bob"), subject=BOB))
    assert [entry.call_id for entry in vault.entries(ALICE)] == [
        sample.call_of(1),
        sample.call_of(1),
        sample.call_of(2),
    ]
    assert vault.classes(ALICE) == ["brief", "standard"]
    erased = vault.erase(ALICE, leaf=12)
    assert (erased.keys, erased.retention, erased.records, erased.content_bytes) == (2, ("brief", "standard"), 3, 11)
    assert vault.reveal(sample.call_of(1), "args") == Gone("erased", 12)
    assert vault.reveal(sample.call_of(3), "args") == b"bob"
    assert vault.entries(ALICE) == []
    assert vault.erase(ALICE).keys == 0
    vaults.close()
    again = opened(tmp_path).vault(BANK)
    assert again.reveal(sample.call_of(2), "args") == Gone("erased", 12)
    assert again.reveal(sample.call_of(3), "args") == b"bob"


def test_erasing_some_classes_leaves_the_others(tmp_path: Path) -> None:
    vault = opened(tmp_path).vault(BANK)
    stored(vault, 1, capture(("args", b"x")))
    stored(vault, 2, capture(("args", b"y"), retention="brief"))
    assert vault.erase(ALICE, ["brief", "unheard-of"]).retention == ("brief",)
    assert vault.reveal(sample.call_of(1), "args") == b"x"
    assert vault.reveal(sample.call_of(2), "args") == Gone("erased")
    assert vault.erase(ALICE, []).retention == ("standard",)


def test_what_a_subject_does_after_an_erasure_is_kept_under_a_new_key(tmp_path: Path) -> None:
    vault = opened(tmp_path).vault(BANK)
    stored(vault, 1, capture(("args", b"before")))
    vault.erase(ALICE)
    stored(vault, 2, capture(("args", b"after")))
    assert vault.reveal(sample.call_of(1), "args") == Gone("erased")
    assert vault.reveal(sample.call_of(2), "args") == b"after"


def test_what_was_sealed_before_an_erasure_and_is_kept_after_it_is_erased_too(tmp_path: Path) -> None:
    vault = opened(tmp_path).vault(BANK)
    sealed = vault.seal(sample.intent(1), capture(("args", b"x")), sample.NOON)
    vault.erase(ALICE)
    vault.keep(sealed)
    assert vault.reveal(sample.call_of(1), "args") == Gone("erased")


def test_expiry_destroys_the_keys_that_only_expired_months_used(tmp_path: Path) -> None:
    vault = opened(tmp_path, Hand(MAY)).vault(BANK)
    stored(vault, 1, capture(("args", b"alice")), MARCH)
    stored(vault, 2, capture(("args", b"bob"), subject=BOB), MARCH)
    stored(vault, 3, capture(("args", b"bob"), subject=BOB), MAY)
    assert vault.expire("standard", MARCH).records == 0
    removed = vault.expire("standard", APRIL, leaf=5)
    assert (removed.segments, removed.records, removed.keys) == (1, 2, 1)
    assert removed.stored_bytes > 0
    assert vault.keyring.find(ALICE) == []
    assert vault.reveal(sample.call_of(3), "args") == b"bob"
    assert vault.expire("standard", APRIL).segments == 0


def test_expiry_of_one_class_leaves_the_others_and_what_is_still_to_be_kept(tmp_path: Path) -> None:
    vault = opened(tmp_path, Hand(MAY)).vault(BANK)
    stored(vault, 1, capture(("args", b"x"), retention="brief"), MARCH)
    stored(vault, 2, capture(("args", b"y")), MARCH)
    under_way = vault.seal(sample.intent(3), capture(("args", b"z"), retention="brief"), MAY)
    assert vault.expire("brief", MAY).keys == 0
    vault.keep(under_way)
    assert vault.reveal(sample.call_of(3), "args") == b"z"
    assert vault.reveal(sample.call_of(2), "args") == b"y"


def test_a_payload_of_an_expired_month_is_said_to_be_expired(tmp_path: Path) -> None:
    vault = opened(tmp_path, Hand(MAY)).vault(BANK)
    call = audit.leaf.call_id(MARCH, bytes(10))
    leaf = audit.encode(audit.Intent(call, MARCH, BANK, sample.CALLER, sample.TARGET, sample.DECISION, "e" * 64, 300))
    vault.keep(vault.seal(leaf, capture(("args", b"x")), MARCH))
    assert vault.reveal(call, "args") == b"x"
    vault.expire("standard", MAY)
    assert vault.reveal(call, "args") == Gone("expired")
    assert vault.reveal(audit.leaf.call_id(MAY, bytes(10)), "args") == Gone("never")


def test_expiry_never_reaches_into_the_running_month(tmp_path: Path) -> None:
    vault = opened(tmp_path, Hand(MAY)).vault(BANK)
    stored(vault, 1, capture(("args", b"x")), MAY)
    assert vault.expire("standard", MAY + 10_000_000).segments == 0
    assert vault.reveal(sample.call_of(1), "args") == b"x"


def test_a_payload_that_was_changed_on_disk_is_not_told(tmp_path: Path) -> None:
    vault = opened(tmp_path).vault(BANK)
    stored(vault, 1, capture(("args", b"x" * 50)))
    path = tmp_path / "payload/bank/standard/2026-05-1.pay"
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged):
        vault.reveal(sample.call_of(1), "args")


def test_usage_tells_what_each_month_of_each_class_takes(tmp_path: Path) -> None:
    vault = opened(tmp_path, Hand(MAY)).vault(BANK)
    stored(vault, 1, capture(("args", b"x" * 100), ("prompt", b"y" * 10)), MARCH)
    stored(vault, 2, capture(("args", b"x" * 1000)), MAY)
    first, second = vault.usage()
    assert (first.retention, first.month, first.place, first.records, first.content_bytes) == (
        "standard",
        "2026-03",
        "",
        2,
        110,
    )
    assert second.content_bytes == 1000
    assert 1000 < second.stored_bytes < 1400


def test_a_start_without_the_keyring_file_is_refused_where_keyrings_need_it(tmp_path: Path) -> None:
    stored(opened(tmp_path).vault(BANK), 1, capture(("args", b"x")))
    (tmp_path / "keys/payload-keyring").unlink()
    with pytest.raises(Locked, match=r"provider file: .*payload-keyring is gone.*Next: restore"):
        opened(tmp_path)


def test_every_tenants_payloads_are_opened_at_the_start(tmp_path: Path) -> None:
    stored(opened(tmp_path).vault(BANK), 1, capture(("args", b"x")))
    (tmp_path / "payload/bank/index.sqlite").write_bytes(b"no database, but something that is long enough" * 100)
    for path in (tmp_path / "payload/bank").glob("index.sqlite-*"):
        path.unlink()
    with pytest.raises(Locked, match=r"payloads of bank cannot be opened.*Next: "):
        open_vaults(tmp_path, open_provider(tmp_path), Hand())
