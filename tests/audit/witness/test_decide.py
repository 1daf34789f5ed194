"""What a witness answers: the rules of C2SP tlog-witness, one by one."""

import sqlite3
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

import pytest

from tallystick.audit.tlog.cosign import signing_key
from tallystick.audit.tlog.merkle import EMPTY_ROOT
from tallystick.audit.tlog.message import COSIGNATURE, ED25519, ML_DSA_44
from tallystick.audit.tlog.note import Checkpoint, NoteError, parse_signature, read_note, signed_by, with_signatures
from tallystick.audit.witness.decide import BODY_LIMIT, PLAIN, SIZE, Answer, Witness, parse_request
from tallystick.audit.witness.state import REFUSED_LIMIT, Refused, Seen, StorageError, WitnessError, WitnessState
from tests.audit.witness.trees import ORIGIN, Tree, tree

NOW = 1_790_000_100
NAME = "audit.bank.example/witness"
LOG = tree(600)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[WitnessState]:
    state = WitnessState.create(tmp_path / "witness", NAME)
    state.add_log(LOG.vkeys)
    yield state
    state.close()


@pytest.fixture
def witness(state: WitnessState, clock: Clock) -> Witness:
    return Witness(state, clock)


def submit(witness: Witness, log: Tree, old: int) -> Answer:
    return witness.add_checkpoint(log.request(old))


def test_a_log_is_cosigned_with_both_algorithms_as_it_grows(witness: Witness, state: WitnessState) -> None:
    old = 0
    for size in (0, 1, 2, 5, 256, 257, 600, 600):
        log = LOG.at(size)
        answer = submit(witness, log, old)
        assert answer.status == HTTPStatus.OK
        found = signed_by(read_note(with_signatures(log.note, answer.body.splitlines())), state.verifiers)
        assert [(one.verifier.kind, one.at) for one in found] == [(COSIGNATURE, NOW), (ML_DSA_44, NOW)]
        assert state.seen(ORIGIN)[:3] == (size, log.checkpoint.root, NOW)
        old = size


def test_the_newest_cosigned_checkpoint_is_shown_to_monitors(witness: Witness, state: WitnessState) -> None:
    digest = sha256(ORIGIN.encode()).hexdigest()
    assert witness.latest(digest).status == HTTPStatus.NOT_FOUND
    submit(witness, LOG.at(5), 0)
    stranger = signing_key(ED25519, bytes([7]) * 32).sign("stranger.example", LOG.checkpoint.body, 1)
    request = LOG.request(5).decode()
    cosigned = witness.add_checkpoint(f"{request}{stranger}\n".encode())
    shown = witness.latest(digest)
    assert (shown.status, shown.kind) == (HTTPStatus.OK, PLAIN)
    assert shown.body == request.partition("\n\n")[2] + cosigned.body, "a line of an unknown key is not passed on"
    assert len(signed_by(read_note(shown.body), [*LOG.verifiers, *state.verifiers])) == 4


@pytest.mark.parametrize("old", [0, 1, 4, 6, 599, 600])
def test_another_old_size_than_the_one_cosigned_last_is_a_conflict_that_tells_the_size(
    witness: Witness, old: int
) -> None:
    submit(witness, LOG.at(5), 0)
    assert submit(witness, LOG, old) == (HTTPStatus.CONFLICT, "5\n", SIZE)
    assert submit(witness, LOG, 5).status == HTTPStatus.OK


def test_a_log_that_was_rolled_back_is_told_how_far_it_was(witness: Witness, state: WitnessState) -> None:
    submit(witness, LOG.at(300), 0)
    rolled_back = LOG.at(200)
    assert submit(witness, rolled_back, 200) == (HTTPStatus.CONFLICT, "300\n", SIZE)
    assert submit(witness, rolled_back, 0) == (HTTPStatus.CONFLICT, "300\n", SIZE)
    assert witness.add_checkpoint(rolled_back.request(300, [])).status == HTTPStatus.BAD_REQUEST
    assert state.seen(ORIGIN).size == 300


def test_a_second_history_of_the_same_size_is_refused_and_kept_as_evidence(
    witness: Witness, state: WitnessState
) -> None:
    submit(witness, LOG.at(300), 0)
    other = tree(300, "other")
    answer = submit(witness, other, 300)
    assert (answer.status, answer.kind) == (HTTPStatus.CONFLICT, PLAIN)
    assert "two histories" in answer.body
    submit(witness, other, 300)
    (refused,) = state.refusals()
    assert refused[:2] == (ORIGIN, NOW)
    # Both notes carry the log's signature: together they prove that it has told two stories.
    assert len(signed_by(read_note(refused.note), LOG.verifiers)) == 2
    assert state.seen(ORIGIN).root == LOG.at(300).checkpoint.root


