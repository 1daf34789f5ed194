"""The transit engine as key provider: over its HTTP API, with its context, its versions and its refusals."""

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tallystick.audit.payload import Locked, open_provider, open_vaults
from tallystick.audit.payload.keys.transit import TransitProvider
from tests.audit import sample
from tests.audit.payload.stored import BANK, Hand, capture, every_file, opened, stored
from tests.audit.payload.transit_server import TOKEN, Engine, serving

KEY = bytes(range(32))


class Party:
    """A running engine, and a provider that uses it."""

    def __init__(self, engine: Engine, url: str, folder: Path) -> None:
        self.engine = engine
        self.url = url
        self.token_file = folder / "token"
        self.token_file.write_text(f"{TOKEN}\n")
        self.token_file.chmod(0o600)

    @property
    def provider(self) -> TransitProvider:
        """A provider as a start would make it."""
        return TransitProvider(self.url, "tallystick", self.token_file)


@pytest.fixture(params=[False, True], ids=["plain key", "derived key"])
def party(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Party]:
    engine = Engine(derived=bool(request.param))
    engine.rotate("tallystick")
    with serving(engine) as url:
        yield Party(engine, url, tmp_path)


def test_a_key_is_wrapped_by_the_engine_and_opens_in_its_own_context_only(party: Party) -> None:
    wrapped = party.provider.wrap(KEY, b"one")
    assert wrapped.startswith(b"vault:v1:")
    assert party.provider.version(wrapped) == "v1"
    assert party.provider.unwrap(wrapped, b"one") == KEY
    with pytest.raises(Locked, match="answered 400 to decrypt"):
        party.provider.unwrap(wrapped, b"two")


def test_a_whole_state_directory_lives_on_a_transit_key(party: Party, tmp_path: Path) -> None:
    state = tmp_path / "state"
    vaults = open_vaults(state, party.provider, Hand())
    asked = len(party.engine.seen)
    stored(vaults.vault(BANK), 1, capture(("args", b"x")))
    assert len(party.engine.seen) == asked, "the engine is never asked while a call waits"
    vaults.close()
    again = open_vaults(state, party.provider, Hand())
    assert again.vault(BANK).reveal(sample.call_of(1), "args") == b"x"
    assert not (state / "keys/payload-master").exists()
    assert not [path for path, content in every_file(state) if TOKEN.encode() in content]


