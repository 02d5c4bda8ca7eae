"""openmined-psi, lists against each other by ECDH on P-256: each side a process, over a plain connection.

`python -m tests.bench.peer_ecdh SIDE.json`: {"side", "port", "people": {"from", "to"}, "peer_items"}. The
provider is the client, who learns what both have. Messages are as the library makes them, with their length
before them: a Golomb-compressed set, with one false positive in 10^9 for the whole list. There are no
buckets, nothing can be gone on with, and the connection is plain: what that spares is to its credit.
"""

import json
import resource
import socket
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.process import REPOSITORY
from tests.support.scale_side import items_of

FOLDER = REPOSITORY / "build" / "env" / "ecdh"
"""Where `make bench` installs what tests/bench/peers/ecdh.lock names."""

_FALSE_POSITIVES = 1e-9
_LENGTH_BYTES = 8


class Counted:
    """A connection of messages, and how many bytes of them went either way."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rwb")
        self.sent = self.received = 0

    def send(self, message: bytes) -> None:
        self._file.write(len(message).to_bytes(_LENGTH_BYTES, "big"))
        self._file.write(message)
        self._file.flush()
        self.sent += _LENGTH_BYTES + len(message)

    def receive(self) -> bytes:
        message = self._file.read(int.from_bytes(self._file.read(_LENGTH_BYTES), "big"))
        self.received += _LENGTH_BYTES + len(message)
        return message


def main(path: Path) -> None:
    """Prints what scale_side prints, as far as there is such a thing."""
    sys.path.append(str(FOLDER))
    import private_set_intersection.python as psi

    document = json.loads(path.read_text(encoding="utf-8"))
    items = [item.decode() for item in items_of(document)]
    address = ("127.0.0.1", document["port"])
    if document["side"] == "provider":
        with socket.create_server(address) as listening:
            connection = Counted(listening.accept()[0])
        matched = _client(psi, connection, items)
    else:
        connection = Counted(_reached(address))
        matched = _server(psi, connection, items, document["peer_items"])
    used = resource.getrusage(resource.RUSAGE_SELF)
    result = {
        "matches": matched,
        "sent": connection.sent,
        "received": connection.received,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_kib": used.ru_maxrss,
    }
    print(json.dumps(result))


def _client(psi: Any, connection: Counted, items: list[str]) -> int:
    client = psi.client.CreateWithNewKey(True)
    connection.send(client.CreateRequest(items).SerializeToString())
    setup, response = psi.ServerSetup(), psi.Response()
    setup.ParseFromString(connection.receive())
    response.ParseFromString(connection.receive())
    return len(client.GetIntersection(setup, response))


def _server(psi: Any, connection: Counted, items: list[str], asked: int) -> int:
    server = psi.server.CreateWithNewKey(True)
    setup = server.CreateSetupMessage(_FALSE_POSITIVES, asked, items, psi.DataStructure.GCS)
    request = psi.Request()
    request.ParseFromString(connection.receive())  # first: the client does not read before
    connection.send(setup.SerializeToString())
    connection.send(server.ProcessRequest(request).SerializeToString())
    return 0


def _reached(address: tuple[str, int]) -> socket.socket:
    """The client listens once its interpreter is up."""
    while True:
        try:
            return socket.create_connection(address)
        except ConnectionRefusedError:
            time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
