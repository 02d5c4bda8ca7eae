"""Nothing a test runs in this process can leave the machine."""

import socket

import pytest

from tests.support.network import NetworkRefused


def test_a_connection_beyond_loopback_is_refused_before_it_is_made() -> None:
    with socket.socket() as client, pytest.raises(NetworkRefused):
        client.connect(("192.0.2.1", 80))  # TEST-NET-1, RFC 5737


def test_a_name_is_not_looked_up() -> None:
    with pytest.raises(NetworkRefused):
        socket.getaddrinfo("registry.example", 443)


def test_loopback_is_allowed() -> None:
    with socket.socket() as listener, socket.socket() as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client.connect(listener.getsockname())