def test_older_versions_open_until_the_engine_forbids_them_and_rewrapping_moves_on(
    party: Party, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    vaults = open_vaults(state, party.provider, Hand())
    stored(vaults.vault(BANK), 1, capture(("args", b"x")))
    party.engine.rotate("tallystick")
    assert vaults.rotate() == 2
    assert [key.master for key in vaults.status().keyring_keys] == ["v1", "v2"]
    vaults.close()
    party.engine.min_decryption_version = 2
    with pytest.raises(Locked, match=r"\(too old\).*Next: bao write .*min_decryption_version=1; then rewrap"):
        open_vaults(state, party.provider, Hand())
    party.engine.min_decryption_version = 1
    vaults = open_vaults(state, party.provider, Hand())
    assert vaults.rewrap() == 2
    vaults.close()
    party.engine.min_decryption_version = 2
    assert open_vaults(state, party.provider, Hand()).vault(BANK).reveal(sample.call_of(1), "args") == b"x"


def test_a_state_directory_moves_from_the_file_to_transit(party: Party, tmp_path: Path) -> None:
    state = tmp_path / "state"
    vaults = opened(state)
    stored(vaults.vault(BANK), 1, capture(("args", b"x")))
    vaults.rewrap(party.provider)
    vaults.close()
    (state / "keys/payload-master").unlink()
    assert open_vaults(state, party.provider, Hand()).vault(BANK).reveal(sample.call_of(1), "args") == b"x"


def test_a_token_that_was_renewed_in_its_file_is_used(party: Party) -> None:
    provider = party.provider
    party.token_file.write_text("s.expired")
    with pytest.raises(
        Locked, match=r"403 to encrypt \(permission denied\).*Next: renew the token in .*needs update on"
    ):
        provider.wrap(KEY, b"c")
    party.token_file.write_text(TOKEN)
    assert provider.unwrap(provider.wrap(KEY, b"c"), b"c") == KEY


@pytest.mark.parametrize("text", ["", "\n", "s.a\ns.b", "s.\u00e9"])
def test_a_token_file_without_a_token_is_refused(party: Party, text: str) -> None:
    party.token_file.write_text(text)
    with pytest.raises(Locked, match="holds none"):
        party.provider.wrap(KEY, b"c")


def test_a_token_that_anybody_may_read_is_refused(party: Party) -> None:
    party.token_file.chmod(0o644)
    with pytest.raises(Locked, match=r"anybody may read its token \(mode 0644\).*Next: chmod 600"):
        party.provider.wrap(KEY, b"c")


def test_a_missing_token_file_says_where_to_write_one(party: Party) -> None:
    party.token_file.unlink()
    with pytest.raises(Locked, match=r"token cannot be read.*Next: write a token to .*0600"):
        party.provider.wrap(KEY, b"c")


def test_a_sealed_engine_stops_the_start_and_says_what_to_do(party: Party, tmp_path: Path) -> None:
    open_vaults(tmp_path / "state", party.provider, Hand()).close()
    party.engine.sealed = True
    with pytest.raises(
        Locked, match=r"provider transit \(http://127.*key tallystick\).*503.*sealed.*Next: bao operator unseal"
    ):
        open_vaults(tmp_path / "state", party.provider, Hand())


def test_an_engine_that_hangs_up_stops_the_start(party: Party) -> None:
    party.engine.down = True
    with pytest.raises(Locked, match=r"cannot be reached.*Next: check with: bao status -address=http"):
        party.provider.wrap(KEY, b"c")


def test_an_engine_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    with serving(Engine()) as url:
        pass
    with pytest.raises(Locked, match="cannot be reached"):
        TransitProvider(url, "tallystick", tmp_path / "token").wrap(KEY, b"c")


def test_a_key_that_does_not_exist_is_named(party: Party) -> None:
    provider = TransitProvider(party.url, "other", party.token_file)
    with pytest.raises(Locked, match=r"encryption key not found.*Next: check with: bao read transit/keys/other"):
        provider.wrap(KEY, b"c")


def test_a_token_is_not_carried_to_where_a_redirect_points(party: Party) -> None:
    elsewhere = Engine()
    with serving(elsewhere) as url:
        party.engine.redirects_to = url
        with pytest.raises(Locked, match="answered 307"):
            party.provider.wrap(KEY, b"c")
    assert elsewhere.seen == []


@pytest.mark.parametrize("url", ["http://vault.bank.example:8200", "ftp://127.0.0.1", "vault:8200", ""])
def test_an_address_that_would_send_the_token_in_clear_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(Locked, match=r"not https.*Next: write audit.keys.url with https"):
        TransitProvider(url, "tallystick", tmp_path / "token")


def test_tls_is_checked_with_the_named_certificates(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "transit of the tests")])
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(private)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key.pem")
    engine = Engine()
    engine.rotate("tallystick")
    with serving(engine, tls) as url:
        party = Party(engine, url, tmp_path)
        named = TransitProvider(url, "tallystick", party.token_file, ca_file=str(tmp_path / "ca.pem"))
        assert named.unwrap(named.wrap(KEY, b"c"), b"c") == KEY
        with pytest.raises(Locked, match=r"cannot be reached.*certificate"):
            party.provider.wrap(KEY, b"c")


def test_the_settings_make_the_provider(party: Party, tmp_path: Path) -> None:
    text = f'{{"provider":"transit","url":"{party.url}","key":"tallystick","token_file":"{party.token_file}"}}'
    provider = open_provider(tmp_path, text)
    assert provider.unwrap(provider.wrap(KEY, b"c"), b"c") == KEY
