"""Notes and signatures of every type, against those of somebody else and against a hostile hand."""

from base64 import b64encode
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.audit.tlog.cosign import signing_key
from tallystick.audit.tlog.merkle import EMPTY_ROOT
from tallystick.audit.tlog.message import COSIGNATURE, ED25519, ML_DSA_44
from tallystick.audit.tlog.note import (
    Checkpoint,
    NoteError,
    NotSignedError,
    Verifier,
    open_checkpoint,
    parse_vkey,
    parse_vkeys,
    read_note,
    signature_line,
    signed_by,
    verifier_of,
    with_signatures,
)

VECTORS = Path(__file__).parent / "vectors"
ORIGIN = "bank.example/acme/2026"
CHECKPOINT = Checkpoint(ORIGIN, 7, bytes(range(32)))
KINDS = [ED25519, COSIGNATURE, ML_DSA_44]


class SignedTree(msgspec.Struct):
    """A checkpoint of the foreign writer."""

    note: str


class Vectors(msgspec.Struct):
    """The keys and checkpoints of the foreign writer."""

    log_vkey: str
    w1_vkey: str
    w2_vkey: str
    cps: list[SignedTree]


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return msgspec.json.decode((VECTORS / "vectors.json").read_bytes(), type=Vectors)


def signed(*kinds: int, name: str = ORIGIN, seed: int = 1, checkpoint: Checkpoint = CHECKPOINT) -> str:
    """A checkpoint with a signature of each type, by keys made of the seed."""
    lines = [signing_key(kind, bytes([seed]) * 32).sign(name, checkpoint.body, 1_790_000_000) for kind in kinds]
    return f"{checkpoint.body}\n" + "".join(f"{line}\n" for line in lines)


def verifier(kind: int, name: str = ORIGIN, seed: int = 1) -> Verifier:
    return signing_key(kind, bytes([seed]) * 32).verifier(name)


def test_every_line_of_the_foreign_writer_is_verified(vectors: Vectors) -> None:
    keys = [parse_vkey(text) for text in (vectors.log_vkey, vectors.w1_vkey, vectors.w2_vkey)]
    assert [key.kind for key in keys] == KINDS
    assert [key.vkey for key in keys] == [vectors.log_vkey, vectors.w1_vkey, vectors.w2_vkey]
    for tree in vectors.cps:
        found = signed_by(read_note(tree.note), keys)
        assert [one.verifier for one in found] == keys
        assert [one.at > 0 for one in found] == [False, True, True]


def test_a_line_of_the_foreign_writer_under_another_checkpoint_is_refused(vectors: Vectors) -> None:
    first, second = read_note(vectors.cps[0].note), read_note(vectors.cps[1].note)
    for number, text in enumerate((vectors.log_vkey, vectors.w1_vkey, vectors.w2_vkey)):
        moved = first._replace(signatures=(second.signatures[number],))
        with pytest.raises(NoteError, match="does not fit"):
            signed_by(moved, [parse_vkey(text)])


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_sign_is_verified_and_no_other_text(kind: int) -> None:
    text, key = signed(kind), verifier(kind)
    assert open_checkpoint(text, key) == CHECKPOINT
    assert signed_by(read_note(text), [key])[0].at == (0 if kind == ED25519 else 1_790_000_000)
    for other in (
        text.replace("\n7\n", "\n8\n"),
        text.replace(b64encode(CHECKPOINT.root).decode(), b64encode(bytes(32)).decode()),
    ):
        with pytest.raises(NoteError, match="does not fit"):
            open_checkpoint(other, key)


@pytest.mark.parametrize("kind", KINDS)
def test_no_bit_of_a_signature_line_can_be_changed(kind: int) -> None:
    key = verifier(kind)
    (line,) = read_note(signed(kind)).signatures
    # Every byte of the time, and some of the signature: verification is of the whole in any case.
    for at in [*range(min(16, len(line.value))), len(line.value) - 1]:
        value = bytearray(line.value)
        value[at] ^= 1
        text = f"{CHECKPOINT.body}\n{signature_line(ORIGIN, line.key_id + bytes(value))}\n"
        with pytest.raises(NoteError, match="does not fit"):
            open_checkpoint(text, key)


