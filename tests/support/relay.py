"""Between two parties on the loopback: passes every byte on, both ways, and remembers them."""

import socket
import threading
from contextlib import suppress

import httpx


class Relay:
    """Reached at `url`, in place of the address that it is made for."""

    def __init__(self, to: str) -> None:
        self._to = httpx.URL(to)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked: list[bytearray] = []
        """What each connection carried to the address that this stands for; answered: what came back."""
        self.answered: list[bytearray] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def passes(self, data: bytes) -> bool:
        """Whether these bytes go on; where they do not, their connection ends."""
        return True

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection((self._to.host, self._to.port))
                for source, sink, carried in ((near, far, self.asked), (far, near, self.answered)):
                    carried.append(bytearray())
                    args = (source, sink, carried[-1])
                    threading.Thread(target=self._pass_on, args=args, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, carried: bytearray) -> None:
        with suppress(OSError), source, sink:
            while data := source.recv(65_536):
                if not self.passes(data):
                    source.recv(1)  # until whoever sent it is gone
                    return
                carried += data
                sink.sendall(data)
