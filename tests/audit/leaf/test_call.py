"""Leaves are canonical, bounded and carry commitments instead of payloads."""

import hmac
import json
import weakref
from collections.abc import Callable
from itertools import product
from random import Random

import jsonschema_rs
import pytest
import rfc8785

from tallystick import audit
from tallystick.audit.leaf import call as leaves
from tallystick.audit.leaf.schema import leaf_schema
from tallystick.terms import Caller, Decision, Digest, Reason, Refusal, ServerId, TenantId, ToolId
from tests.audit.sample import BANK, CALLER, DECISION, NOON, TARGET, call_of, denial, intent, outcome

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

ALPHABET = "".join(map(chr, range(0x30))) + '\\"/\x7f\x80\u2028\u2029\ufeffaZ€é😀\U0010ffff\ue000\ufb33'


def _value(random: Random, depth: int) -> Json:
    kind = random.randrange(9 if depth else 7)
    if kind < 2:
        return "".join(random.choices(ALPHABET, k=random.randrange(6)))
    if kind == 2:
        return random.choice([0, -1, 2**53 - 1, 1 - 2**53, random.randrange(-(10**6), 10**6)])
    if kind == 3:
        return random.choice([1e21, 1e-7, 0.1, -0.0, 5e-324, 1.5, 333333333.3333333, random.uniform(-1e9, 1e9)])
    if kind < 7:
        return random.choice([None, True, False])
    if kind == 7:
        return [_value(random, depth - 1) for _ in range(random.randrange(4))]
    return {"".join(random.choices(ALPHABET, k=3)): _value(random, depth - 1) for _ in range(random.randrange(5))}


def test_canonical_is_rfc_8785_for_thousands_of_values() -> None:
    random = Random(8785)  # noqa: S311 - repeatable on purpose; nothing secret is drawn
    for _ in range(5000):
        value = _value(random, 3)
        assert audit.leaf.canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [2**53, [1e999], {"a": "\ud800"}, float("nan"), {"\ud800": 1}])
def test_a_value_without_canonical_form_is_refused(value: object) -> None:
    refused = audit.leaf.canonical(value)
    assert isinstance(refused, Refusal)
    assert refused.reasons == (Reason.MALFORMED,)


@pytest.mark.parametrize("leaf", [intent(1), outcome(1, 0), denial(1), leaves.in_doubt(call_of(1), BANK, 7, NOON)])
def test_a_leaf_is_canonical_json(leaf: bytes) -> None:
    assert rfc8785.dumps(json.loads(leaf)) == leaf


def test_an_intent_says_who_what_and_why() -> None:
    assert json.loads(intent(1)) == {
        "v": 1,
        "kind": "intent",
        "id": call_of(1),
        "ts": "2026-05-28T20:26:40.000000Z",
        "tenant": "bank",
        "caller": {
            "subject": "alice@bank.example",
            "kind": "person",
            "actors": ["payments-agent"],
            "client": "desk-agent",
            "issuer": "https://idp.bank.example",
            "groups": ["clerks", "emea"],
        },
        "route": "/servers/core/mcp",
        "method": "tools/call",
        "era": "2026-07-28",
        "server": "core",
        "tool": "accounts.list",
        "definition": "sha256:" + "c" * 64,
        "decision": {
            "effect": "allow",
            "policies": ["clerks-may-read"],
            "reasons": ["policy_allows"],
            "bundle": "sha256:" + "b" * 64,
        },
        "snapshot": "sha256:" + "d" * 64,
        "request_bytes": 300,
        "args_c": "e" * 64,
    }


WHOSE = audit.model.Whose("a" * 64, "standard", ("args", "prompt"), ("reason",))
WHY = audit.model.Why(
    (audit.model.Context("prompt", "meta", "1" * 64), audit.model.Context("reason", "argument", "2" * 64)), "m-1", "v2"
)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def _intent(**fields: object) -> audit.Intent:
    plain = audit.Intent(call_of(1), NOON, BANK, CALLER, TARGET, DECISION, "e" * 64, 300)
    return plain._replace(**fields)