def test_a_second_history_that_is_longer_cannot_be_proven(witness: Witness, state: WitnessState) -> None:
    submit(witness, LOG.at(300), 0)
    other = tree(400, "other")
    for proof in (None, [], [bytes(32)], LOG.prove(300, 400)):
        answer = witness.add_checkpoint(other.request(300, proof))
        assert (answer.status, answer.kind) == (HTTPStatus.UNPROCESSABLE_ENTITY, PLAIN)
    assert len(state.refusals()) == 1
    assert submit(witness, LOG, 300).status == HTTPStatus.OK


def test_a_proof_where_nothing_is_to_be_proven_is_refused(witness: Witness) -> None:
    assert witness.add_checkpoint(LOG.request(0, [bytes(32)])).status == HTTPStatus.UNPROCESSABLE_ENTITY
    submit(witness, LOG, 0)
    assert witness.add_checkpoint(LOG.request(600, [bytes(32)])).status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert submit(witness, LOG, 600).status == HTTPStatus.OK


def test_an_empty_tree_with_another_root_is_refused(witness: Witness) -> None:
    body = Checkpoint(ORIGIN, 0, bytes(32)).body
    note = f"old 0\n\n{body}\n{LOG.keys[0].sign(ORIGIN, body, 0)}\n"
    assert witness.add_checkpoint(note.encode()).status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert LOG.at(0).checkpoint.root == EMPTY_ROOT


def test_an_old_size_above_the_new_one_is_a_bad_request(witness: Witness) -> None:
    assert witness.add_checkpoint(LOG.at(5).request(6, [])).status == HTTPStatus.BAD_REQUEST


def test_a_log_that_is_not_known_is_not_found(witness: Witness) -> None:
    assert submit(witness, tree(5, origin="bank.example/other/2026"), 0).status == HTTPStatus.NOT_FOUND


def test_a_checkpoint_that_no_known_key_has_signed_is_forbidden(witness: Witness, state: WitnessState) -> None:
    stranger = LOG._replace(keys=(signing_key(ED25519, bytes([9]) * 32),))
    assert submit(witness, stranger, 0).status == HTTPStatus.FORBIDDEN
    wrong = LOG.request(0).replace(b"\n600\n", b"\n601\n")
    assert witness.add_checkpoint(wrong).status == HTTPStatus.FORBIDDEN
    # One signature that fits does not help another of a known key that does not.
    moved = read_note(LOG.at(5).note).signatures[1].line
    half = f"old 0\n\n{with_signatures(LOG.note, [moved])}"
    assert witness.add_checkpoint(half.encode()).status == HTTPStatus.FORBIDDEN
    assert state.seen(ORIGIN) == Seen()


def test_one_of_the_keys_of_a_log_is_enough(witness: Witness) -> None:
    assert submit(witness, LOG._replace(keys=LOG.keys[1:]), 0).status == HTTPStatus.OK


def test_keys_that_were_replaced_are_trusted_no_more_and_what_was_seen_stays(
    witness: Witness, state: WitnessState
) -> None:
    submit(witness, LOG.at(5), 0)
    rotated = LOG._replace(keys=tuple(signing_key(key.kind, bytes([5]) * 32) for key in LOG.keys))
    state.add_log(rotated.vkeys)
    assert submit(witness, LOG, 5).status == HTTPStatus.FORBIDDEN
    assert submit(witness, rotated, 5).status == HTTPStatus.OK


