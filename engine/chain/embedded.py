"""The embedded chain: one SQLite file, one thread that owns it, requests from any thread.

py-evm and eth-tester are not thread-safe, so every request is a closure run on the owner's thread.
Transactions that wait together share a block.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from eth.abc import SignedTransactionAPI

from engine.chain import rpc_format as fmt
from engine.chain.backend import ChainSpec, SqliteBackend
from engine.chain.errors import ChainUnavailable, RpcError
from engine.chain.node import NodeMethods

MAX_WAITING_JOBS = 64


class EmbeddedChain:
    """A node in this process. `request` is JSON-RPC without the envelope; it raises RpcError.

    A sent transaction is mined and on disk when `send` returns its hash; one that would revert is refused
    with its revert data and leaves no trace. `clock` gives seconds since 1970.
    Raises ChainLocked when another process has the file open, WrongChain for another chain id.
    """

    checks_before_sending = True
    """Sending needs no estimate first: what would revert is refused on sending."""

    def __init__(self, path: Path, spec: ChainSpec, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._closing = threading.Lock()
        opened: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._own, args=(path, spec, opened), name="embedded-chain", daemon=True
        )
        self._thread.start()
        opened.result()

    def request(self, method: str, params: list[Any]) -> Any:
        """Run one JSON-RPC method and wait for it. Any thread."""
        return self._submit(_Read(lambda node, _: node.request(method, params)))

    def everywhere(self, method: str, params: list[Any]) -> list[Any]:
        return [self.request(method, params)]

    def send(self, raw_transactions: Sequence[bytes]) -> list[str | RpcError]:
        """Mine signed transactions, together and in this order; per transaction its hash, or why not."""
        outcome: list[str | RpcError] = self._submit(_Send(raw_transactions))
        return outcome

    def ahead_s(self) -> float:
        """Seconds by which the head's timestamp is ahead of the wall clock, or 0: hold batches back by it."""
        head_timestamp: int = self._submit(_Read(lambda _, backend: backend.head().timestamp))
        return max(0.0, head_timestamp - self._clock())

    def close(self) -> None:
        """Finish what was submitted, close the file, refuse everything later. Idempotent."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    def _submit(self, job: "_Job") -> Any:
        with self._closing:
            if self._closed:
                raise ChainUnavailable("the embedded chain is closed")
            self._jobs.put(job)
        return job.done.result()

    def _own(self, path: Path, spec: ChainSpec, opened: "Future[None]") -> None:
        try:
            backend = SqliteBackend(path, spec, self._clock)
        except BaseException as error:  # noqa: BLE001  crosses to the thread that waits for it
            opened.set_exception(error)
            return
        opened.set_result(None)
        node = NodeMethods(backend)
        try:
            while self._work(backend, node):
                pass
        finally:
            backend.close()

    def _work(self, backend: SqliteBackend, node: NodeMethods) -> bool:
        """Take what waits, mine its transactions into one block, then answer its reads. False at the end."""
        jobs = [self._jobs.get()]
        while jobs[-1] is not None and len(jobs) < MAX_WAITING_JOBS:
            try:
                jobs.append(self._jobs.get_nowait())
            except queue.Empty:
                break
        _mine(backend, [job for job in jobs if isinstance(job, _Send)])
        for job in jobs:
            if isinstance(job, _Read):
                job.answer(node, backend)
        return jobs[-1] is not None


class _Read:
    def __init__(self, run: Callable[[NodeMethods, SqliteBackend], Any]) -> None:
        self.run = run
        self.done: Future[Any] = Future()

    def answer(self, node: NodeMethods, backend: SqliteBackend) -> None:
        try:
            self.done.set_result(self.run(node, backend))
        except BaseException as error:  # noqa: BLE001  crosses to the thread that waits for it
            self.done.set_exception(error)


class _Send:
    def __init__(self, raw_transactions: Sequence[bytes]) -> None:
        self.raw_transactions = raw_transactions
        self.done: Future[Any] = Future()


_Job = _Read | _Send


def _mine(backend: SqliteBackend, jobs: list[_Send]) -> None:
    """All jobs' transactions into one block; every job learns the outcome of its own."""
    try:
        outcomes = _outcomes(backend, [job.raw_transactions for job in jobs])
    except BaseException as error:  # noqa: BLE001  crosses to the threads that wait for it
        for job in jobs:
            job.done.set_exception(error)
        return
    for job, outcome in zip(jobs, outcomes, strict=True):
        job.done.set_result(outcome)


def _outcomes(backend: SqliteBackend, groups: list[Sequence[bytes]]) -> list[list[str | RpcError]]:
    outcomes: list[list[str | RpcError]] = [[] for _ in groups]
    decoded: list[SignedTransactionAPI] = []
    places: list[tuple[int, int]] = []
    for at, group in enumerate(groups):
        for raw in group:
            try:
                transaction = backend.decode_transaction(raw)
            except RpcError as error:
                outcomes[at].append(error)
                continue
            places.append((at, len(outcomes[at])))
            outcomes[at].append(fmt.data(transaction.hash))
            decoded.append(transaction)
    refusals = backend.mine(decoded) if decoded else []
    for (at, index), refusal in zip(places, refusals, strict=True):
        if refusal is not None:
            outcomes[at][index] = refusal
    return outcomes
