"""Which addresses may be connected to, and connections to no others."""

import socket
import time
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from facetry.ingest.web.failures import PassingError, RefusedAddressError

GLOBAL_IPV6 = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")

Network = IPv4Network | IPv6Network
SocketAddress = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


class Guard:
    """Connects to addresses of the public internet, and to those in `allowed_networks`.

    A host is looked up once, and the connection goes to the very address that was checked: a name that changes its
    address in between gains nothing, and neither does an odd spelling of an address.
    """

    def __init__(self, *, allowed_networks: Sequence[Network]) -> None:
        self._allowed_networks = allowed_networks

    def connect(self, host: str, *, port: int, seconds: float) -> socket.socket:
        """A connection to the first permitted address of `host` that takes one, in `seconds` at most."""
        deadline = time.monotonic() + seconds
        failure: OSError = TimeoutError("timed out")
        for family, address in self._permitted(host, port=port):
            seconds_left = deadline - time.monotonic()
            if seconds_left <= 0:
                break
            try:
                return _connected(family, address, seconds=seconds_left)
            except OSError as error:
                failure = error
        raise PassingError(f"cannot be reached: {failure.strerror or failure}")

    def permits(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether `address`, or the IPv4 address that it carries, is public or allowed."""
        reached = _carried_ipv4(address) or address
        return _is_public(reached) or any(reached in network for network in self._allowed_networks)

    def _permitted(self, host: str, *, port: int) -> list[SocketAddress]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise PassingError(f"cannot be reached: no address is known for {host}") from error
        addresses: list[SocketAddress] = [(family, address) for family, _, _, _, address in found]
        permitted = [each for each in addresses if self.permits(ip_address(each[1][0]))]
        if not permitted:
            raise RefusedAddressError(
                f"is at {addresses[0][1][0]}, which is not on the public internet: "
                "if that is meant, name its network in ingest.fetch.allowed_networks"
            )
        return permitted


def _connected(family: socket.AddressFamily, address: object, *, seconds: float) -> socket.socket:
    """A connection whose further timeout is what is left of `seconds`."""
    deadline = time.monotonic() + seconds
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect(address)  # type: ignore[arg-type]  # getaddrinfo made it for this family
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
    except BaseException:
        connection.close()
        raise
    return connection


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if address.is_multicast or not address.is_global:
        return False
    return isinstance(address, IPv4Address) or address in GLOBAL_IPV6


def _carried_ipv4(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to this IPv6 address end at."""
    if isinstance(address, IPv4Address):
        return None
    if address.teredo:
        return address.teredo[1]
    if address in NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour
