"""The few rtnetlink messages that a pod's network takes, by hand.

A request is packed, sent and acknowledged in 10 to 50 µs plus the kernel's own time, where a subprocess of
``ip`` would take 3 ms and a general library 200 ms to import. A socket belongs to the network namespace it
was made in for ever, whatever its thread does later; so a namespace is entered only to make the socket.

Source: rtnetlink(7), netlink(7), and the kernel's uapi headers ``if_link.h``, ``rtnetlink.h``, ``if_addr.h``.
"""

import ctypes
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import NamedTuple

_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBi")
_ROUTE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")

_REQUEST, _ACK, _EXCL, _CREATE, _REPLACE, _DUMP = 0x1, 0x4, 0x200, 0x400, 0x100, 0x300
_NEWLINK, _DELLINK, _GETLINK, _SETLINK, _NEWADDR, _NEWROUTE, _DELROUTE = 16, 17, 18, 19, 20, 24, 25
_ERROR, _DONE = 2, 3
_NESTED = 0x8000
_UP = 1
_AF_BRIDGE = 7

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_PROTINFO = 1, 3, 4, 10, 12
_IFLA_LINKINFO, _IFLA_NET_NS_FD, _IFLA_INFO_KIND, _IFLA_INFO_DATA, _IFLA_INFO_SLAVE_DATA = 18, 28, 1, 2, 5
_VETH_INFO_PEER, _BRPORT_STATE, _BRPORT_HAIRPIN = 1, 1, 4
_FORWARDING = b"\3"
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC = 1, 4, 5, 6, 7
_MAIN_TABLE, _PROTOCOL_STATIC, _UNICAST = 254, 4, 1
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253
_ON_LINK = 4  # RTNH_F_ONLINK: the gateway is reachable on this link though no route says so
_CLONE_NEWNET = 0x40000000


class Link(NamedTuple):
    """A network interface.

    ``number`` is its index, ``master`` that of the bridge it is a port of, or 0; ``forwards`` says that the
    port lets packets through by now.
    """

    number: int
    name: str
    master: int
    mac: bytes
    forwards: bool


class Peer(NamedTuple):
    """The far end of a veth pair: its name, its address, and a descriptor of the namespace it appears in."""

    name: str
    mac: bytes
    namespace: int