def test_an_intent_says_whose_payloads_go_with_it_why_it_is_made_and_what_it_moves() -> None:
    told = {"whose": WHOSE, "trace": TRACE, "why": WHY, "amount": "40.50", "currency": "EUR"}
    aimed = TARGET._replace(operation="write", risk="high")
    leaf = json.loads(audit.encode(_intent(**told, target=aimed)))
    assert {name: leaf[name] for name in leaf.keys() - json.loads(intent(1)).keys()} == {
        "subject": "a" * 64,
        "retention": "standard",
        "kept": ["args", "prompt"],
        "unkept": ["reason"],
        "trace": TRACE,
        "context": [
            {"of": "prompt", "source": "meta", "c": "1" * 64},
            {"of": "reason", "source": "argument", "c": "2" * 64},
        ],
        "model": "m-1",
        "prompt_set": "v2",
        "amount": "40.50",
        "currency": "EUR",
        "operation": "write",
        "risk": "high",
    }


def test_a_leaf_with_all_that_can_be_told_is_canonical_and_as_published() -> None:
    validator = jsonschema_rs.validator_for(leaf_schema())
    refusal = Refusal("denied", (Reason.POLICY_FORBIDS,), "no")
    denial_of = audit.Denial(call_of(1), NOON, BANK, TARGET, refusal, 300, CALLER, DECISION, "e" * 64)
    outcome_of = audit.Outcome(call_of(1), NOON, BANK, 17, "success", 1200, 90, "f" * 64, whose=WHOSE, trace=TRACE)
    records = (
        _intent(whose=WHOSE, trace=TRACE, why=WHY, session="s", amount="1", currency="EUR"),
        denial_of._replace(whose=WHOSE, trace=TRACE, why=WHY, session="s"),
        outcome_of,
    )
    for record in records:
        leaf = audit.encode(record)
        assert rfc8785.dumps(json.loads(leaf)) == leaf
        assert validator.is_valid(json.loads(leaf)), list(validator.iter_errors(json.loads(leaf)))
    assert leaves.glance(audit.encode(outcome_of)) == ("outcome", 17, call_of(1).encode())
    named = outcome_of._replace(whose=WHOSE._replace(kept=("intent", "kind"), unkept=("intent",)))
    assert leaves.glance(audit.encode(named))[:2] == ("outcome", 17)


def test_a_person_is_named_by_a_reference_that_needs_the_key_and_the_tenant() -> None:
    key, refs = bytes(32), set[str]()
    for tenant, name in product(("bank", "ban"), ("ada", "kada", "account=ada")):
        ref = audit.leaf.subject_ref(key, TenantId(tenant), name)
        spelled = b"tallystick.dev/subject/v1\0" + tenant.encode() + b"\0" + name.encode()
        assert ref == hmac.digest(key, spelled, "sha256").hex()
        refs.add(ref)
    assert len(refs) == 6
    assert audit.leaf.subject_ref(bytes(31) + b"\1", BANK, "ada") not in refs
    assert len(audit.leaf.subject_ref(key, BANK, "\ud800")) == 64


class _Name(str):
    """A name of a person that can be watched."""

    __slots__ = ("__weakref__",)


def test_what_a_client_names_at_length_is_not_remembered() -> None:
    key, long, short = bytes(32), _Name("account=" + "9" * 100_000), _Name("account=9")
    refs = [audit.leaf.subject_ref(key, BANK, name) for name in (long, short)]
    assert refs == [audit.leaf.subject_ref(key, BANK, str(name)) for name in (long, short)]
    left = weakref.ref(long), weakref.ref(short)
    del long, short
    assert left[0]() is None
    assert left[1]() is not None


def test_an_outcome_that_never_left_says_what_its_intent_would_have_said() -> None:
    record = audit.Outcome(call_of(1), NOON, BANK, None, "limited", 5, target=TARGET, caller=CALLER, decision=DECISION)
    fields = json.loads(audit.encode(record))
    assert fields["intent"] is None
    assert {"caller", "decision", "method", "route"} < fields.keys()


def test_a_denial_of_nobody_names_no_caller() -> None:
    assert json.loads(denial(1))["caller"] is None


