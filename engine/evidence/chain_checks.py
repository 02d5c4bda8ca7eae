"""The steps about the chain: is it one chain, who vouches for it, what does its state say."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from engine.evidence.anchors import CONTRACTS, Anchor
from engine.evidence.bundle import Bundle, EventProof
from engine.evidence.consent import GrantPaper
from engine.evidence.errors import ProofInvalid
from engine.evidence.events import PAYOUT_CONFIRMED, EventSpec, read_event, result_event
from engine.evidence.layout import Slots, slots_of
from engine.evidence.manifest import hex32
from engine.evidence.mpt import Header, decode_header, prove_account, prove_receipt, prove_slot
from engine.evidence.report import Unsettled

Words = dict[str, dict[str, bytes]]
"""Contract -> name of the word -> its 32 bytes in the anchor's state."""


@dataclass(frozen=True, slots=True)
class EventFacts:
    """A proven log. linked: its block is the anchor or an ancestor shown by headers in the bundle."""

    words: Mapping[str, bytes]
    header: Header
    linked: bool


def check_headers(bundle: Bundle) -> tuple[str, list[Header]]:
    """Each header must be the parent of the next. Returns them with the anchor last."""
    headers = [decode_header(raw) for raw in bundle.chain.headers]
    for parent, child in pairwise(headers):
        if child.parent_hash != parent.hash or child.number != parent.number + 1:
            raise ProofInvalid(f"block {child.number} is not the child of block {parent.number}")
    first, anchor = headers[0], headers[-1]
    span = f"blocks {first.number} to {anchor.number}" if len(headers) > 1 else f"block {anchor.number}"
    return f"{span}; anchor {hex32(anchor.hash)}", headers


def check_anchor(bundle: Bundle, header: Header, anchor: Anchor) -> tuple[str, None]:
    """Somebody who is trusted must name the anchor's hash: the auditor's own note, or the list of blocks."""
    if anchor.block_hash is not None:
        if anchor.block_hash != header.hash:
            raise ProofInvalid(
                f"the bundle stands on block {header.number} {hex32(header.hash)}, "
                f"the trusted hash is {hex32(anchor.block_hash)}"
            )
        return f"block {header.number} has the trusted hash", None
    same = [b for b in anchor.blocks if (b.chain_id, b.number) == (bundle.chain.chain_id, header.number)]
    for block in same:
        if block.hash == hex32(header.hash):
            return f"block {header.number} is trusted since {block.added_at} ({block.source})", None
    if same:
        raise ProofInvalid(
            f"block {header.number} is {hex32(header.hash)}, the trusted one is {same[0].hash}"
        )
    raise Unsettled(
        f"nothing here vouches for block {header.number} {hex32(header.hash)} "
        f"of chain {bundle.chain.chain_id}: "
        "give --rpc URL of a node of that chain, or --block-hash from a source you trust",
        needed=True,
    )


def check_contracts(bundle: Bundle, anchor: Anchor) -> tuple[str, None]:
    """The addresses must be the pool's: on a shared chain anybody can deploy look-alikes."""
    given = {name: "0x" + getattr(bundle.chain.contracts, name).hex() for name in CONTRACTS}
    known = [entry for entry in anchor.deployments if entry.chain_id == bundle.chain.chain_id]
    if not known:
        raise Unsettled(
            "no trusted deployment for this chain: compare with the published one: "
            + ", ".join(f"{name} {address}" for name, address in given.items()),
            needed=False,
        )
    for entry in known:
        if {name: entry.contracts.get(name, "").lower() for name in CONTRACTS} == given:
            return f"the deployment trusted since {entry.added_at} ({entry.source})", None
    raise ProofInvalid(f"not a trusted deployment of chain {bundle.chain.chain_id}: {given}")


def check_state(bundle: Bundle, anchor: Header, grant: GrantPaper) -> tuple[str, Words]:
    """Account and storage proofs against the anchor's state root: exactly the slots that evidence needs."""
    wanted: Slots = slots_of(bundle.claim_key, bundle.version, grant.id, grant.scope, bundle.task_id)
    if set(bundle.chain.state) != set(wanted):
        raise ProofInvalid(f"state: expected proofs of {sorted(wanted)}, found {sorted(bundle.chain.state)}")
    words: Words = {}
    for name, slots in wanted.items():
        proof = bundle.chain.state[name]
        if set(proof.slots) != set(slots):
            raise ProofInvalid(f"state of {name}: expected {sorted(slots)}, found {sorted(proof.slots)}")
        account = prove_account(anchor.state_root, getattr(bundle.chain.contracts, name), proof.account)
        words[name] = {
            word: prove_slot(account.storage_root, slot, proof.slots[word]) for word, slot in slots.items()
        }
    return f"{sum(map(len, words.values()))} words of {len(words)} contracts at block {anchor.number}", words


def prove_recorded(bundle: Bundle, headers: list[Header]) -> tuple[str, EventFacts]:
    return _prove_event(bundle, headers, result_event(bundle.version), bundle.chain.recorded)


def prove_confirmed(bundle: Bundle, headers: list[Header], proof: EventProof) -> tuple[str, EventFacts]:
    return _prove_event(bundle, headers, PAYOUT_CONFIRMED, proof)


def _prove_event(
    bundle: Bundle, headers: list[Header], spec: EventSpec, proof: EventProof
) -> tuple[str, EventFacts]:
    among = next((header for header in headers if header.number == proof.block_number), None)
    if (among is None) == (proof.header is None):
        raise ProofInvalid(
            f"{spec.name}: its block must be among the headers or given with it, one of the two"
        )
    header = among if proof.header is None else decode_header(proof.header)
    if header is None or header.number != proof.block_number:
        raise ProofInvalid(f"{spec.name}: the header given with it is of another block")
    if header.number > headers[-1].number:
        raise ProofInvalid(f"{spec.name}: block {header.number} is after the anchor")
    receipt = prove_receipt(header.receipts_root, proof.transaction_index, proof.receipt)
    address: bytes = getattr(bundle.chain.contracts, spec.contract)
    words = read_event(spec, receipt, proof.log_index, address)
    where = (
        f"{spec.name} in block {header.number}, transaction {proof.transaction_index}, log {proof.log_index}"
    )
    return where, EventFacts(words=words, header=header, linked=among is not None)
