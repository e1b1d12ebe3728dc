"""Requests to addresses that somebody gave us: never to this machine or a private network, unless the person listed it."""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpcore

from mainloop.errors import MainloopError

# Of an answer only its beginning is read (bytes), and nobody is waited for longer than this (seconds).
LONGEST_ANSWER: Final = 2000
PATIENCE: Final = 15.0

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class PrivateAddress(MainloopError):
    """{host} is an address of this machine or of a private network, so nothing is sent there. If it is meant, add it to \
MAINLOOP_REACHABLE."""

    status = 422
    code = "private_address"


class BadAddress(MainloopError):
    """{address} is no address that something can be sent to: {why}"""

    status = 422
    code = "bad_address"


class NotReached(MainloopError):
    """{host} could not be reached: {why}"""

    status = 502
    code = "not_reached"

    def __init__(self, *, host: str, why: str, connected: bool) -> None:
        """`connected`: whether anybody was there."""
        super().__init__(host=host, why=why)
        self.connected = connected


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


class Outgoing:
    """`reachable`: hosts, addresses and networks (`10.0.0.0/8`) that may be private, separated by commas."""

    def __init__(self, reachable: str = "") -> None:
        self.reachable = reachable
        named = [part.strip().lower() for part in reachable.split(",") if part.strip()]
        self._networks = [network for part in named if (network := _network(part)) is not None]
        self._hosts = {part for part in named if _network(part) is None}

    def check(self, address: str) -> None:
        """Raises BadAddress where an address can't be meant, PrivateAddress where it says so itself."""
        try:
            parts = urlsplit(address)
            host, _ = parts.hostname or "", parts.port
        except ValueError as error:
            raise BadAddress(address="This", why=f"{error}.") from error
        if parts.scheme not in ("https", "http") or not host:
            raise BadAddress(address="This", why="it has to begin with https:// and a host.")
        if parts.username or parts.password:
            raise BadAddress(address=f"{host}/…", why="it holds a name or a password.")
        if parts.scheme == "http" and not self._listed(host, ()):
            raise BadAddress(address=f"{host}/…", why="only https goes over a network.")
        if _ip(host) is not None:
            self.refuse_private(host, [host])

    def post(self, address: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What came back, whatever its status; redirects are not followed.

        Raises BadAddress, PrivateAddress, NotReached.
        """
        self.check(address)
        host = urlsplit(address).hostname or ""
        limits = {"connect": PATIENCE, "read": PATIENCE, "write": PATIENCE, "pool": PATIENCE}
        try:
            with (
                httpcore.ConnectionPool(ssl_context=self._trusted, network_backend=_Checked(self)) as pool,
                pool.stream(
                    "POST", address, headers=[*headers.items()], content=body, extensions={"timeout": limits}
                ) as back,
            ):
                return Answer(back.status, _headers(back.headers), _beginning(back.iter_stream()))
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            connected = not isinstance(error, (httpcore.ConnectError, httpcore.ConnectTimeout, OSError))
            raise NotReached(host=host, why=f"{error or type(error).__name__}.", connected=connected) from error
        except (httpcore.UnsupportedProtocol, UnicodeError) as error:
            raise BadAddress(address=f"{host}/…", why=f"{error}.") from error

    def addresses(self, host: str, port: int) -> list[str]:
        """What a host is right now. Raises PrivateAddress where any of it is private and not listed, OSError."""
        found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        self.refuse_private(host, found)
        return found

    def refuse_private(self, host: str, found: Iterable[str]) -> None:
        """Raises PrivateAddress where a host is found at any address that is private and not listed."""
        addresses = [address for one in found if (address := _ip(one)) is not None]
        if not self._listed(host, addresses) and not all(_is_public(address) for address in addresses):
            raise PrivateAddress(host=host)

    def _listed(self, host: str, addresses: Iterable[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> bool:
        if host.lower() in self._hosts:
            return True
        known = [*addresses] or [address for address in (_ip(host),) if address is not None]
        return bool(known) and all(any(a in network for network in self._networks) for a in known)

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context()


class _Checked(httpcore.NetworkBackend):
    """Connects to the address that was looked at, not to what its name says a moment later."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        last: Exception = OSError(f"{host} has no address")
        for address in self._outgoing.addresses(host, port)[:3]:
            try:
                return self._sockets.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.NetworkError, httpcore.TimeoutException) as error:
                last = error
        raise last


def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.split("%", 1)[0])
    except ValueError:
        return None


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    # An IPv4 address in the clothes of another: what it stands for counts.
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return (inner or address).is_global and not address.is_multicast


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}


def _beginning(pieces: Iterable[bytes]) -> str:
    read, until = b"", time.monotonic() + PATIENCE
    for piece in pieces:
        read += piece
        if len(read) >= LONGEST_ANSWER or time.monotonic() > until:
            break
    return read[:LONGEST_ANSWER].decode(errors="replace")
