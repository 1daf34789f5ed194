"""Keys that sign checkpoints come and go: a follower learns of them from leaves under keys that it knows."""

import json
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.audit.tlog.note import verifier_of
from tests.export.kept import Hand, Kept, opened
from tests.export.published import KEY, Published

NEXT = Ed25519PrivateKey.from_private_bytes(bytes(range(3, 35)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(5, 37)))


def key_leaf(log: Published, action: str, keys: Sequence[Ed25519PrivateKey]) -> bytes:
    """Leaf that says which keys come or go."""
    vkeys = [verifier_of(log.origin, key).vkey for key in keys]
    fields = {"kind": "key", "purpose": "checkpoint", "action": action, "keys": vkeys}
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def test_a_key_of_payloads_signs_no_checkpoint(tmp_path: Path) -> None:
    log, sink = Published(tmp_path), Kept()
    follower, clock = opened(tmp_path, sink), Hand().clock
    log.publish([key_leaf(log, "introduced", [STRANGER]).replace(b'"checkpoint"', b'"payload"')])
    follower.round(clock)
    log.key = STRANGER
    log.publish_calls(range(1))
    follower.round(clock)
    assert "not signed by a key that is trusted" in str(follower.ledger.trouble(log.place))


def test_a_leaf_that_only_reads_like_one_of_keys_introduces_none(tmp_path: Path) -> None:
    log, sink = Published(tmp_path), Kept()
    follower, clock = opened(tmp_path, sink), Hand().clock
    said = key_leaf(log, "introduced", [STRANGER])
    log.publish([said.replace(b":", b": "), said[:-1] + b',"z":{"kind":"intent"}}'])
    follower.round(clock)
    log.key = STRANGER
    log.publish_calls(range(1))
    follower.round(clock)
    assert "not signed by a key that is trusted" in str(follower.ledger.trouble(log.place))


def test_a_key_that_a_leaf_introduces_may_sign_and_one_that_is_retired_may_not(tmp_path: Path) -> None:
    log, sink = Published(tmp_path), Kept()
    follower, clock = opened(tmp_path, sink), Hand().clock
    log.publish([key_leaf(log, "introduced", [NEXT])])
    follower.round(clock)
    log.key = NEXT
    log.publish([key_leaf(log, "retired", [KEY])])
    follower.round(clock)
    assert sink.indices == [0, 1]
    log.publish_calls(range(1))
    follower.round(clock)
    assert len(sink.events) == 4
    log.key = KEY
    log.publish_calls(range(1, 2))
    follower.round(clock)
    assert len(sink.events) == 4
    assert "not signed by a key that is trusted" in str(follower.ledger.trouble(log.place))


def test_what_was_learned_survives_a_restart(tmp_path: Path) -> None:
    log, sink = Published(tmp_path), Kept()
    log.publish([key_leaf(log, "introduced", [NEXT])])
    opened(tmp_path, sink).round(Hand().clock)
    log.key = NEXT
    log.publish_calls(range(1))
    opened(tmp_path, sink).round(Hand().clock)
    assert sink.indices == [0, 1, 2]


def test_a_key_that_only_the_file_beside_the_log_names_may_not_sign(tmp_path: Path) -> None:
    log, sink = Published(tmp_path), Kept()
    follower = opened(tmp_path, sink)
    follower.round(Hand().clock)
    log.key = STRANGER
    log.state_vkey([KEY, STRANGER])
    log.publish_calls(range(1))
    follower.round(Hand().clock)
    assert sink.events == []


def test_the_last_key_is_never_retired(tmp_path: Path) -> None:
    log, sink = Published(tmp_path), Kept()
    log.publish([key_leaf(log, "retired", [KEY])])
    opened(tmp_path, sink).round(Hand().clock)
    log.publish_calls(range(1))
    opened(tmp_path, sink).round(Hand().clock)
    assert len(sink.events) == 3


def test_a_new_year_is_signed_by_a_key_of_the_last(tmp_path: Path) -> None:
    old, sink = Published(tmp_path, year=2026), Kept()
    old.publish_calls(range(1))
    opened(tmp_path, sink).round(Hand().clock)
    Published(tmp_path, year=2027).publish_calls(range(1, 2))
    follower = opened(tmp_path, sink)
    follower.round(Hand().clock)
    assert len(sink.events) == 4
    forged = Published(tmp_path, year=2028, key=STRANGER)
    forged.publish_calls(range(2, 3))
    follower = opened(tmp_path, sink)
    follower.round(Hand().clock)
    assert len(sink.events) == 4
    told = "the log of bank for 2028 names none of the keys of the years before"
    assert follower.ledger.trouble(forged.place) == told
    # An operator who knows better says so.
    follower.ledger.trust(forged.place, [verifier_of(forged.origin, STRANGER).vkey])
    opened(tmp_path, sink).round(Hand().clock)
    assert len(sink.events) == 6
