"""The one outbound connector: resolves a name once, judges every address that it gives, and dials one that was judged.

Special ranges: RFC 6890 and its registries, RFC 3056 (6to4), RFC 4380 (Teredo), RFC 6052 and RFC 8215 (NAT64), RFC 3879
(site-local), RFC 5214 (ISATAP), and the addresses at which clouds give out credentials.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

from tallystick.terms import Reason, Refusal

CONNECT_S: Final = 10.0
"""Seconds for resolving and connecting together."""

P = TypeVar("P", bound=asyncio.BaseProtocol)
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[_Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


_TUNNELS: Final = _networks(
    "2002::/16",
    "2001::/32",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "fec0::/10",
    "::/96",
    "::ffff:0:0:0/96",
    "192.88.99.0/24",
)
"""Addresses that carry another one inside, or that nobody should use any more."""

_NEVER: Final = _networks(
    "169.254.0.0/16", "fe80::/10", "224.0.0.0/4", "ff00::/8", "0.0.0.0/8", "240.0.0.0/4", "::/128",
    "fd00:ec2::/32", "fd20:ce::/32", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",
)  # fmt: skip
"""Link-local, multicast, unspecified, broadcast; metadata of AWS, Google, Alibaba, Azure and Oracle."""

_SPECIAL: Final = _networks("192.0.0.0/24", "2001::/23", "3fff::/20")
"""Special-purpose ranges that not every Python release knows."""

_ISATAP: Final = 0x5EFE
"""The mark in an address that carries another one in its last 32 bits, whatever comes before."""

_UNICAST: Final = _networks("0.0.0.0/0", "2000::/3")
"""Where public addresses are: of IPv6, no other part is allocated (RFC 4291, IANA)."""


@dataclass(frozen=True, slots=True)
class Connector:
    """Opens connections. `allow_special` admits loopback and private addresses; link-local and metadata never."""

    allow_special: bool
    ca_file: str | None = None

    async def connect(self, factory: Callable[[], P], host: str, port: int, *, tls: bool) -> P | Refusal:
        """Return the connected protocol, or the refusal that says why there is none."""
        try:
            async with asyncio.timeout(CONNECT_S):
                addresses = await self._resolve(host, port)
                if isinstance(addresses, Refusal):
                    return addresses
                return await self._dial(factory, addresses, (host, port), tls=tls)
        except (OSError, UnicodeError, TimeoutError) as error:
            return unreachable(f"{host}:{port}: {error or type(error).__name__}")

    async def _resolve(self, host: str, port: int) -> list[str] | Refusal:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            if not admits(address, allow_special=self.allow_special):
                return Refusal(
                    "upstream",
                    (Reason.UPSTREAM_ADDRESS_REFUSED,),
                    "The server's address is not one that may be called. Ask its owner to have the entry reviewed.",
                    f"{host} resolves to {address}",
                )
        return addresses or unreachable(f"{host} has no address")

    async def _dial(
        self, factory: Callable[[], P], addresses: list[str], origin: tuple[str, int], *, tls: bool
    ) -> P | Refusal:
        host, port = origin
        context = _context(self.ca_file, _stamp(self.ca_file)) if tls else None
        failures: list[str] = []
        for address in addresses:
            try:
                # INVARIANT: the address dialled is an address judged; the name is not resolved again.
                _, protocol = await asyncio.get_running_loop().create_connection(
                    factory, address, port, ssl=context, server_hostname=host if tls else None
                )
            except OSError as error:
                failures.append(f"{address}: {error}")
            else:
                return protocol
        return unreachable(f"{host}:{port}: {'; '.join(failures)}")


@lru_cache(maxsize=64)
def _context(ca_file: str | None, stamp: int) -> ssl.SSLContext:
    del stamp  # reading the authorities takes milliseconds, so it is done once per version of the file
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _stamp(ca_file: str | None) -> int:
    return 0 if ca_file is None else Path(ca_file).stat().st_mtime_ns


def admits(address: str, *, allow_special: bool) -> bool:
    """Tell whether an address (text, as the resolver gives it) may be dialled."""
    parsed: _Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if _within(parsed, _NEVER):
        return False
    if parsed.is_loopback:
        return allow_special
    if _within(parsed, _TUNNELS) or _is_isatap(parsed):
        return False
    return allow_special or (parsed.is_global and _within(parsed, _UNICAST) and not _within(parsed, _SPECIAL))


def _is_isatap(address: _Address) -> bool:
    # Under any prefix, the last half of the address carries an IPv4 address (RFC 5214, section 6.1).
    return address.version == 6 and (int(address) >> 32) & 0xFDFFFFFF == _ISATAP  # noqa: PLR2004 - IPv6


def _within(address: _Address, networks: tuple[_Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def unreachable(detail: str) -> Refusal:
    """Return the refusal for a server that no byte was sent to."""
    return Refusal(
        "upstream",
        (Reason.UPSTREAM_UNREACHABLE,),
        "The server cannot be reached. Nothing was sent; try again later or ask its owner.",
        detail,
    )
