"""The chain by plain JSON-RPC: events by their own topics, state by eth_call, words decoded here."""

import heapq
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from eth_hash.auto import keccak

from engine.fsck.errors import CannotCheck, RpcRefused

Transport = Callable[[bytes], bytes]
"""A JSON-RPC request's bytes to its answer's. Raises CannotCheck where there is none."""

_BLOCKS_AT_ONCE = 10_000
_CALLS_AT_ONCE = 50

# contract, event, its types, then its arguments' names: the indexed ones first, as they are laid out.
_EVENTS = (
    (
        "AuthorizationRegistry",
        "AuthorizationGranted(bytes32,bytes32,bytes32,address,address,uint40,bytes32)",
        ("id", "subject", "scope", "insured", "guardian", "expires", "consentDigest"),
    ),
    (
        "AuthorizationRegistry",
        "AuthorizationRenewed(bytes32,address,uint40,bytes32)",
        ("id", "by", "expires", "consentDigest"),
    ),
    ("AuthorizationRegistry", "AuthorizationRevoked(bytes32,address)", ("id", "by")),
    (
        "DataCatalog",
        "VersionPublished(bytes32,uint32,bytes32,bytes32)",
        ("datasetId", "version", "schemaDigest", "contentDigest"),
    ),
    (
        "TaskScheduler",
        "TaskOpened(bytes32,bytes32,address,uint8,bytes32,bytes32,uint48)",
        ("taskId", "datasetId", "requester", "kind", "purpose", "termsDigest", "deadline"),
    ),
    (
        "MatchResultStore",
        "ResultRecorded(bytes32,bytes32,bytes32,bytes32)",
        ("claimKey", "authorizationId", "taskId", "resultDigest"),
    ),
    (
        "MatchResultStore",
        "ResultSuperseded(bytes32,bytes32,bytes32,bytes32,uint32)",
        ("claimKey", "authorizationId", "taskId", "resultDigest", "version"),
    ),
    (
        "MatchResultStore",
        "PayoutConfirmed(bytes32,uint32,bytes32)",
        ("claimKey", "version", "payoutDigest"),
    ),
    (
        "MatchResultStore",
        "ResultReversed(bytes32,uint32,bytes32)",
        ("claimKey", "version", "reasonDigest"),
    ),
)
_STORE = "MatchResultStore"
RECORDED = ("ResultRecorded", "ResultSuperseded")
"""The two events by which a version of a claim comes on chain, the first and every later one."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `words` by argument name, each 32 bytes as 0x-hex."""

    name: str
    words: Mapping[str, str]
    block: int
    log_index: int
    tx: str

    @property
    def position(self) -> tuple[int, int]:
        return self.block, self.log_index

    @property
    def place(self) -> str:
        return f"{self.tx}:{self.log_index}"

    def number(self, name: str) -> int:
        return int(self.words[name], 16)

    @property
    def result(self) -> tuple[str, int]:
        """(claim key, version) of the result store's events; a first recording names no version."""
        return self.words["claimKey"], self.number("version") if "version" in self.words else 1