def test_a_post_quantum_signature_names_its_signer_and_the_older_one_does_not() -> None:
    for kind, moves in ((COSIGNATURE, True), (ML_DSA_44, False)):
        (line,) = read_note(signed(kind, name="witness.example/one")).signatures
        other = verifier(kind, "witness.example/two")
        text = f"{CHECKPOINT.body}\n{signature_line(other.name, other.key_id + line.value)}\n"
        if moves:
            assert signed_by(read_note(text), [other])
        else:
            with pytest.raises(NoteError, match="does not fit"):
                signed_by(read_note(text), [other])


def test_signatures_of_unknown_keys_are_ignored_even_under_a_known_name() -> None:
    strangers = [signature.line for signature in read_note(signed(ED25519, ML_DSA_44, seed=2)).signatures]
    assert open_checkpoint(with_signatures(signed(ED25519), strangers), verifier(ED25519)) == CHECKPOINT


def test_one_of_the_keys_is_enough_unless_all_are_asked_for() -> None:
    both = (verifier(ED25519), verifier(ML_DSA_44))
    assert open_checkpoint(signed(ML_DSA_44), both) == CHECKPOINT
    with pytest.raises(NotSignedError, match=r"not signed by bank\.example/acme/2026\+[0-9a-f]{8} \(Ed25519\)$"):
        open_checkpoint(signed(ML_DSA_44), both, every=True)
    assert open_checkpoint(signed(ED25519, ML_DSA_44), both, every=True) == CHECKPOINT


def test_a_wrong_signature_of_one_known_key_refuses_the_note_that_another_has_signed() -> None:
    wrong = read_note(signed(ML_DSA_44, checkpoint=Checkpoint(ORIGIN, 8, EMPTY_ROOT))).signatures[0].line
    text = with_signatures(signed(ED25519), [wrong])
    assert open_checkpoint(text, verifier(ED25519)) == CHECKPOINT
    with pytest.raises(NoteError, match="does not fit"):
        open_checkpoint(text, (verifier(ED25519), verifier(ML_DSA_44)))


def test_a_key_opens_the_checkpoints_of_its_own_origin_only() -> None:
    text = signed(ED25519, name="bank.example/other/2026")
    with pytest.raises(NoteError, match=r"reads bank\.example/other/2026"):
        open_checkpoint(text, verifier(ED25519, "bank.example/other/2026"))


def test_a_newer_line_of_a_key_takes_the_place_of_its_older_one() -> None:
    key = signing_key(COSIGNATURE, bytes([3]) * 32)
    text = signed(ED25519)
    for at in (1_790_000_001, 1_790_000_002):
        text = with_signatures(text, [key.sign("w.example", CHECKPOINT.body, at)])
    (found,) = signed_by(read_note(text), [key.verifier("w.example")])
    assert found.at == 1_790_000_002
    assert len(read_note(text).signatures) == 2


@pytest.mark.parametrize(
    "text",
    [
        "bank.example\n7\nAAAA\n",
        "bank.example\n7\nAAAA\n\n",
        signed(ED25519)[:-1],
        signed(ED25519).replace("\n\n", "\n", 1),
        signed(ED25519).replace("\n7\n", "\n07\n"),
        signed(ED25519).replace("\n7\n", "\n-7\n"),
        signed(ED25519).replace("\n7\n", "\n7\r\n"),
        signed(ED25519).replace("\n7\n", "\n7\n\n"),
        signed(ED25519).replace("\u2014 ", "- "),
        signed(ED25519) + "x",
        signed(ED25519) + "\u2014 w.example AAAA\n",
        signed(ED25519).removesuffix("=\n") + "\n",
        f"{CHECKPOINT.body}\x0b\n\n\u2014 w.example AAAAAAAA\n",
    ],
)
def test_what_is_no_signed_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        open_checkpoint(text, verifier(ED25519))


