"""Trust policies (C2SP tlog-policy): what is read, what is refused with its line, and whose word is enough."""

import pytest

from tallystick.audit.tlog.cosign import signing_key
from tallystick.audit.tlog.message import COSIGNATURE, ED25519, ML_DSA_44
from tallystick.audit.tlog.note import Checkpoint, NoteError, NotSignedError, with_signatures
from tallystick.audit.tlog.policy import PolicyError, parse_policy

ORIGIN = "bank.example/acme/2026"
CHECKPOINT = Checkpoint(ORIGIN, 3, bytes(32))
LOG = signing_key(ED25519, bytes(32))


def key(number: int, kind: int = COSIGNATURE) -> str:
    return signing_key(kind, bytes([number]) * 32).verifier(f"w{number}.example").vkey


X_AND_Y = f"""
# three of one organisation, three of another
log {LOG.verifier(ORIGIN).vkey}
witness X1 {key(1)} https://w1.example/witness
witness X2 {key(2)}
\twitness\tX3  {key(3, ML_DSA_44)}\t
group X-witnesses 2 X1 X2 X3

witness Y1 {key(4)}
witness Y2 {key(5)}
witness Y3 {key(6)}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def note(*cosigners: tuple[int, int]) -> str:
    """The checkpoint, signed by the log and cosigned by witnesses of these numbers and types."""
    lines = [
        signing_key(kind, bytes([number]) * 32).sign(f"w{number}.example", CHECKPOINT.body, 7)
        for number, kind in cosigners
    ]
    return with_signatures(f"{CHECKPOINT.body}\n{LOG.sign(ORIGIN, CHECKPOINT.body, 0)}\n", lines)


def test_the_example_of_the_specification_asks_for_two_of_one_group_and_one_of_the_other() -> None:
    policy = parse_policy(X_AND_Y.encode())
    assert [witness.name for witness in policy.witnesses] == ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
    assert policy.witnesses[0].url == "https://w1.example/witness"
    for enough in (("X1", "X2", "Y1"), ("X2", "X3", "Y3"), ("X1", "X2", "X3", "Y1", "Y2")):
        assert policy.satisfied(enough)
    for lacking in ((), ("X1", "Y1"), ("X1", "X2", "X3"), ("Y1", "Y2", "Y3", "X1"), ("X1", "X1", "Y1"), ("nobody",)):
        assert not policy.satisfied(lacking)


def test_a_quorum_of_none_needs_nobody() -> None:
    policy = parse_policy(b"quorum none\n")
    assert policy.satisfied(())
    assert policy.logs == ()


def test_a_quorum_of_one_witness_needs_that_witness() -> None:
    policy = parse_policy(f"witness a {key(1)}\nwitness b {key(2)}\nquorum b\n".encode())
    assert policy.satisfied(("b",))
    assert not policy.satisfied(("a",))


def test_a_checkpoint_is_accepted_once_its_quorum_has_cosigned_it() -> None:
    policy = parse_policy(X_AND_Y.encode())
    cosigned = note((1, COSIGNATURE), (3, ML_DSA_44), (6, COSIGNATURE))
    assert policy.cosigners(cosigned) == {"X1", "X3", "Y3"}
    assert policy.open_checkpoint(cosigned) == CHECKPOINT
    with pytest.raises(NotSignedError, match="the quorum X-and-Y is not reached: cosigned by X1, Y3"):
        policy.open_checkpoint(note((1, COSIGNATURE), (6, COSIGNATURE)))
    # The same secret with another signature type is another key.
    assert policy.cosigners(note((1, ML_DSA_44))) == frozenset()


def test_a_cosignature_that_does_not_fit_refuses_the_checkpoint() -> None:
    other = signing_key(COSIGNATURE, bytes([1]) * 32).sign("w1.example", Checkpoint(ORIGIN, 4, bytes(32)).body, 7)
    with pytest.raises(NoteError, match="does not fit"):
        parse_policy(X_AND_Y.encode()).cosigners(with_signatures(note(), [other]))


def test_a_checkpoint_of_a_log_that_the_policy_does_not_know_is_refused() -> None:
    unknown = f"witness X1 {key(1)}\nquorum X1\n"
    with pytest.raises(NotSignedError, match=r"knows no log bank\.example/acme/2026"):
        parse_policy(unknown.encode()).open_checkpoint(note((1, COSIGNATURE)))
    stranger = signing_key(ED25519, bytes([9]) * 32).verifier(ORIGIN).vkey
    with pytest.raises(NotSignedError, match="not signed by"):
        parse_policy(f"log {stranger}\n{unknown}".encode()).open_checkpoint(note((1, COSIGNATURE)))


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("quorum a\n", 1, "'a' is not defined above"),
        (f"quorum a\nwitness a {key(1)}\n", 1, "'a' is not defined above"),
        ("quorum none\nquorum none\n", 2, "a quorum line already"),
        ("quorum\n", 1, "quorum <name>"),
        ("# remark\nwitnes a b\n", 2, "begins with log, witness"),
        (f"witness a {key(1)}\nwitness a {key(2)}\n", 2, "the name 'a' is taken"),
        (f"witness none {key(1)}\n", 1, "the name 'none' is taken"),
        (f"witness a {key(1)}\nwitness b {key(1)}\n", 2, "another witness has the same key"),
        (f"witness a {key(1)} https://a https://b\n", 1, "witness <name> <vkey>"),
        (f"witness a {LOG.verifier('a').vkey}\n", 1, "type 0x01 is none of a witness"),
        (f"log {key(1)}\n", 1, "type 0x04 is none of a log"),
        (f"log {LOG.verifier('a').vkey}\nlog {LOG.verifier('b').vkey}\n", 2, "another log has the same key"),
        ("log\n", 1, "log <vkey>"),
        ("witness a b+c\n", 1, "a verifier key reads"),
        (f"witness a {key(1)}\ngroup g 1\n", 2, "group <name>"),
        (f"witness a {key(1)}\ngroup a 1 a\n", 2, "the name 'a' is taken"),
        (f"witness a {key(1)}\ngroup none all a\n", 2, "the name 'none' is taken"),
        (f"witness a {key(1)}\ngroup g 2 a\n", 2, "1 to 1 can be asked for"),
        (f"witness a {key(1)}\ngroup g 0 a\n", 2, "1 to 1 can be asked for"),
        (f"witness a {key(1)}\ngroup g 01 a\n", 2, "1 to 1 can be asked for"),
        (f"witness a {key(1)}\ngroup g most a\n", 2, "1 to 1 can be asked for"),
        (f"witness a {key(1)}\ngroup g 1 a a\n", 2, "'a' is a member of a group already"),
        (f"witness a {key(1)}\ngroup g 1 a\ngroup h 1 a\n", 3, "'a' is a member of a group already"),
        (f"witness a {key(1)}\ngroup g 1 g\n", 2, "'g' is not defined above"),
        ("group g 1 none\n", 1, "'none' is not defined above"),
        ("quorum none\r\n", 1, "control characters"),
        ("quorum\x00none\n", 1, "control characters"),
        ("\n\nquorum\x7fnone\n", 3, "control characters"),
        ("quorum\u00a0none\n", 1, "begins with log, witness"),
    ],
)
def test_what_the_format_does_not_allow_is_refused_with_its_line(text: str, line: int, why: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_policy(text.encode())
    assert refused.value.message.startswith(f"line {line}: ")
    assert why in refused.value.message


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no quorum line"),
        (b"# nothing\n", "no quorum line"),
        (b"quorum none", "may be cut off"),
        (b"#" * (1 << 20) + b"\nquorum none\n", "at most 1048576 bytes"),
    ],
)
def test_a_policy_that_is_cut_off_empty_or_huge_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(PolicyError, match=why):
        parse_policy(content)


def test_names_are_octets_and_look_alikes_are_different_names() -> None:
    text = f"witness K {key(1)}\nwitness \u212a {key(2)}\n".encode() + b"witness \xff " + key(3).encode()
    policy = parse_policy(text + b"\nquorum \xff\n")
    assert not policy.satisfied(("K", "\u212a"))
    assert policy.satisfied((policy.witnesses[2].name,))


def test_a_policy_of_hundreds_of_witnesses_and_groups_is_read() -> None:
    lines = [f"witness w{number} {key(number)}" for number in range(1, 200)]
    lines += [f"group g{number} any w{number}" for number in range(1, 200)]
    lines += [f"group all {150} {' '.join(f'g{number}' for number in range(1, 200))}", "quorum all", ""]
    policy = parse_policy("\n".join(lines).encode())
    assert policy.satisfied([f"w{number}" for number in range(1, 151)])
    assert not policy.satisfied([f"w{number}" for number in range(1, 150)])
