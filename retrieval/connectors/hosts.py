"""Which addresses a source may be at: public ones, and the private hosts that the operator lists.

Whoever connects must connect to the very address that was checked, and not resolve the name again.
"""

from __future__ import annotations

import contextlib
import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from django.conf import settings

from retrieval.connectors.base import SourceUnavailable

Address = IPv4Address | IPv6Address

# Public by their number, and yet answered inside a data centre or by nobody.
NOT_PUBLIC = tuple(IPv4Network(n) for n in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"))
# All that is assigned for hosts of the Internet. What lies outside is local, reserved or a mapping.
GLOBAL_UNICAST = IPv6Network("2000::/3")
TEREDO = IPv6Network("2001::/32")
NAT64 = IPv6Network("64:ff9b::/96")


def check_address(address: Address | str) -> None:
    """Raises SourceUnavailable where no public host is."""
    if not is_public(ip_address(address)):
        raise SourceUnavailable(
            f"The address {address} is private. Only public addresses can be a source; whoever"
            " runs this installation can allow a private host in RAGADMIN_PRIVATE_HOSTS.",
            code="private_address",
            permanent=True,
        )


def is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return (
            address.is_global
            and not address.is_multicast
            and not address.is_reserved
            and not any(address in network for network in NOT_PUBLIC)
        )
    inner = address.ipv4_mapped or address.sixtofour
    if address in NAT64:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(inner)
    return address in GLOBAL_UNICAST and address.is_global and address not in TEREDO


def allowed_private(host: str, port: int) -> bool:
    """Whether the operator lists this host, written as in the source, with this port or with none."""
    host = _plain(host)
    return any(
        name == host and listed_port in {None, port}
        for name, listed_port in map(split_host, settings.PRIVATE_SOURCE_HOSTS)
    )


@lru_cache(maxsize=256)
def split_host(entry: str) -> tuple[str, int | None]:
    """`host`, `host:port`, `[::1]:port` or `::1`. Raises ValueError for a port that is none."""
    name, colon, port = entry.rpartition(":")
    if not colon or (":" in name and not name.endswith("]")) or entry.endswith("]"):
        return _plain(entry), None
    return _plain(name), int(port)


def _plain(host: str) -> str:
    host = host.lower().rstrip(".").removeprefix("[").removesuffix("]")
    try:
        return str(ip_address(host))
    except ValueError:
        return host


def resolve_public(host: str, port: int) -> list[Address]:
    """The host's addresses. One that is private is enough to refuse it, unless it is allowed."""
    addresses = resolve(host, port)
    if not allowed_private(host, port):
        for address in addresses:
            check_address(address)
    return addresses


def check_written(host: str, port: int) -> None:
    """Of a host that is written as a number, whatever way: no name is asked for. Raises
    SourceUnavailable for a private one."""
    with contextlib.suppress(OSError, UnicodeError, OverflowError):
        found = socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)
        if not allowed_private(host, port):
            check_address(str(found[0][4][0]))


def resolve(host: str, port: int) -> list[Address]:
    """Also what is written as one number, in octal or hexadecimal, as the system reads it."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, OverflowError) as error:
        raise SourceUnavailable(
            f"The name {host} cannot be resolved ({error}). Check its spelling.",
            code="unresolvable",
        ) from None
    # In the order that the system prefers, each once.
    return list(dict.fromkeys(ip_address(str(entry[4][0])) for entry in found))