@pytest.mark.parametrize("letter", ["\x00", "😀", "a", '"', "\ud800", "\u2028"])
def test_no_hostile_size_makes_a_leaf_too_long(letter: str) -> None:
    long, many = letter * 5000, (letter * 700,) * 300
    caller = Caller("x" + long, "agent", BANK, "x" + long, "x" + long, "a", NOON, many, many)
    decision = Decision("deny", (Reason.POLICY_FORBIDS,) * 300, many, Digest(TARGET.definition or ""))
    target = audit.Target(long, long, long, ServerId(long), ToolId(long), TARGET.definition, TARGET.snapshot)
    refusal = Refusal("denied", (Reason.POLICY_FORBIDS,) * 300, long, long, many)
    every = ("args", "prompt", "intent", "reason")
    context = tuple(audit.model.Context(part, "argument", "c" * 64) for part in every[1:])
    told = audit.model.Whose("a" * 64, long, every, every), TRACE, audit.model.Why(context, long, long)
    records = (
        audit.Intent(call_of(1), NOON, BANK, caller, target, decision, "e" * 64, 10**15, long, *told),
        audit.Denial(call_of(1), NOON, BANK, target, refusal, 10**15, caller, decision, "e" * 64, long, 1, *told),
        audit.Outcome(
            call_of(1),
            NOON,
            BANK,
            None,
            "cancelled",
            10**15,
            10**15,
            "e" * 64,
            10**400,
            (Reason.INTERNAL,) * 999,
            target,
            caller,
        ),
    )
    for record in records:
        leaf = audit.encode(record)
        assert len(leaf) <= leaves.SIZE_LIMIT
        assert rfc8785.dumps(json.loads(leaf)) == leaf
        assert "\u2026(+" in leaf.decode(), "what was cut is marked"


def test_a_text_that_looks_like_a_kind_does_not_fool_the_writer() -> None:
    hostile = '","intent":0,"kind":"outcome'
    target = audit.Target(hostile, hostile, hostile, tool=ToolId(hostile))
    record = audit.Intent(call_of(1), NOON, BANK, CALLER, target, DECISION, "e" * 64, 1, hostile)
    assert leaves.glance(audit.encode(record)) == ("intent", None, call_of(1).encode())
    assert leaves.glance(outcome(2, 17)) == ("outcome", 17, call_of(2).encode())
    assert leaves.glance(denial(3))[0] == "denial"


def test_equal_callers_that_are_not_the_same_keep_their_own_text() -> None:
    other = Caller("mallory@bank.example", "person", BANK, CALLER.issuer, CALLER.client, CALLER.authority, NOON)
    record = audit.Intent(call_of(1), NOON, BANK, other, TARGET, DECISION, "e" * 64, 300)
    assert json.loads(audit.encode(record))["caller"]["subject"] == "mallory@bank.example"
    assert json.loads(intent(1))["caller"]["subject"] == "alice@bank.example"


def test_a_commitment_is_checked_with_the_record_key_alone() -> None:
    key, call = bytes(32), call_of(1)
    printed = audit.leaf.commit(key, call, "args", b'{"amount":120}')
    disclosed = audit.offline.disclose(key, call, "args")
    assert hmac.digest(disclosed, b'{"amount":120}', "sha256").hex() == printed
    assert audit.leaf.commit(key, call, "result", b'{"amount":120}') != printed
    assert audit.leaf.commit(key, call_of(2), "args", b'{"amount":120}') != printed


@pytest.mark.parametrize("length", [0, 1, 31, 32, 63, 64, 65, 200])
def test_a_commitment_is_hmac_for_every_length_of_key_and_content(length: int) -> None:
    random = Random(length)  # noqa: S311 - repeatable on purpose; nothing secret is drawn
    for _ in range(20):
        key, content = random.randbytes(length), random.randbytes(random.randrange(300))
        disclosed = hmac.digest(key, (call_of(1) + "args").encode(), "sha256")
        assert audit.offline.disclose(key, call_of(1), "args") == disclosed
        assert audit.leaf.commit(key, call_of(1), "args", content) == hmac.digest(disclosed, content, "sha256").hex()


HOSTILE = (
    "",
    "plain",
    "%",
    "%s%d%b%(x)s%%",
    '"',
    "\\",
    "\0",
    "a\0b\0",
    '","id":"',
    '","kind":"outcome',
    "\u2028\x7f\x85",
    "é",
    "😀",
    "\ud800",
    "e" * 64,
    "x" * 600,
    "\0" * 600,
    "٣",
)


def _unfilled(record: object) -> None:
    del record


