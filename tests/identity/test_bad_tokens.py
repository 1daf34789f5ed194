"""Every kind of bad token, made with real keys, and the exact reason it is refused for."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tallystick.identity import TrustedIssuer
from tallystick.terms import Reason, Refusal
from tests.identity.door import AUDIENCES, BANK, Door
from tests.identity.remote_issuer import NOW, RESOURCE, RemoteIssuer, b64, compact, jwk, rsa_key, sign

pytestmark = pytest.mark.anyio
Make = Callable[[RemoteIssuer], str]


def _claims(**changes: object) -> Make:
    return lambda remote: remote.token_of(changes)


def _header(**changes: object) -> Make:
    return lambda remote: remote.token(header=changes)


def _payload(raw: str) -> Make:
    return lambda remote: remote.sign_parts("EdDSA-1", compact(remote.header("EdDSA-1")), b64(raw.encode()))


def _none(remote: RemoteIssuer) -> str:
    return f"{compact({'alg': 'none', 'typ': 'at+jwt'})}.{compact(remote.claims())}."


def _hmac(secret: Callable[[RemoteIssuer], bytes], key_id: str) -> Make:
    def make(remote: RemoteIssuer) -> str:
        text = f"{compact({'alg': 'HS256', 'typ': 'at+jwt', 'kid': key_id})}.{compact(remote.claims())}"
        return f"{text}.{b64(hmac.digest(secret(remote), text.encode(), hashlib.sha256))}"

    return make


def _pem(remote: RemoteIssuer) -> bytes:
    return remote.keys["RS256-1"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _raw_ed25519(remote: RemoteIssuer) -> bytes:
    return remote.keys["EdDSA-1"].public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _own_key(remote: RemoteIssuer) -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    header = compact({**remote.header("EdDSA-1"), "jwk": jwk(key, "EdDSA-1"), "jku": "https://evil.example/keys"})
    text = f"{header}.{compact(remote.claims())}"
    return f"{text}.{b64(sign(key, text.encode()))}"


def _other_key_same_name(remote: RemoteIssuer) -> str:
    remote.keys["ES256-1"] = ec.generate_private_key(ec.SECP256R1())
    return remote.token("ES256-1")


def _changed_after_signing(remote: RemoteIssuer) -> str:
    header, _, signature = remote.token().split(".")
    return f"{header}.{compact(remote.claims(sub='grace'))}.{signature}"


def _cut(remote: RemoteIssuer) -> str:
    return remote.token()[:-7]


def _two_parts(remote: RemoteIssuer) -> str:
    return remote.token().rpartition(".")[0]


def _padded(remote: RemoteIssuer) -> str:
    return remote.token() + "=="


def _five_parts(remote: RemoteIssuer) -> str:
    return remote.token() + ".AAAA.AAAA"


def _actors(depth: int) -> dict[str, object]:
    chain: dict[str, object] = {"sub": "agent-0"}
    for number in range(1, depth):
        chain = {"sub": f"agent-{number}", "act": chain}
    return chain


def _text(**members: object) -> str:
    return json.dumps(RemoteIssuer().claims(**members))


INVALID, EXPIRED = Reason.TOKEN_INVALID, Reason.TOKEN_EXPIRED
AUDIENCE, SUBJECT = Reason.AUDIENCE_WRONG, Reason.SUBJECT_EMPTY

BAD: Mapping[str, tuple[Make, Reason]] = {
    # signature and header
    "alg none": (_none, INVALID),
    "alg none with a kept signature": (_header(alg="none"), INVALID),
    "HS256 with the RSA public key (PEM) as secret": (_hmac(_pem, "RS256-1"), INVALID),
    "HS256 with the Ed25519 public key as secret": (_hmac(_raw_ed25519, "EdDSA-1"), INVALID),
    "another algorithm than the key's": (_header(alg="ES256"), INVALID),
    "RS512, which is not on the list": (_header(alg="RS512"), INVALID),
    "an alg that is not a text": (_header(alg=["EdDSA"]), INVALID),
    "no alg": (_header(alg=None), INVALID),
    "a key brought along in the header": (_own_key, INVALID),
    "another key under the same name": (_other_key_same_name, INVALID),
    "claims changed after signing": (_changed_after_signing, INVALID),
    "an unknown kid": (_header(kid="EdDSA-9"), INVALID),
    "a kid that is not a text": (_header(kid=1), INVALID),
    "a critical extension": (_header(crit=["exp"]), INVALID),
    "an unencoded payload": (_header(b64=False, crit=["b64"]), INVALID),
    "an extension that changes nothing": (_header(b64=True, crit=["b64"]), INVALID),
    "a logout token's typ": (_header(typ="logout+jwt"), INVALID),
    "a typ that is not a text": (_header(typ=7), INVALID),
    # form
    "cut short": (_cut, INVALID),
    "without signature": (_two_parts, INVALID),
    "padded base64": (_padded, INVALID),
    "an encrypted token's five parts": (_five_parts, INVALID),
    "an opaque token": (lambda _: "a1b2c3", INVALID),
    "longer than 16 KiB": (_claims(note="x" * 16_384), INVALID),
    "a duplicate claim": (_payload(_text()[:-1] + ', "sub": "grace"}'), INVALID),
    "a duplicate claim deeper down": (_payload(_text()[:-1] + ', "act": {"sub": "a", "sub": "b"}}'), INVALID),
    "a byte order mark": (_payload("\ufeff" + _text()), INVALID),
    "a lone surrogate": (_payload(_text()[:-1] + ', "name": "\\ud800"}'), INVALID),
    "not a number": (_payload(_text()[:-1] + ', "level": NaN}'), INVALID),
    "an infinite number": (_payload(_text()[:-1] + ', "level": 1e999}'), INVALID),
    "nested beyond reason": (_payload('{"a":' + "[" * 5_000 + "]" * 5_000 + "}"), INVALID),
    "a list for claims": (_payload("[]"), INVALID),
    # issuer and audience
    "an unknown issuer": (_claims(iss="https://other.example"), Reason.ISSUER_UNKNOWN),
    "the issuer with a slash more": (_claims(iss="https://id.example/"), Reason.ISSUER_UNKNOWN),
    "no issuer": (_claims(iss=None), INVALID),
    "another audience": (_claims(aud="https://gateway.example/servers/risk/mcp"), AUDIENCE),
    "another audience in a list": (_claims(aud=["https://gateway.example", "https://other.example"]), AUDIENCE),
    "the audience with a slash more": (_claims(aud=RESOURCE + "/"), AUDIENCE),
    "an audience that is an object": (_claims(aud={RESOURCE: True}), AUDIENCE),
    "no audience": (_claims(aud=None), AUDIENCE),
    "an empty audience list": (_claims(aud=[]), AUDIENCE),
    # time
    "expired": (_claims(exp=NOW - 30), EXPIRED),
    "no expiry": (_claims(exp=None), INVALID),
    "an expiry that is a text": (_claims(exp="2099"), INVALID),
    "an expiry that is true": (_claims(exp=True), INVALID),
    "an expiry beyond all numbers": (_claims(exp=10**400), INVALID),
    "not valid yet": (_claims(nbf=NOW + 31), INVALID),
    "issued in the future": (_claims(iat=NOW + 31), INVALID),
    # names
    "no subject": (_claims(sub=None), SUBJECT),
    "an empty subject": (_claims(sub=""), SUBJECT),
    "a blank subject": (_claims(sub=" \t\u2003"), SUBJECT),
    "a subject that is a number": (_claims(sub=7), INVALID),
    "a subject with outer blanks": (_claims(sub="ada "), INVALID),
    "a subject with a zero-width character": (_claims(sub="ada\u200b"), INVALID),
    "a subject without end": (_claims(sub="a" * 513), INVALID),
    "no client": (_claims(client_id=None), INVALID),
    "an empty client": (_claims(client_id=""), INVALID),
    "an empty client before a good azp": (_claims(client_id=" ", azp="desk"), INVALID),
    "groups that are an object": (_claims(groups={"admins": True}), INVALID),
    "a group that is a number": (_claims(groups=["clerks", 7]), INVALID),
    "groups that must be asked for elsewhere": (_claims(groups=None, _claim_names={"groups": "src1"}), INVALID),
    "an actor without a name": (_claims(act={"client_id": "agent"}), INVALID),
    "an actor of another issuer": (_claims(act={"sub": "agent", "iss": "https://other.example"}), INVALID),
    "an actor that is a text": (_claims(act="agent"), INVALID),
    "nine actors": (_claims(act=_actors(9)), INVALID),
    # ID tokens
    "an ID token by its nonce": (lambda r: r.token(header={"typ": "JWT"}, nonce="n"), INVALID),
    "an ID token by its at_hash": (lambda r: r.token(header={"typ": None}, at_hash="h"), INVALID),
    "an ID token by its own word": (lambda r: r.token(header={"typ": "JWT"}, typ="ID"), INVALID),
    "a security event": (lambda r: r.token(header={"typ": "JWT"}, events={}), INVALID),
}


@pytest.mark.parametrize(("make", "reason"), BAD.values(), ids=BAD.keys())
async def test_a_bad_token_is_refused_for_its_reason(make: Make, reason: Reason) -> None:
    door = Door()
    outcome = await door.ask(make(door.remote))
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.reasons) == ("unauthenticated", (reason,))
    assert door.authenticator.lookup(b"Bearer " + make(door.remote).encode(), AUDIENCES) is None


MISSING: Mapping[str, bytes | None] = {
    "no header": None,
    "an empty header": b"",
    "a blank header": b"  ",
    "the scheme alone": b"Bearer",
    "another scheme": b"Basic YWRhOnB3",
    "a token without scheme": b"eyJhbGciOiJFZERTQSJ9.e30.AA",
}


@pytest.mark.parametrize("header", MISSING.values(), ids=MISSING.keys())
async def test_a_request_without_a_bearer_token_is_refused_as_missing(header: bytes | None) -> None:
    outcome = await Door().authenticator.authenticate(header, AUDIENCES)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.reasons) == ("unauthenticated", (Reason.TOKEN_MISSING,))


@pytest.mark.parametrize("junk", [b"Bearer \xff.\xfe.\x00", b"Bearer a b", b"Bearer ..", b"Bearer " + b"." * 9_000])
async def test_bytes_that_are_no_token_are_refused_and_raise_nothing(junk: bytes) -> None:
    outcome = await Door().authenticator.authenticate(junk, AUDIENCES)
    assert isinstance(outcome, Refusal)
    assert outcome.reasons == (Reason.TOKEN_INVALID,)


async def test_no_audience_at_all_admits_nobody() -> None:
    door = Door()
    outcome = await door.ask(door.remote.token(), frozenset())
    assert isinstance(outcome, Refusal)
    assert outcome.reasons == (Reason.AUDIENCE_WRONG,)


async def test_an_algorithm_that_this_issuer_may_not_use_is_refused() -> None:
    remote = RemoteIssuer()
    door = Door(remote, TrustedIssuer(remote.issuer, tenant=BANK, algorithms=("ES256",)))
    assert await door.reasons(remote.token("RS256-1")) == (Reason.TOKEN_INVALID,)
    assert not remote.asked, "and costs its issuer no request"
    assert (await door.caller(remote.token("ES256-1"))).subject == "ada"


async def test_a_short_rsa_key_verifies_nothing() -> None:
    door = Door()
    door.remote.keys["RS256-1"] = rsa_key("short", 1024)
    door.remote.publish([jwk(door.remote.keys["RS256-1"], "RS256-1")])
    assert await door.reasons(door.remote.token("RS256-1")) == (Reason.TOKEN_INVALID,)


@pytest.mark.parametrize("member", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"alg": "ES256"}, {"d": "AAAA"}])
async def test_a_key_meant_for_something_else_verifies_nothing(member: dict[str, object]) -> None:
    door = Door()
    door.remote.publish([{**jwk(door.remote.keys["EdDSA-1"], "EdDSA-1"), **member}])
    assert await door.reasons(door.remote.token()) == (Reason.TOKEN_INVALID,)


async def test_a_token_without_kid_is_refused_when_two_keys_could_have_signed_it() -> None:
    door = Door()
    other = ed25519.Ed25519PrivateKey.generate()
    door.remote.publish([jwk(door.remote.keys["EdDSA-1"], "EdDSA-1"), jwk(other, "EdDSA-2")])
    assert await door.reasons(door.remote.token(header={"kid": None})) == (Reason.TOKEN_INVALID,)