def test_extension_lines_are_signed_with_the_text() -> None:
    body = f"{CHECKPOINT.body}extension\n"
    key = signing_key(COSIGNATURE, bytes(32))
    text = f"{body}\n{key.sign(ORIGIN, body, 5)}\n"
    assert open_checkpoint(text, key.verifier(ORIGIN)) == CHECKPOINT
    with pytest.raises(NoteError, match="does not fit"):
        open_checkpoint(text.replace("extension", "another"), key.verifier(ORIGIN))


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_in_text_form_is_read_back_and_no_letter_of_it_can_change(kind: int) -> None:
    key = verifier(kind)
    assert parse_vkey(key.vkey) == key
    name, number, material = key.vkey.split("+", 2)
    for text in (
        f"{name}x+{number}+{material}",
        f"{name}+{int(number, 16) ^ 1:08x}+{material}",
        f"{name}+{number}+{material[:-4]}",
        f"{name}+{number}+{material}AAAA",
        f"{name}+{number.upper()}X+{material}",
        f" {key.vkey}",
        f"{key.vkey}\n\n",
    ):
        with pytest.raises(NoteError):
            parse_vkey(text)


@pytest.mark.parametrize(("kind", "length"), [(ED25519, 33), (COSIGNATURE, 31), (ML_DSA_44, 32), (ED25519, 0)])
def test_a_key_of_another_length_than_its_type_has_is_refused(kind: int, length: int) -> None:
    with pytest.raises(NoteError, match=f"it has {length} bytes"):
        parse_vkey(Verifier("bank.example", bytes(length), kind).vkey)


@pytest.mark.parametrize("wrong", ["ext\x01\n", "ext\x1b[2J\n", "ext\t\n", "ext\r\n"])
def test_a_note_with_control_characters_is_refused_whoever_signed_it(wrong: str) -> None:
    body, key = f"{CHECKPOINT.body}{wrong}", signing_key(ED25519, bytes(32))
    text = f"{body}\n{key.sign(ORIGIN, body, 5)}\n"
    with pytest.raises(NoteError, match="no control characters"):
        open_checkpoint(text, key.verifier(ORIGIN))


def test_a_root_that_is_written_in_another_way_is_refused_whoever_signed_it() -> None:
    # The last letter before the padding has two bits that stand for nothing.
    root = b64encode(bytes(32)).decode()
    body, key = f"{ORIGIN}\n7\n{root[:-2]}B=\n", Ed25519PrivateKey.from_private_bytes(bytes(32))
    value = verifier_of(ORIGIN, key).key_id + key.sign(body.encode())
    with pytest.raises(NoteError, match="not canonical"):
        open_checkpoint(f"{body}\n{signature_line(ORIGIN, value)}\n", verifier_of(ORIGIN, key))


def test_a_key_of_an_unknown_type_says_so() -> None:
    with pytest.raises(NoteError, match="unknown type 0x02"):
        parse_vkey(f"bank.example+00000000+{b64encode(bytes([2]) * 33).decode()}")


def test_a_file_of_keys_holds_one_on_each_line() -> None:
    keys = (verifier(ED25519), verifier(ML_DSA_44))
    assert parse_vkeys("".join(f"{key.vkey}\n" for key in keys)) == keys
    with pytest.raises(NoteError, match="line 2: a verifier key reads"):
        parse_vkeys(f"{keys[0].vkey}\n# a remark\n")
    with pytest.raises(NoteError, match="no verifier key"):
        parse_vkeys("\n")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb"])
def test_a_name_that_would_break_the_line_is_refused(name: str) -> None:
    with pytest.raises(NoteError, match="cannot name a key"):
        signing_key(ED25519, bytes(32)).verifier(name)


def test_a_secret_of_another_length_or_type_is_refused() -> None:
    for kind, seed in ((ED25519, bytes(31)), (ML_DSA_44, bytes(33)), (2, bytes(32))):
        with pytest.raises(ValueError, match=r"32 bytes|no signature type"):
            signing_key(kind, seed)