def _same(record: audit.Intent | audit.Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a template gives must be what the encoder gives, be it a leaf or an error."""
    with monkeypatch.context() as patch:
        patch.setattr(leaves, "_filled_intent", _unfilled)
        patch.setattr(leaves, "_filled_outcome", _unfilled)
        try:
            expected = audit.encode(record)
        except UnicodeEncodeError:
            expected = None
    if expected is None:
        with pytest.raises(UnicodeEncodeError):
            audit.encode(record)
    else:
        assert audit.encode(record) == expected


def _whose(text: Callable[[], str]) -> audit.model.Whose:
    return audit.model.Whose(text(), text(), (text(), "args"), (text(),) if len(text()) > 5 else ())


def test_a_leaf_out_of_a_template_is_the_leaf_of_the_encoder_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(31)  # noqa: S311 - repeatable on purpose; nothing secret is drawn

    def text() -> str:
        return random.choice(HOSTILE)

    for _ in range(300):
        caller = Caller("x" + text(), "agent", BANK, "x" + text(), "x" + text(), "a", NOON, (text(),), (text(), text()))
        decision = Decision("allow", (Reason.POLICY_ALLOWS,), (text(),), Digest("sha256:" + "%" * 64))
        tool = random.choice([None, ToolId(text())])
        target = audit.Target(text(), text(), text(), ServerId(text()), tool, TARGET.definition, TARGET.snapshot)
        kept = _whose(text)
        for number in range(16):
            at, session = NOON + random.random() * 1e6, random.choice([None, "abc123", text()])
            id_, args_c = random.choice([call_of(number), text()]), random.choice(["f" * 64, text()])
            tenant = random.choice([BANK, TenantId(text())])
            whose = random.choice([None, kept._replace(subject=text())])
            trace = random.choice([None, "4" * 32, text()])
            why = random.choice([None, None, audit.model.Why(model=text())])
            size, amount = random.randrange(2**60), random.choice([None, None, "12.50"])
            each = audit.Intent(id_, at, tenant, caller, target, decision, args_c, size, session, whose, trace, why)
            _same(each._replace(amount=amount), monkeypatch)


def test_an_outcome_out_of_a_template_is_the_leaf_of_the_encoder_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(32)  # noqa: S311 - repeatable on purpose; nothing secret is drawn
    shapes = [_whose(lambda: random.choice(HOSTILE)) for _ in range(3)]
    statuses: list[audit.model.Status] = ["success", "tool_error", "rpc_error", "timeout"]
    for _ in range(3000):
        each = audit.Outcome(
            random.choice([call_of(1), random.choice(HOSTILE)]),
            NOON + random.random() * 1e6,
            TenantId(random.choice(["bank", *HOSTILE])),
            random.choice([None, 0, random.randrange(2**60)]),
            random.choice(statuses),
            random.randrange(2**60),
            random.randrange(2**60),
            random.choice([None, "e" * 64, *HOSTILE]),
            random.choice([None, None, -32603]),
            random.choice([(), (), (Reason.CANCELLED,)]),
            random.choice([None, None, None, TARGET]),
            random.choice([None, None, None, CALLER]),
            random.choice([None, None, None, DECISION]),
            random.choice([None, *[kept._replace(subject=random.choice(HOSTILE)) for kept in shapes]]),
            random.choice([None, None, "4" * 32]),
        )
        _same(each, monkeypatch)


def test_call_ids_sort_by_time() -> None:
    assert audit.leaf.call_id(NOON, bytes(10)) < audit.leaf.call_id(NOON + 0.001, bytes(10))
    assert len(audit.leaf.call_id(NOON, b"\xff" * 10)) == 26


def test_a_call_id_is_a_ulid_digit_for_digit() -> None:
    random = Random(26)  # noqa: S311 - repeatable on purpose; nothing secret is drawn
    letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    for _ in range(500):
        at, entropy = random.random() * 4e9, random.randbytes(10)
        number = sum(
            letters.index(letter) << 5 * place for place, letter in enumerate(reversed(audit.leaf.call_id(at, entropy)))
        )
        assert number == int(at * 1000) << 80 | int.from_bytes(entropy, "big")


def test_a_configuration_in_force_is_a_canonical_leaf_that_names_what_it_replaces() -> None:
    first, second = (leaves.configured(BANK, "sha256:b", before, NOON) for before in (None, "sha256:a"))
    assert all(rfc8785.dumps(json.loads(leaf)) == leaf for leaf in (first, second))
    assert json.loads(first)["kind"] == "config"
    assert "previous" not in json.loads(first)
    assert json.loads(second)["previous"] == {"snapshot": "sha256:a"}
    assert leaves.glance(second)[0] not in {"intent", "outcome"}
