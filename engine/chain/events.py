"""The contracts' events, decoded and in chain order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.chain.abi import ContractAbi
from engine.chain.errors import RpcError
from engine.chain.transport import Chain

_SPAN = 10_000
"""Blocks a request to begin with; halved whenever the node finds it too much."""


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """One event of one of the four contracts.

    args: by parameter name; bytes as 0x-hex, addresses with checksum, integers as int.
    (block_number, log_index) orders all events; block_hash tells a reorganised block
    from the one read before.
    """

    contract: str
    name: str
    args: dict[str, Any]
    block_number: int
    block_hash: str
    tx_hash: str
    log_index: int

    @property
    def position(self) -> tuple[int, int]:
        return self.block_number, self.log_index


def read_events(
    chain: Chain,
    contracts: Mapping[str, tuple[str, ContractAbi]],
    from_block: int,
    to_block: int,
    topics: Sequence[str | None] = (),
) -> list[ChainEvent]:
    """The events of the contracts (name -> address, ABI) in these blocks, both included, in order."""
    by_address = {address.lower(): (name, abi) for name, (address, abi) in contracts.items()}
    found = []
    for log in read_logs(chain, sorted(by_address), from_block, to_block, topics):
        name, abi = by_address[log["address"].lower()]
        decoded = abi.event(
            [bytes.fromhex(topic[2:]) for topic in log["topics"]], bytes.fromhex(log["data"][2:])
        )
        if decoded is not None and not log.get("removed"):
            found.append(_event(name, decoded, log))
    return sorted(found, key=lambda event: event.position)


def _event(contract: str, decoded: tuple[str, dict[str, Any]], log: Mapping[str, Any]) -> ChainEvent:
    return ChainEvent(
        contract=contract,
        name=decoded[0],
        args=decoded[1],
        block_number=int(log["blockNumber"], 16),
        block_hash=log["blockHash"],
        tx_hash=log["transactionHash"],
        log_index=int(log["logIndex"], 16),
    )


def read_logs(
    chain: Chain, addresses: list[str], from_block: int, to_block: int, topics: Sequence[str | None] = ()
) -> Iterator[dict[str, Any]]:
    """eth_getLogs over any range, in requests as small as the node demands.

    `topics`: the event's own, then its indexed arguments; None for any.
    """
    span, first = _SPAN, from_block
    while first <= to_block:
        last = min(first + span - 1, to_block)
        query: dict[str, Any] = {"address": addresses, "fromBlock": hex(first), "toBlock": hex(last)}
        if topics:
            query["topics"] = list(topics)
        try:
            logs = chain.request("eth_getLogs", [query])
        except RpcError:
            # Every node has its own code for "too many"; what a single block cannot answer is another matter.
            if first == last:
                raise
            span = (last - first + 1) // 2
            continue
        yield from logs
        first = last + 1
