"""No test reaches beyond this machine: the interpreter itself refuses, whichever library asks."""

import ipaddress
import ssl
import sys
from functools import cache

import httpx

_LOCAL_NAMES = frozenset({"localhost", "", None})


class NetworkRefused(RuntimeError):
    """A test tried to leave the machine."""


def _is_loopback(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode()
    if host in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _refuse_what_leaves(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a path is a Unix socket: local
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if not _is_loopback(host):
        raise NetworkRefused(f"{event} to {host!r}: tests talk to 127.0.0.1 only")


@cache
def trusted() -> ssl.SSLContext:
    """`verify` of a client that is made often: reading whom to trust takes longer than what it does here."""
    return httpx.create_ssl_context()


def stay_on_this_machine() -> None:
    """From here to the end of the process. An audit hook cannot be taken off again."""
    sys.addaudithook(_refuse_what_leaves)
