"""Many clients on loopback that only write prepared requests and read answers, in a process of their own.

A general HTTP client would take as much of the machine as the server that is measured.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answers:
    """elapsed_s from the first byte sent to the last received; one latency and status a request."""

    elapsed_s: float
    latencies_ms: list[float]
    statuses: list[int]


def drive(host: str, port: int, requests: Sequence[bytes], clients: int) -> Answers:
    """Send whole HTTP/1.1 requests over `clients` connections, on each the next after the last answer."""
    return asyncio.run(_drive(host, port, requests, clients))


async def _drive(host: str, port: int, requests: Sequence[bytes], clients: int) -> Answers:
    waiting = iter(requests)
    latencies_ms: list[float] = []
    statuses: list[int] = []
    connections = [await asyncio.open_connection(host, port) for _ in range(clients)]

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for request in waiting:
            sent = time.perf_counter()
            writer.write(request)
            statuses.append(await _answer(reader))
            latencies_ms.append((time.perf_counter() - sent) * 1000)

    started = time.perf_counter()
    await asyncio.gather(*(client(*connection) for connection in connections))
    elapsed_s = time.perf_counter() - started
    for _, writer in connections:
        writer.close()
    return Answers(elapsed_s, latencies_ms, statuses)


async def _answer(reader: asyncio.StreamReader) -> int:
    """The status, after the whole answer: by its length, or chunk by chunk."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    if fields.get("transfer-encoding") == "chunked":
        size = -1
        while size:
            size = int(await reader.readline(), 16)
            await reader.readexactly(size + 2)
    else:
        await reader.readexactly(int(fields["content-length"]))
    return int(head[0].split(" ")[1])