HASH = b64encode(bytes(32)).decode()
GOOD = LOG.request(0).decode()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "old 0\n",
        "old 0\n\n",
        GOOD.replace("old 0", "old -1"),
        GOOD.replace("old 0", "old 00"),
        GOOD.replace("old 0", "old 0 "),
        GOOD.replace("old 0", "new 0"),
        GOOD.replace("old 0", "old \u0664"),
        GOOD.replace("old 0", "old 99999999999999999999"),
        GOOD.replace("old 0", "old 9223372036854775808"),
        GOOD.replace("\n600\n", "\n9999999999999999999\n"),
        GOOD.replace("old 0\n", "old 0\n" + f"{HASH}\n" * 64),
        GOOD.replace("old 0\n", f"old 0\n{HASH[:-4]}\n"),
        GOOD.replace("old 0\n", f"old 0\n{HASH.replace('=', '')}\n"),
        GOOD.replace("old 0\n", "old 0\nnot base64\n"),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("old 0\n\n", "old 0\n"),
        GOOD[:-1],
        GOOD.replace(ORIGIN, f"{ORIGIN}\x00"),
        GOOD.replace("\n600\n", "\n0600\n"),
        GOOD + "x" * BODY_LIMIT,
    ],
)
def test_a_request_that_does_not_have_the_form_is_a_bad_request(
    witness: Witness, state: WitnessState, body: str
) -> None:
    assert witness.add_checkpoint(body.encode()).status == HTTPStatus.BAD_REQUEST
    assert state.seen(ORIGIN) == Seen()


def test_a_request_that_is_no_text_is_a_bad_request(witness: Witness) -> None:
    assert witness.add_checkpoint(b"old 0\n\n\xff\n").status == HTTPStatus.BAD_REQUEST


def test_sixty_three_hashes_are_read() -> None:
    request = parse_request(GOOD.replace("old 0\n", "old 0\n" + f"{HASH}\n" * 63).encode())
    assert (request.old, request.proof) == (0, (bytes(32),) * 63)
    with pytest.raises(NoteError, match="at most 63"):
        parse_request(GOOD.replace("old 0\n", "old 0\n" + f"{HASH}\n" * 64).encode())


def test_a_clock_that_goes_back_does_not_make_a_cosignature_older(witness: Witness, clock: Clock) -> None:
    for now, expected in ((NOW, NOW), (NOW - 3600, NOW), (NOW + 5, NOW + 5)):
        clock.now = now
        lines = submit(witness, LOG, 600 if now != NOW else 0).body.splitlines()
        times = [int.from_bytes(parse_signature(line).value[:8], "big") for line in lines]
        assert times == [expected, expected]


def test_each_year_of_a_log_can_be_known_by_the_same_keys(witness: Witness, state: WitnessState) -> None:
    log = tree(3, origin="bank.example/other/2026")
    assert state.add_log(log.vkeys, every_year=True).origin == "bank.example/other/*"
    for origin, status in {
        "bank.example/other/2026": HTTPStatus.OK,
        "bank.example/other/2027": HTTPStatus.OK,
        "bank.example/other/20270": HTTPStatus.NOT_FOUND,
        "bank.example/other/next": HTTPStatus.NOT_FOUND,
        "bank.example/other/*": HTTPStatus.NOT_FOUND,
        "bank.example/others/2027": HTTPStatus.NOT_FOUND,
        "bank.example/acme/2027": HTTPStatus.NOT_FOUND,
    }.items():
        assert submit(witness, log._replace(origin=origin), 0).status == status, origin
    # A year of its own line has its own keys.
    rotated = log._replace(keys=(signing_key(ED25519, bytes([5]) * 32),))
    state.add_log(rotated.vkeys)
    assert submit(witness, log, 3).status == HTTPStatus.FORBIDDEN
    assert submit(witness, rotated, 3).status == HTTPStatus.OK


@pytest.mark.parametrize(
    ("vkeys", "every_year", "why"),
    [
        (LOG.vkeys + tree(1, origin="bank.example/other/2026").vkeys, False, "one name"),
        (signing_key(COSIGNATURE, bytes(32)).verifier("w.example").vkey, False, "types 0x01 and 0x06"),
        (tree(1, origin="bank.example/other").vkeys, True, "does not end with a year"),
    ],
)
def test_a_file_that_holds_no_keys_of_one_log_is_refused(
    state: WitnessState, *, vkeys: str, every_year: bool, why: str
) -> None:
    with pytest.raises(WitnessError, match=why):
        state.add_log(vkeys, every_year=every_year)
    assert len(state.logs()) == 1


def test_what_was_seen_and_the_keys_survive_a_restart(state: WitnessState, tmp_path: Path, witness: Witness) -> None:
    submit(witness, LOG.at(300), 0)
    again = WitnessState(tmp_path / "witness")
    assert (again.name, again.verifiers, again.seen(ORIGIN)) == (NAME, state.verifiers, state.seen(ORIGIN))
    assert submit(Witness(again, Clock()), LOG.at(200), 0).body == "300\n"
    again.close()


