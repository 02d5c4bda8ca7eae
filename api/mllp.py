"""HL7 v2 over MLLP: a frame in, a signed delivery to the engine, an ACK out once the engine holds it.

The gateway stands in the hospital, beside its system, and keeps nothing. What it cannot hand over it does not
answer: the sender still has the message and sends it again, and the engine knows bytes that it holds.

    0x0B message 0x1C 0x0D

The ACK is the original mode's: one a message, AA, AE or AR, in the order in which the messages came.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx
import structlog

from api.client import ApiError
from engine.settlement import Violation
from engine.settlement.sources.er7 import MAX_MESSAGE_BYTES
from engine.settlement.sources.hl7v2_ack import Answer, acknowledge

Json = Mapping[str, Any]
Deliver = Callable[[bytes], Iterable[Json]]
"""Sends one frame to the engine: the receipt, a line a record, and the counts."""

START: Final = b"\x0b"
END: Final = b"\x1c\r"
_KEPT: Final = frozenset({"accepted", "waiting", "noted", "reversed"})
_MOST_ERRORS: Final = 100
_HEAD_BYTES: Final = 4096
_LINGER_S: Final = 10
_log = structlog.get_logger("autoclaim.mllp")


@dataclass(frozen=True, slots=True)
class Bounds:
    """idle_s: seconds in which a whole frame has to come, or an answer to be taken. connections: at once."""

    frame_bytes: int = MAX_MESSAGE_BYTES
    idle_s: float = 600
    connections: int = 16


class _Ended(Exception):
    """The conversation is over, without an answer; says why."""


class _TooLarge(Exception):
    """A frame is over the bound; carries how it begins."""

    def __init__(self, head: bytes) -> None:
        super().__init__()
        self.head = head


class Gateway:
    """`deliver` is called in threads, one a connection at most. rng(n): n random bytes."""

    def __init__(
        self, deliver: Deliver, bounds: Bounds, clock: Callable[[], datetime], rng: Callable[[int], bytes]
    ) -> None:
        self._deliver, self._bounds, self._clock, self._rng = deliver, bounds, clock, rng
        self._threads = ThreadPoolExecutor(bounds.connections, thread_name_prefix="mllp")
        self._conversations: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.StreamWriter] = set()
        self._ending = False

    async def serve(
        self, host: str, port: int, until: asyncio.Event, ready: Callable[[int], None] = lambda _: None
    ) -> None:
        """Listen until the event; what is being delivered then is still answered. ready(port) once it
        listens; port 0 takes a free one. Raises OSError."""
        server = await asyncio.start_server(self._connected, host, port, limit=self._bounds.frame_bytes)
        async with server:
            ready(server.sockets[0].getsockname()[1])
            await until.wait()
        self._ending = True
        for writer in self._waiting:
            writer.close()
        if self._conversations:
            await asyncio.wait(self._conversations)
        self._threads.shutdown()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        log = _log.bind(peer=writer.get_extra_info("peername"))
        task = asyncio.current_task()
        if len(self._conversations) >= self._bounds.connections or task is None:
            log.warning("closed", why=f"{self._bounds.connections} connections are open")
            writer.close()
            return
        self._conversations.add(task)
        try:
            await self._converse(reader, writer, log)
        except (_Ended, OSError) as why:
            log.warning("closed", why=str(why) or type(why).__name__)
        finally:
            self._conversations.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: Any) -> None:
        while not self._ending:
            self._waiting.add(writer)
            try:
                message = await _message(reader, self._bounds.idle_s)
            except _TooLarge as error:
                log.warning("closed", why="a frame is over the bound", answer="AR")
                await self._say(writer, self._too_large(error.head))
                await _linger(reader, self._bounds.frame_bytes)
                return
            finally:
                self._waiting.discard(writer)
            if message is None:
                return
            loop = asyncio.get_running_loop()
            await self._say(writer, await loop.run_in_executor(self._threads, self._answer, message, log))

    def _answer(self, message: bytes, log: Any) -> bytes:
        """Deliver, then the ACK. Raises _Ended where the engine did not say that it holds the message."""
        try:
            receipt, *records, last = self._deliver(START + message + END)
        except (ApiError, httpx.HTTPError, ValueError) as error:
            raise _Ended(f"not delivered, so not answered: {error}") from error
        answer, violations = answer_of(records, last)
        log.info("answered", answer=answer, delivery_id=receipt["delivery_id"], records=last["records"])
        return self._acknowledged(message, answer, violations)

    def _too_large(self, head: bytes) -> bytes:
        message = f"is more than {self._bounds.frame_bytes} bytes; nothing of it is kept"
        return self._acknowledged(head, "AR", [Violation("", "source.hl7.too_large", message)])

    def _acknowledged(self, message: bytes, answer: Answer, violations: Sequence[Violation]) -> bytes:
        return acknowledge(message, answer, self._rng(10).hex(), self._clock(), violations)

    async def _say(self, writer: asyncio.StreamWriter, ack: bytes) -> None:
        try:
            async with asyncio.timeout(self._bounds.idle_s):
                writer.write(START + ack + END)
                await writer.drain()
        except TimeoutError as error:
            raise _Ended("the sender takes no answer") from error


async def _message(reader: asyncio.StreamReader, idle_s: float) -> bytes | None:
    """What stands in the next frame; None at the end. Raises _Ended, _TooLarge."""
    first = b"\r"
    try:
        async with asyncio.timeout(idle_s):
            while first in (b"\r", b"\n"):
                first = await reader.read(1)
            if first == b"":
                return None
            if first != START:
                raise _Ended("what came does not begin as a frame does (0x0B)")
            return (await reader.readuntil(END)).removesuffix(END)
    except TimeoutError as error:
        raise _Ended(f"no whole frame came within {idle_s} s") from error
    except asyncio.IncompleteReadError as error:
        raise _Ended("the sender broke off inside a frame") from error
    except asyncio.LimitOverrunError as error:
        raise _TooLarge(await reader.read(_HEAD_BYTES)) from error


async def _linger(reader: asyncio.StreamReader, most: int) -> None:
    """A socket closed with bytes unread takes the answer with it: read some, and let the sender end."""
    try:
        async with asyncio.timeout(_LINGER_S):
            while most > 0 and (more := await reader.read(1 << 16)):
                most -= len(more)
    except TimeoutError:
        return


def answer_of(records: Sequence[Json], last: Json) -> tuple[Answer, list[Violation]]:
    """What an engine's lines about one message come to: AA only where every record of it is kept for good."""
    refused = [record for record in records if record["outcome"] == "refused"]
    errors = [*last.get("refused", ()), *(error for record in records for error in record.get("errors", ()))]
    violations = [Violation(**error) for error in errors]
    violations += [Violation("", record["code"], f"{record['place']} is refused") for record in refused]
    if len(violations) > _MOST_ERRORS:
        more = f"and {len(violations) - _MOST_ERRORS} more, this rule's or others'; the quarantine has all"
        violations[_MOST_ERRORS:] = [Violation("", violations[_MOST_ERRORS].rule, more)]
    if last.get("refused") or refused:
        return "AR", violations
    kept = records and all(record["outcome"] in _KEPT for record in records)
    return ("AA" if kept else "AE"), violations