class Chain:
    """The deployment's events, read as far as the newest block, and the store's state at that block.

    `first_head`: the block that the first reading ended with. What came later may be unknown to a
    database that was read in between.
    """

    def __init__(self, send: Transport, manifest: Path) -> None:
        """Raises CannotCheck: no chain, another chain than the manifest's, no manifest."""
        self._rpc = _Rpc(send)
        document = _manifest(manifest)
        self._addresses: dict[str, str] = {k: v.lower() for k, v in document["addresses"].items()}
        self._check_identity(document)
        self._start = self._next = int(document["block"])
        self._events: defaultdict[str, list[Event]] = defaultdict(list)
        self._decoders = {
            (self._addresses[contract], "0x" + keccak(signature.encode()).hex()): (
                signature.partition("(")[0],
                names,
            )
            for contract, signature, names in _EVENTS
        }
        self.head = self.first_head = -1

    def read(self) -> None:
        """Every event up to the newest block."""
        self.head = _quantity(self._rpc.call("eth_blockNumber"))
        if self.first_head < 0:
            self.first_head = self.head
        for event in sorted(self._read_blocks(), key=lambda event: event.position):
            self._events[event.name].append(event)
        self._next = self.head + 1

    def events(self, *names: str) -> Sequence[Event]:
        """In chain order."""
        return list(heapq.merge(*(self._events[name] for name in names), key=lambda event: event.position))

    def known_before(self, *names: str) -> Iterator[Event]:
        """Those that a database read after the first reading has to know of."""
        return (event for event in self.events(*names) if event.block <= self.first_head)

    def started_at(self) -> int:
        """Seconds since 1970 of the deployment's first block."""
        return self.block_times([self._start])[self._start]

    def block_times(self, blocks: Iterable[int]) -> dict[int, int]:
        """Block number -> its timestamp, seconds since 1970."""
        numbers = sorted(set(blocks))
        calls = [("eth_getBlockByNumber", [hex(number), False]) for number in numbers]
        answers = self._rpc.call_many(calls)
        return {
            number: _quantity(block.get("timestamp") if isinstance(block, dict) else block)
            for number, block in zip(numbers, answers, strict=True)
        }

    def payout_states(self, results: Sequence[tuple[str, int]]) -> list[int]:
        """The store's payoutStateOf each (claim key, version), at the head that was read."""
        return [_quantity(word) for word in self._ask_store("payoutStateOf(bytes32,uint32)", results)]

    def commitments(self, results: Sequence[tuple[str, int]]) -> list[str]:
        """The store's commitmentOf each (claim key, version), at the head that was read; 0x-hex."""
        return self._ask_store("commitmentOf(bytes32,uint32)", results)

    def latest_checkpoint(self) -> tuple[int, bytes]:
        """(entries, tree head) of the access log as it was last co-signed; size 0: never yet.

        At the head that was read: what a database read after that has to contain.
        """
        (answer,) = self._ask("latestCheckpoint()", [""])
        # Three words: size, time, root.
        size, root = _quantity(answer[:66]), _quantity("0x" + answer[130:194])
        return size, root.to_bytes(32)

    def _ask_store(self, signature: str, results: Sequence[tuple[str, int]]) -> list[str]:
        return self._ask(signature, [f"{key[2:]}{version:064x}" for key, version in results])

    def _ask(self, signature: str, arguments: Sequence[str]) -> list[str]:
        selector = "0x" + keccak(signature.encode())[:4].hex()
        store = self._addresses[_STORE]
        return self._rpc.call_many(
            [
                ("eth_call", [{"to": store, "data": selector + encoded}, hex(self.head)])
                for encoded in arguments
            ]
        )

    def _check_identity(self, document: Mapping[str, Any]) -> None:
        chain_id = _quantity(self._rpc.call("eth_chainId"))
        if chain_id != document["chain_id"]:
            raise CannotCheck(f"the chain has id {chain_id}, the deployment is on {document['chain_id']}")
        genesis = self._rpc.call("eth_getBlockByNumber", "0x0", False)
        if not isinstance(genesis, dict) or genesis.get("hash") != document["genesis_hash"]:
            raise CannotCheck("the chain has another first block than the one that was deployed on")

    def _read_blocks(self) -> Iterator[Event]:
        span, first = _BLOCKS_AT_ONCE, self._next
        while first <= self.head:
            last = min(first + span - 1, self.head)
            query = {
                "address": sorted(self._addresses.values()),
                "topics": [sorted({topic for _, topic in self._decoders})],
                "fromBlock": hex(first),
                "toBlock": hex(last),
            }
            try:
                logs = self._rpc.call("eth_getLogs", query)
            except RpcRefused:
                # Every node has its own bound on an answer, and its own way of saying so.
                if first == last:
                    raise
                span = (last - first + 1) // 2
                continue
            try:
                yield from filter(None, map(self._event, logs))
            except (KeyError, IndexError, TypeError, AttributeError) as error:
                raise CannotCheck(f"the chain answered eth_getLogs with no log: {error!r}") from error
            first = last + 1

    def _event(self, log: Mapping[str, Any]) -> Event | None:
        decoder = self._decoders.get((log["address"].lower(), log["topics"][0]))
        if decoder is None:
            return None
        name, names = decoder
        data = log["data"][2:]
        words = [*log["topics"][1:], *("0x" + data[at : at + 64] for at in range(0, len(data), 64))]
        if len(words) != len(names):
            raise CannotCheck(f"{log['transactionHash']}: {name} does not have {len(names)} words")
        return Event(
            name,
            dict(zip(names, words, strict=True)),
            _quantity(log["blockNumber"]),
            _quantity(log["logIndex"]),
            log["transactionHash"],
        )


class _Rpc:
    """JSON-RPC 2.0, single calls and batches."""

    def __init__(self, send: Transport) -> None:
        self._send = send
        self._ids = itertools.count(1)

    def call(self, method: str, *params: Any) -> Any:
        """Raises RpcRefused when the node says no, CannotCheck when it says nothing."""
        return self._exchange([(method, list(params))])[0]

    def call_many(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        results = []
        for start in range(0, len(calls), _CALLS_AT_ONCE):
            results += self._exchange(calls[start : start + _CALLS_AT_ONCE])
        return results

    def _exchange(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        requests = [
            {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
            for method, params in calls
        ]
        # A call alone goes alone: some nodes take no batch.
        raw = self._send(json.dumps(requests if len(requests) > 1 else requests[0]).encode())
        try:
            answers = json.loads(raw)
            by_id = {answer["id"]: answer for answer in (answers if len(requests) > 1 else [answers])}
            found = [by_id[request["id"]] for request in requests]
        except (ValueError, TypeError, KeyError) as error:
            raise CannotCheck(f"the chain's answer is not JSON-RPC: {raw[:200]!r}") from error
        for (method, _), answer in zip(calls, found, strict=True):
            if "result" not in answer:
                raise RpcRefused(f"the chain refuses {method}: {str(answer.get('error'))[:200]}")
        return [answer["result"] for answer in found]


def http_transport(url: str, client: httpx.Client) -> Transport:
    """JSON-RPC over HTTP, to any node."""

    def send(payload: bytes) -> bytes:
        try:
            answer = client.post(url, content=payload, headers={"Content-Type": "application/json"})
            answer.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CannotCheck(f"the chain at {url} does not answer: {error}") from error
        return answer.content

    return send


def commitment(result: Event) -> str:
    """What the store keeps of a result: keccak256 over that of its digest and authorization, and that of its
    task and version.
    """
    digest, authorization, task = (
        bytes.fromhex(result.words[name][2:]) for name in ("resultDigest", "authorizationId", "taskId")
    )
    version = result.result[1].to_bytes(32, "big")
    return "0x" + keccak(keccak(digest + authorization) + keccak(task + version)).hex()


def _manifest(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        needed = {contract for contract, _, _ in _EVENTS}
        if not needed <= document["addresses"].keys() or not isinstance(document["block"], int):
            raise ValueError("block or addresses are missing")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CannotCheck(f"{path}: not a deployment manifest ({error})") from error
    return document


def _quantity(value: Any) -> int:
    try:
        return int(value, 16)
    except (TypeError, ValueError) as error:
        raise CannotCheck(f"the chain answered {str(value)[:80]!r} where a quantity belongs") from error