def test_of_many_requests_at_once_each_continues_the_one_before(witness: Witness, state: WitnessState) -> None:
    requests = [LOG.at(size).request(old) for old in range(6) for size in range(old, 12)]
    requests += [tree(size, "other").request(old) for old in range(3) for size in range(old, 6)]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(witness.add_checkpoint, requests))
    sizes = [
        parse_request(body).checkpoint for body, answer in zip(requests, answers, strict=True) if answer.status == 200
    ]
    assert sizes
    trees = {(checkpoint.size, checkpoint.root) for checkpoint in sizes if checkpoint.size}
    assert trees <= {(size, LOG.at(size).checkpoint.root) for size in range(12)} or trees <= {
        (size, tree(size, "other").checkpoint.root) for size in range(6)
    }, "two histories were cosigned"
    assert state.seen(ORIGIN).size == max(checkpoint.size for checkpoint in sizes)


def test_a_request_that_another_one_has_overtaken_gets_no_cosignature(tmp_path: Path, state: WitnessState) -> None:
    beside = WitnessState(tmp_path / "witness")
    other = Witness(beside, Clock())

    def overtaken() -> float:
        # Between the look at what was seen and its replacement: another process that the lock file did not keep out.
        assert submit(other, LOG.at(7), 0).status in {HTTPStatus.OK, HTTPStatus.CONFLICT}
        return NOW

    late = Witness(state, overtaken).add_checkpoint(tree(5, "other").request(0))
    assert late == (HTTPStatus.CONFLICT, "7\n", SIZE)
    assert state.seen(ORIGIN).root == LOG.at(7).checkpoint.root
    beside.close()


def test_a_state_that_has_moved_meanwhile_is_not_overwritten(state: WitnessState) -> None:
    first, second = Seen(5, bytes(32), 1, "five"), Seen(6, bytes([1]) * 32, 2, "six")
    assert state.advance(ORIGIN, Seen(), second)
    assert not state.advance(ORIGIN, Seen(), first)
    assert not state.advance(ORIGIN, first, Seen(7, bytes(32), 3, "seven"))
    assert not state.advance(ORIGIN, second, first), "a tree never becomes smaller"
    assert state.seen(ORIGIN) == second


def test_a_witness_that_could_not_remember_once_signs_nothing_any_more(tmp_path: Path, witness: Witness) -> None:
    submit(witness, LOG.at(5), 0)
    directory = tmp_path / "witness"
    with closing(sqlite3.connect(directory / "witness.sqlite")) as beside:
        beside.execute("ALTER TABLE seen RENAME TO gone")
        with pytest.raises(StorageError, match="no such table"):
            submit(witness, LOG, 5)
        beside.execute("ALTER TABLE gone RENAME TO seen")
    with pytest.raises(StorageError, match="no such table"):
        submit(witness, LOG, 5)
    again = WitnessState(directory)
    assert submit(Witness(again, Clock()), LOG, 5).status == HTTPStatus.OK
    again.close()


def test_refusals_are_kept_within_a_bound(state: WitnessState) -> None:
    state.refuse(Refused(ORIGIN, 1, "two histories", "the proof"))
    for number in range(REFUSED_LIMIT + 5):
        state.refuse(Refused(ORIGIN, number, "unproven", f"note {number}"))
    kept = state.refusals()
    assert len(kept) == REFUSED_LIMIT + 1
    assert kept[0].note == "the proof", "what proves something is not pushed out by what does not"
    assert kept[-1].note == f"note {REFUSED_LIMIT + 4}"


def test_a_directory_holds_one_witness(tmp_path: Path, state: WitnessState) -> None:
    with pytest.raises(WitnessError, match="holds a witness already"):
        WitnessState.create(tmp_path / "witness", "another.example")
    with pytest.raises(WitnessError, match="holds no witness"):
        WitnessState(tmp_path)
    # What a crash has left before the name was written is no witness, and can be made one.
    (tmp_path / "half").mkdir()
    sqlite3.connect(tmp_path / "half" / "witness.sqlite").close()
    with pytest.raises(WitnessError, match="holds no witness"):
        WitnessState(tmp_path / "half")
    WitnessState.create(tmp_path / "half", "another.example").close()
    with pytest.raises(NoteError, match="cannot name a key"):
        WitnessState.create(tmp_path / "new", "a name with spaces")
    key = tmp_path / "witness" / "keys" / "witness-mldsa44"
    assert key.stat().st_mode & 0o777 == 0o600
    key.write_bytes(b"short")
    with pytest.raises(WitnessError, match="cannot be used"):
        WitnessState(tmp_path / "witness")
    assert state.name == NAME
