"""The outbound connector: which addresses may be dialled, and that the one judged is the one dialled."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tallystick.gateway.upstream import Connector
from tallystick.gateway.upstream.connector import admits
from tallystick.terms import Reason, Refusal

PUBLIC = ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001:800::200e", "::ffff:8.8.8.8"]
PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
    *(
        "fd12:3456::1",
        "fc00::1",
        "::ffff:10.0.0.1",
        "198.18.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "203.0.113.9",
        "2001:db8::1",
    ),
    *("3fff::1", "100::1", "2001:2::1", "5f00::1", "4000::1"),
]
FORBIDDEN = {
    "metadata of AWS, Azure, Google": "169.254.169.254",
    "credentials of AWS containers": "169.254.170.2",
    "mapped metadata": "::ffff:169.254.169.254",
    "metadata of AWS over IPv6": "fd00:ec2::254",
    "metadata of Google over IPv6": "fd20:ce::254",
    "metadata of Alibaba": "100.100.100.200",
    "the host of Azure": "168.63.129.16",
    "metadata of Oracle": "192.0.0.192",
    "link-local": "fe80::1",
    "link-local with a zone": "fe80::1%eth0",
    "6to4 of a private address": "2002:7f00:1::",
    "6to4": "2002:808:808::1",
    "the 6to4 relay": "192.88.99.1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "NAT64 of metadata": "64:ff9b::a9fe:a9fe",
    "NAT64": "64:ff9b::808:808",
    "local NAT64": "64:ff9b:1::a00:1",
    "local NAT64 of metadata": "64:ff9b:1:ffff::a9fe:a9fe",
    "site-local": "fec0::1",
    "site-local, the last": "feff::1",
    "ISATAP of loopback": "2001:db8::5efe:7f00:1",
    "ISATAP of metadata, a public prefix": "2606:4700::200:5efe:a9fe:a9fe",
    "IPv4-compatible": "::8.8.8.8",
    "IPv4-compatible loopback": "::127.0.0.1",
    "IPv4-translated": "::ffff:0:7f00:1",
    "unspecified": "0.0.0.0",  # noqa: S104 - an address to refuse, not one to listen on
    "unspecified over IPv6": "::",
    "mapped unspecified": "::ffff:0.0.0.0",
    "this network": "0.1.2.3",
    "multicast": "224.0.0.1",
    "multicast over IPv6": "ff02::1",
    "broadcast": "255.255.255.255",
    "reserved": "240.0.0.1",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_dialled(address: str) -> None:
    assert admits(address, allow_special=False)
    assert admits(address, allow_special=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_needs_the_servers_entry_to_allow_it(address: str) -> None:
    assert not admits(address, allow_special=False)
    assert admits(address, allow_special=True)


@pytest.mark.parametrize("address", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_some_addresses_may_never_be_dialled(address: str) -> None:
    assert not admits(address, allow_special=False)
    assert not admits(address, allow_special=True)


class Resolving(asyncio.SelectorEventLoop):
    """A loop whose name server gives one list of addresses after the other."""

    def __init__(self, *answers: list[str]) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked: list[object] = []

    async def getaddrinfo(  # pyright: ignore[reportIncompatibleMethodOverride] - how to look is not this test's matter
        self, host: str, port: int, **_how: int
    ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        """Answer with the next list."""
        self.asked.append(host)
        return [(0, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.answers.pop(0)]


async def _dial(name: str, connector: Connector, port: int = 0) -> asyncio.Protocol | Refusal:
    """Connect to a listener of this test's own where `port` is 0."""
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as listener:
        own = int(listener.sockets[0].getsockname()[1])
        return await connector.connect(asyncio.Protocol, name, port or own, tls=False)


def _run(loop: Resolving, name: str, connector: Connector) -> asyncio.Protocol | Refusal:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(_dial(name, connector))


def test_a_name_is_resolved_once_and_the_judged_address_is_dialled() -> None:
    loop = Resolving(["127.0.0.1"], ["169.254.169.254"])
    assert isinstance(_run(loop, "rebinding.example", Connector(allow_special=True)), asyncio.Protocol)
    assert loop.asked == ["rebinding.example"]


def test_one_forbidden_address_among_good_ones_is_enough_to_refuse() -> None:
    loop = Resolving(["8.8.8.8", "2606:4700::1111", "10.0.0.1"])
    refusal = _run(loop, "mixed.example", Connector(allow_special=False))
    assert isinstance(refusal, Refusal)
    assert refusal.reasons == (Reason.UPSTREAM_ADDRESS_REFUSED,)
    assert "10.0.0.1" in refusal.detail
    assert "10.0.0.1" not in refusal.public_text


def test_an_address_that_does_not_answer_gives_way_to_the_next_of_the_same_answer() -> None:
    loop = Resolving(["::1", "127.0.0.1"])
    assert isinstance(_run(loop, "localhost", Connector(allow_special=True)), asyncio.Protocol)


SPELLINGS = [
    *("127.0.0.1", "localhost", "0x7f.1", "0x7f000001", "2130706433", "127.1", "0177.0.0.1", "0", "0.0.0.0"),  # noqa: S104 - as above
    *(
        "127.0.0.1.",
        "localhost.",
        "::1",
        "0:0:0:0:0:0:0:1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::127.0.0.1",
        "::1%lo",
    ),
    *("\u2460\u2461\u2466.0.0.1", "127\u30020.0.1", "LOCALHOST", "169.254.169.254", "2852039166", "0xa9fea9fe"),
]


@pytest.mark.parametrize("name", SPELLINGS)
def test_no_spelling_of_this_machine_gets_past_a_connector_for_the_public(name: str) -> None:
    refusal = asyncio.run(_dial(name, Connector(allow_special=False)))
    assert isinstance(refusal, Refusal)


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".example", "caf\u00e9..x", "a\0b"])
def test_a_name_that_cannot_be_one_is_unreachable(name: str) -> None:
    refusal = asyncio.run(_dial(name, Connector(allow_special=False), 1))
    assert isinstance(refusal, Refusal)


def _certificate(folder: Path, name: str) -> Path:
    """Write a certificate that signs itself, and its key, to one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return file


async def _dial_tls(served: Path, connector: Connector, name: str) -> asyncio.Protocol | Refusal:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served)
    # A listener that a client leaves in mid-handshake has nothing to say about it.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context) as listener:
        port = int(listener.sockets[0].getsockname()[1])
        return await connector.connect(asyncio.Protocol, name, port, tls=True)


def test_a_server_proves_its_name_by_an_authority_of_its_entry(tmp_path: Path) -> None:
    trusted, other = _certificate(tmp_path, "localhost"), _certificate(tmp_path, "other.example")
    connector = Connector(allow_special=True, ca_file=str(trusted))
    assert isinstance(asyncio.run(_dial_tls(trusted, connector, "localhost")), asyncio.Protocol)
    for served, authority, name in (
        (trusted, None, "localhost"),
        (trusted, other, "localhost"),
        (other, other, "localhost"),
        (trusted, trusted, "127.0.0.1"),
        (trusted, tmp_path / "absent.pem", "localhost"),
    ):
        connector = Connector(allow_special=True, ca_file=None if authority is None else str(authority))
        refusal = asyncio.run(_dial_tls(served, connector, name))
        assert isinstance(refusal, Refusal), (served, authority, name)
        assert refusal.reasons == (Reason.UPSTREAM_UNREACHABLE,)
