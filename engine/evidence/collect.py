"""Read from a chain what a bundle proves with: headers, state proofs, receipt proofs.

The anchor is the block that confirmed the payment, whose state holds everything but the payment's digest;
that is in the block's own receipts. The recording's block is linked to it by headers where it is near. Of a
version that pays nothing more, the anchor is the block of its recording.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.chain.proofs import AccountProof, ReceiptProof
from engine.evidence.bundle import AccountProof as AccountNodes
from engine.evidence.bundle import Chain, Contracts, EventProof
from engine.evidence.errors import ProofInvalid
from engine.evidence.events import PAYOUT_CONFIRMED, EventSpec, result_event
from engine.evidence.layout import slots_of
from engine.evidence.mpt import decode_receipt

MAX_HEADERS = 256
"""About 150 kB of headers; an older recording is proven by the state alone."""


class ProvingClient(Protocol):
    """The part of engine.chain's ChainClient that proofs come from."""

    def proof(self, address: str, slots: Sequence[bytes], block_number: int) -> AccountProof: ...
    def block_header_rlp(self, block_number: int) -> bytes: ...
    def receipt_proof(self, tx_hash: str) -> ReceiptProof: ...


@dataclass(frozen=True, slots=True)
class ClaimOnChain:
    """Where a claim version left its marks. Hashes are 0x hexadecimal; confirm_tx None: it pays nothing."""

    claim_key: bytes
    version: int
    authorization_id: bytes
    scope: bytes
    task_id: bytes
    record_tx: str
    confirm_tx: str | None


class ChainCollector:
    """Collects for many claims over one client; headers and receipts of a batch are read once.

    Use one for a batch and let it go: it assumes that blocks it has seen stay, so give it only
    transactions at the confirmation depth.
    """

    def __init__(self, client: ProvingClient, chain_id: int, addresses: Mapping[str, str]) -> None:
        self._client = client
        self._chain_id = chain_id
        self._addresses = {name: addresses[name] for name in Contracts.model_fields}
        self._headers: dict[int, bytes] = {}
        self._receipts: dict[str, ReceiptProof] = {}

    def collect(self, claim: ClaimOnChain, anchor_block: int | None = None) -> Chain:
        """The chain part of a bundle. anchor_block: later than the confirmation, for a reversed claim.

        Raises what the client raises, and ProofInvalid when a transaction holds no event of this claim.
        """
        recorded = self._receipt(claim.record_tx)
        confirmed = self._receipt(claim.confirm_tx) if claim.confirm_tx is not None else None
        marks = [recorded] if confirmed is None else [recorded, confirmed]
        anchor = marks[-1].block_number if anchor_block is None else anchor_block
        oldest = min(
            (mark.block_number for mark in marks if anchor - mark.block_number < MAX_HEADERS), default=anchor
        )
        return Chain(
            chain_id=self._chain_id,
            contracts=Contracts(**{name: _raw(address) for name, address in self._addresses.items()}),
            headers=[self._header(number) for number in range(oldest, anchor + 1)],
            state=self._state(claim, anchor),
            recorded=self._event(result_event(claim.version), claim, recorded, oldest),
            confirmed=self._event(PAYOUT_CONFIRMED, claim, confirmed, oldest) if confirmed else None,
        )

    def _state(self, claim: ClaimOnChain, block_number: int) -> dict[str, AccountNodes]:
        state = {}
        wanted = slots_of(claim.claim_key, claim.version, claim.authorization_id, claim.scope, claim.task_id)
        for name, slots in wanted.items():
            proof = self._client.proof(self._addresses[name], list(slots.values()), block_number)
            state[name] = AccountNodes(
                account=[_raw(node) for node in proof.account_proof],
                slots={
                    word: [_raw(node) for node in entry.proof]
                    for word, entry in zip(slots, proof.storage, strict=True)
                },
            )
        return state

    def _event(self, spec: EventSpec, claim: ClaimOnChain, found: ReceiptProof, oldest: int) -> EventProof:
        receipt = decode_receipt(_raw(found.receipt))
        expected = {"claimKey": claim.claim_key}
        if "version" in spec.order:
            expected["version"] = claim.version.to_bytes(32, "big")
        for index, log in enumerate(receipt.logs):
            words = spec.words_of(log)
            if words is not None and expected.items() <= words.items():
                return EventProof(
                    block_number=found.block_number,
                    transaction_index=found.tx_index,
                    log_index=index,
                    receipt=[_raw(node) for node in found.proof],
                    header=None if found.block_number >= oldest else self._header(found.block_number),
                )
        raise ProofInvalid(f"transaction {found.tx_hash} holds no {spec.name} of this claim version")

    def _receipt(self, tx_hash: str) -> ReceiptProof:
        if tx_hash not in self._receipts:
            self._receipts[tx_hash] = self._client.receipt_proof(tx_hash)
        return self._receipts[tx_hash]

    def _header(self, number: int) -> bytes:
        if number not in self._headers:
            self._headers[number] = self._client.block_header_rlp(number)
        return self._headers[number]


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
