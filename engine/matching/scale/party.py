"""One side of RR22. Run by the interpreter of the extra psi-scale, and imported by nobody: spu is only there.

Orders come on stdin and answers go to stdout, a JSON object a line each: whom to reach first, then any number
of `say` and `bucket`, then `end`. What the library prints goes to stderr. It ends when stdin does, or when
the other side has gone.
"""

import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from spu import psi
from spu.libspu import link

PROTOCOL = {"protocol": "PROTOCOL_RR22", "low_comm_mode": False}
"""What alone is run: docs/adr/0026 says why not the others."""

_ITEMS_AT_ONCE = 2**28
"""The library cuts longer lists into buckets of its own; ours are cut already."""
_GONE_AFTER_S = 5
_ESTABLISHED = 1
_TCP_INFO_BYTES = struct.Struct("=B119xQQ")  # struct tcp_info: state; bytes acknowledged, bytes received


def main() -> int:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    orders: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_read, args=(orders,), daemon=True).start()

    def answer(document: dict[str, Any]) -> None:
        answers.write(json.dumps(document) + "\n")
        answers.flush()

    def gone() -> None:
        answer({"error": "the other side has gone"})
        os._exit(1)

    try:
        _serve(orders, answer, gone)
    except (RuntimeError, ValueError) as error:  # what the library throws: its first line is the reason
        answer({"error": next(iter(str(error).splitlines()), "") or type(error).__name__})
        os._exit(1)  # not waiting for threads of the library that wait for the other side
    return 0


def _read(orders: "SimpleQueue[dict[str, Any]]") -> None:
    for line in sys.stdin:
        orders.put(json.loads(line))
    os._exit(1)  # whoever gave the orders is no more


def _serve(orders: "SimpleQueue[dict[str, Any]]", answer: Any, gone: Any) -> None:
    order = orders.get()
    if order["protocol"] != PROTOCOL:
        raise ValueError(f"nothing but {PROTOCOL} is run here, not {order['protocol']}")
    rank = order["rank"]
    context = link.create_brpc(_description(order), rank)
    over = threading.Event()
    threading.Thread(target=_watch, args=(over, gone), daemon=True).start()
    answer({"linked": True, "spu": version("spu")})
    while "end" not in (order := orders.get()):
        if "say" in order:
            answer({"heard": context.all_gather(order["say"])[1 - rank]})
        else:
            _run(order, context)
            answer({"bucket": order["bucket"]})
    over.set()
    ends = list(_connections())
    _part(context, 1 - rank)
    answer({"sent": sum(end.sent for end in ends), "received": sum(end.received for end in ends)})


def _part(context: Any, peer: int) -> None:
    """Neither side ends before the other has all it waits for; the library's own way may wait for ever.

    The other side ends when this has reached it, perhaps before it said so: hence a bound, and no matter.
    """
    telling = threading.Thread(target=context.send, args=(peer, "finished"), daemon=True)
    telling.start()
    context.recv(peer)
    telling.join(_GONE_AFTER_S)


def _description(order: dict[str, Any]) -> Any:
    description = link.Desc()
    description.id = order["run"]
    for name, place in zip(("provider", "insurer"), order["places"], strict=True):
        description.add_party(name, place)
    description.recv_timeout_ms = order["patience_s"] * 1000
    description.http_timeout_ms = order["patience_s"] * 1000
    # By itself the library would wait between calls, ever longer: what bounds a run is its patience.
    description.connect_retry_times = order["patience_s"] * 10
    description.connect_retry_interval_ms = 100
    description.retry_opts.max_retry = order["patience_s"] * 10
    description.retry_opts.retry_interval_ms = 100
    description.retry_opts.retry_interval_incr_ms = 0
    if order["tls"]:
        certificate, key, trusted = order["tls"]
        description.enable_ssl = True
        for side in (description.client_ssl_opts, description.server_ssl_opts):
            side.cert.certificate_path, side.cert.private_key_path = certificate, key
            side.verify.verify_depth, side.verify.ca_file_path = 1, trusted
    return description


def _run(order: dict[str, Any], context: Any) -> None:
    config = psi.PsiExecuteConfig(
        protocol_conf=psi.PsiProtocolConfig(
            protocol=psi.parse_protocol(PROTOCOL["protocol"]),
            receiver_rank=0,
            broadcast_result=False,
            bucket_size=_ITEMS_AT_ONCE,
            rr22_params=psi.Rr22Rarams(low_comm_mode=PROTOCOL["low_comm_mode"]),
        ),
        input_params=psi.InputParams(path=order["input"], selected_keys=["id"], keys_unique=True),
        output_params=psi.OutputParams(path=order["output"], disable_alignment=True),
    )
    psi.psi_execute(config, context)


def _watch(over: threading.Event, gone: Any) -> None:
    """The library waits its whole patience for a message, also when there is nobody left to send it."""
    alone_s = 0
    while not over.wait(1):
        alone_s = 0 if any(_connections()) else alone_s + 1
        if alone_s == _GONE_AFTER_S and not over.is_set():
            gone()


class _End(NamedTuple):
    sent: int
    """Bytes, TLS and all."""
    received: int


def _connections() -> Iterator[_End]:
    """Every connection of this process that stands."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            copy = os.dup(int(entry.name))
        except OSError:
            continue
        try:
            end = socket.socket(fileno=copy)
        except OSError:
            os.close(copy)
            continue
        with end:
            if end.type == socket.SOCK_STREAM and end.family in (socket.AF_INET, socket.AF_INET6):
                info = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
                state, sent, received = _TCP_INFO_BYTES.unpack_from(info)
                if state == _ESTABLISHED:
                    yield _End(sent, received)


if __name__ == "__main__":
    sys.exit(main())
