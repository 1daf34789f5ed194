"""The one outbound connector: resolves a name once, judges every address it gives, and dials the address that was judged.

Special ranges: RFC 6890 and its registries, RFC 3056 (6to4), RFC 4380 (Teredo), RFC 6052 and RFC 8215 (NAT64), RFC 3879 (site-local).
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from tallystick.terms import Reason, Refusal

CONNECT_S: Final = 10.0
"""Seconds for resolving and connecting together."""

P = TypeVar("P", bound=asyncio.BaseProtocol)
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_TUNNELS: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48", "fec0::/10", "::/96", "192.88.99.0/24")
)
_NEVER: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::/32",
        "224.0.0.0/4",
        "ff00::/8",
        "0.0.0.0/8",
        "240.0.0.0/4",
        "::/128",
    )
)


@dataclass(frozen=True, slots=True)
class Connector:
    """Opens connections. `allow_special` admits loopback and private addresses; link-local and metadata addresses never."""

    allow_special: bool
    ca_file: str | None = None

    async def connect(self, factory: Callable[[], P], host: str, port: int, *, tls: bool) -> P | Refusal:
        """Return the connected protocol, or the refusal that says why there is none."""
        try:
            async with asyncio.timeout(CONNECT_S):
                address = await self._resolve(host, port)
                if isinstance(address, Refusal):
                    return address
                # INVARIANT: the address dialled is the address judged; the name is not resolved again.
                _, protocol = await asyncio.get_running_loop().create_connection(
                    factory, address, port, ssl=self._context() if tls else None, server_hostname=host if tls else None
                )
        except (OSError, TimeoutError) as error:
            return _unreachable(f"{host}:{port}: {error}")
        return protocol

    async def _resolve(self, host: str, port: int) -> str | Refusal:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            if not admits(address, allow_special=self.allow_special):
                return Refusal(
                    "upstream",
                    (Reason.UPSTREAM_ADDRESS_REFUSED,),
                    "The server's address is not one that may be called. Ask its owner to have the entry reviewed.",
                    f"{host} resolves to {address}",
                )
        return addresses[0] if addresses else _unreachable(f"{host} has no address")

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def admits(address: str, *, allow_special: bool) -> bool:
    """Tell whether an address (text, as the resolver gives it) may be dialled."""
    parsed: _Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if _within(parsed, _NEVER):
        return False
    loopback = parsed.is_loopback
    if not loopback and _within(parsed, _TUNNELS):
        return False
    return allow_special or (parsed.is_global and not loopback)


def _within(address: _Address, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _unreachable(detail: str) -> Refusal:
    return Refusal(
        "upstream",
        (Reason.UPSTREAM_UNREACHABLE,),
        "The server cannot be reached. Nothing was sent; try again later or ask its owner.",
        detail,
    )