class Netlink:
    """A route socket in one network namespace, by default the caller's. Blocks; for one thread at a time.

    Everything that fails raises ``OSError`` with the kernel's errno.
    """

    def __init__(self, namespace: int | None = None) -> None:
        if namespace is None:
            self._socket = _route_socket()
        else:
            with entered(namespace):
                self._socket = _route_socket()
        self._sequence = 0

    def __enter__(self) -> "Netlink":
        return self

    def __exit__(self, *failure: object) -> None:
        self._socket.close()

    def find(self, name: str) -> Link | None:
        """The interface of that name, or None."""
        body = _LINK.pack(0, 0, 0, 0, 0) + _text(_IFLA_IFNAME, name)
        try:
            (answer,) = self._ask(_GETLINK, _ACK, body)
        except OSError as error:
            if error.errno == 19:  # ENODEV
                return None
            raise
        return _parse_link(answer)

    def links(self) -> Sequence[Link]:
        """Every interface."""
        return [_parse_link(answer) for answer in self._ask(_GETLINK, _DUMP, _LINK.pack(0, 0, 0, 0, 0))]

    def create_bridge(self, name: str, mac: bytes) -> None:
        """Make a bridge that is up. Raises ``FileExistsError``."""
        kind = _nest(_IFLA_LINKINFO, _text(_IFLA_INFO_KIND, "bridge"))
        body = (
            _LINK.pack(0, 0, 0, _UP, _UP) + _text(_IFLA_IFNAME, name) + _attribute(_IFLA_ADDRESS, mac) + kind
        )
        self._ask(_NEWLINK, _ACK | _CREATE | _EXCL, body)

    def create_veth(self, name: str, master: int, peer: Peer) -> None:
        """Make a pair whose near end is up and a port of ``master``. Raises ``FileExistsError``."""
        far = (
            _LINK.pack(0, 0, 0, 0, 0)
            + _text(_IFLA_IFNAME, peer.name)
            + _attribute(_IFLA_ADDRESS, peer.mac)
            + _number(_IFLA_NET_NS_FD, peer.namespace)
        )
        pair = _text(_IFLA_INFO_KIND, "veth") + _nest(_IFLA_INFO_DATA, _attribute(_VETH_INFO_PEER, far))
        near = _LINK.pack(0, 0, 0, _UP, _UP) + _text(_IFLA_IFNAME, name) + _number(_IFLA_MASTER, master)
        self._ask(_NEWLINK, _ACK | _CREATE | _EXCL, near + _nest(_IFLA_LINKINFO, pair))

    def reflect(self, index: int) -> None:
        """Let a bridge port get back what it sent, when the host has translated it to its own address."""
        option = _nest(_IFLA_PROTINFO, _attribute(_BRPORT_HAIRPIN, b"\1"))
        self._ask(_SETLINK, _ACK, _LINK.pack(_AF_BRIDGE, 0, index, 0, 0) + option)

    def set_up(self, index: int) -> None:
        """Bring an interface up; twice is harmless."""
        self._ask(_NEWLINK, _ACK, _LINK.pack(0, 0, index, _UP, _UP))

    def delete(self, index: int) -> None:
        """Remove an interface, and the far end of a pair with it."""
        self._ask(_DELLINK, _ACK, _LINK.pack(0, 0, index, 0, 0))

    def add_address(self, index: int, address: IPv4Interface) -> None:
        """Give an interface an address; twice is harmless."""
        packed = address.ip.packed
        head = _ADDRESS.pack(socket.AF_INET, address.network.prefixlen, 0, 0, index)
        body = head + _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed)
        self._ask(_NEWADDR, _ACK | _CREATE | _REPLACE, body)

    def add_route(
        self,
        index: int,
        to: IPv4Network,
        *,
        gateway: IPv4Address | None = None,
        source: IPv4Address | None = None,
        metric: int = 0,
    ) -> None:
        """Send what goes ``to`` a network out of an interface; twice is harmless."""
        scope = _SCOPE_LINK if gateway is None else _SCOPE_UNIVERSE
        flags = 0 if gateway is None else _ON_LINK
        table = (_MAIN_TABLE, _PROTOCOL_STATIC, scope, _UNICAST, flags)
        body = _ROUTE.pack(socket.AF_INET, to.prefixlen, 0, 0, *table) + _number(_RTA_OIF, index)
        if to.prefixlen:
            body += _attribute(_RTA_DST, to.network_address.packed)
        if gateway is not None:
            body += _attribute(_RTA_GATEWAY, gateway.packed)
        if source is not None:
            body += _attribute(_RTA_PREFSRC, source.packed)
        if metric:
            body += _number(_RTA_PRIORITY, metric)
        self._ask(_NEWROUTE, _ACK | _CREATE | _REPLACE, body)

    def remove_route(self, index: int, to: IPv4Network) -> None:
        """Send what goes ``to`` a network out of an interface no longer."""
        table = (_MAIN_TABLE, _PROTOCOL_STATIC, _SCOPE_LINK, _UNICAST, 0)
        body = _ROUTE.pack(socket.AF_INET, to.prefixlen, 0, 0, *table) + _number(_RTA_OIF, index)
        self._ask(_DELROUTE, _ACK, body + _attribute(_RTA_DST, to.network_address.packed))

    def _ask(self, kind: int, flags: int, body: bytes) -> list[bytes]:
        """Send one message; the bodies of the answers once it is acknowledged."""
        self._sequence += 1
        self._socket.send(
            _HEADER.pack(_HEADER.size + len(body), kind, flags | _REQUEST, self._sequence, 0) + body
        )
        answers: list[bytes] = []
        while True:
            buffer = self._socket.recv(1 << 16)
            at = 0
            while at < len(buffer):
                length, answer, _, sequence, _ = _HEADER.unpack_from(buffer, at)
                content = buffer[at + _HEADER.size : at + length]
                at += (length + 3) & ~3
                if sequence != self._sequence:
                    continue
                if answer == _DONE:
                    return answers
                if answer == _ERROR:
                    (code,) = struct.unpack_from("=i", content)
                    if code:
                        raise OSError(-code, os.strerror(-code))
                    return answers
                answers.append(content)


@contextmanager
def entered(namespace: int) -> Iterator[None]:
    """Have this thread in another network namespace. It is put back whatever happens."""
    with Path("/proc/thread-self/ns/net").open("rb") as home:
        _setns(namespace)
        try:
            yield
        finally:
            _setns(home.fileno())


def in_namespace(namespace: int, files: Sequence[tuple[Path, str]]) -> None:
    """Write files below ``/proc/sys/net`` as another namespace has them; absent ones are passed over."""
    with entered(namespace):
        for path, text in files:
            if path.exists():
                path.write_text(text)


def _setns(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns came with Python 3.12
    if libc.setns(namespace, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _route_socket() -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    opened.bind((0, 0))
    opened.settimeout(10)  # the kernel always answers; better an error than a thread that hangs
    return opened


def _attribute(kind: int, content: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(content)
    return _ATTRIBUTE.pack(length, kind) + content + bytes(-length % 4)


def _nest(kind: int, content: bytes) -> bytes:
    return _attribute(kind | _NESTED, content)


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")


def _number(kind: int, number: int) -> bytes:
    return _attribute(kind, struct.pack("=I", number))


def _parse_link(body: bytes) -> Link:
    _, _, index, _, _ = _LINK.unpack_from(body)
    attributes = dict(_attributes(body[_LINK.size :]))
    name = attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode()
    (master,) = struct.unpack("=I", attributes.get(_IFLA_MASTER, bytes(4)))
    details = dict(_attributes(attributes.get(_IFLA_LINKINFO, b"")))
    port = dict(_attributes(details.get(_IFLA_INFO_SLAVE_DATA, b"")))
    forwards = port.get(_BRPORT_STATE) == _FORWARDING
    return Link(index, name, master, attributes.get(_IFLA_ADDRESS, b""), forwards)


def _attributes(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(content):
        length, kind = _ATTRIBUTE.unpack_from(content, at)
        yield kind & 0x3FFF, content[at + _ATTRIBUTE.size : at + length]
        at += max((length + 3) & ~3, _ATTRIBUTE.size)
