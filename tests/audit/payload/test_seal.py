"""A sealed record is bound to all that its header says, and is read strictly."""

import os

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.audit.payload import Damaged
from tallystick.audit.payload.seal import Header, header_of, parse, seal, unseal

CIPHER = AESGCM(bytes(range(32)))
PARTS = (b"01KSR492000000000000000001", b"standard", b"args", b"0f" * 16, b"ab" * 32, 5, b"2026-05-28T20:26:40.000000Z")
RECORD = seal(CIPHER, header_of(PARTS), bytes(12), b"hello")


def test_a_record_says_what_it_belongs_to_and_opens_with_its_key() -> None:
    parsed = parse(RECORD)
    assert parsed.header == Header(
        call="01KSR492000000000000000001",
        retention="standard",
        field="args",
        key="0f" * 16,
        leaf="ab" * 32,
        size=5,
        ts="2026-05-28T20:26:40.000000Z",
    )
    assert parsed.header.month == "2026-05"
    assert unseal(CIPHER, parsed) == b"hello"


def test_the_header_is_canonical_json() -> None:
    header = parse(RECORD).bound
    assert msgspec.json.encode(msgspec.json.decode(header), order="sorted") == header


def test_every_single_byte_that_is_changed_is_found() -> None:
    for at in range(len(RECORD)):
        changed = bytearray(RECORD)
        changed[at] ^= 0x01
        with pytest.raises(Damaged):
            unseal(CIPHER, parse(bytes(changed)))


def test_a_record_that_is_cut_off_anywhere_is_found() -> None:
    for length in range(len(RECORD)):
        with pytest.raises(Damaged):
            parse(RECORD[:length])


def test_a_record_with_something_behind_it_is_refused() -> None:
    with pytest.raises(Damaged):
        parse(RECORD + b"\0")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, b"01KSR492000000000000000002"),
        (1, b"brief"),
        (2, b"result"),
        (3, b"1f" * 16),
        (4, b"ac" * 32),
        (6, b"2026-05-28T20:26:40.000001Z"),
    ],
)
def test_ciphertext_cannot_be_moved_to_another_call_class_field_key_leaf_or_time(place: int, value: bytes) -> None:
    other = list(PARTS)
    other[place] = value
    call, retention, field, key, leaf, size, ts = other
    assert isinstance(size, int)
    texts = [part for part in (call, retention, field, key, leaf, ts) if isinstance(part, bytes)]
    header = header_of((texts[0], texts[1], texts[2], texts[3], texts[4], size, texts[5]))
    nonce_and_body = RECORD[RECORD.index(parse(RECORD).bound) + len(parse(RECORD).bound) :]
    other_record = seal(CIPHER, header, bytes(12), b"hello")
    moved = other_record[: other_record.index(header) + len(header)] + nonce_and_body
    with pytest.raises(Damaged, match="was changed"):
        unseal(CIPHER, parse(moved))


@pytest.mark.parametrize(
    "header",
    [
        b"{}",
        b"[]",
        b'{"call":1}',
        header_of(PARTS).replace(b'"v":1', b'"v":2'),
        header_of(PARTS).replace(b'"v":1', b'"v":1,"w":2'),
        header_of(PARTS).replace(b',"v":1', b', "v":1'),
        header_of(PARTS).replace(b"standard", b"../other"),
        header_of(PARTS).replace(b"standard", b""),
        header_of(PARTS).replace(b'"args"', b'"Args"'),
        header_of(PARTS).replace(b"2026-05", b"2026-13"),
        header_of(PARTS).replace(b"abab", b"ABab"),
        header_of(PARTS).replace(b'"size":5', b'"size":-5'),
        header_of(PARTS).replace(b'"size":5', b'"size":6'),
    ],
)
def test_a_header_that_is_not_canonical_or_has_impossible_values_is_refused(header: bytes) -> None:
    with pytest.raises(Damaged):
        parse(seal(CIPHER, header, bytes(12), b"hello"))


def test_equal_payloads_have_different_records() -> None:
    first = seal(CIPHER, header_of(PARTS), os.urandom(12), b"hello")
    assert first != seal(CIPHER, header_of(PARTS), os.urandom(12), b"hello")


def test_a_record_of_another_key_does_not_open() -> None:
    with pytest.raises(Damaged, match="under another key"):
        unseal(AESGCM(bytes(32)), parse(RECORD))
