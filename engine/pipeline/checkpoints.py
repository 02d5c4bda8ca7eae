"""Checkpoints: a head of the access log, co-signed by who watches it, put on chain.

A proposal is a pure function of the log and of the chain's latest checkpoint, so nothing of it is kept: a
witness names the size it signs, however long it took to look at the log. The first signature of a hospital or
an auditor makes a checkpoint; the engine adds its own after it has checked the same, and the dispatcher sends
both. Sent, then killed before our commit? The chain's latest checkpoint says so.
"""

from dataclasses import dataclass
from typing import Any

import structlog
from eth_utils.address import to_checksum_address
from sqlmodel import Session

from engine.chain import eip712
from engine.chain.contracts import CoSignature
from engine.chain.eip712 import LogHead
from engine.chain.errors import ContractRefused
from engine.chain.keys import WITNESS
from engine.errors import Conflict, Refused
from engine.evidence.manifest import hex32
from engine.evidence.merkle_log import verify_consistency
from engine.pipeline.context import Context
from engine.pipeline.log_tree import LogTree, extend
from engine.pipeline.settings import WITNESS_ROLES
from engine.pipeline.values import raw
from engine.store import checkpoints as store
from engine.store.access_log import LogBroken
from engine.store.checkpoints import (
    OPEN,
    OVERTAKEN,
    RECORDED,
    REFUSED,
    Checkpoint,
    CheckpointSignature,
)

KINDS = {"engine": "ENGINE_WITNESS_ROLE", **WITNESS_ROLES}
"""Kind of witness -> its role on chain. Two different kinds make a checkpoint."""
_TOO_FEW = "TooFewWitnesses"
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Proposal:
    """`head` extends `previous`, the chain's latest checkpoint, by that proof (RFC 9162, 2.1.4)."""

    head: LogHead
    previous: LogHead
    consistency: list[bytes]
    typed_data: eip712.TypedData


def propose(ctx: Context, size: int | None = None) -> Proposal | None:
    """The log at `size`, or as it is now, to follow the chain's latest checkpoint; None: nothing new to say.

    Where a witness has signed a size already, that size is proposed again, for another one to join.
    Raises Conflict where the log does not extend what is on chain, or is not as it was written.
    """
    previous = ctx.chain.results.latest_checkpoint()
    with ctx.database.reading() as session:
        tree = LogTree(session)
        if previous.size > tree.entries:
            raise Conflict(
                f"the checkpoint on chain covers {previous.size} entries, the log has {tree.entries}",
                code="checkpoint.beyond_log",
            )
        wanted = _joinable(session, previous) or tree.size if size is None else size
        if not previous.size < wanted <= tree.size:
            return None
        try:
            head, proof = tree.head(wanted), tree.consistency_proof(previous.size, wanted)
        except LogBroken as broken:
            raise Conflict(str(broken), code="access_log.broken") from broken
    if not verify_consistency(previous.size, previous.root, head.size, head.root, proof):
        raise Conflict(
            f"the log's first {previous.size} entries are not those of the checkpoint on chain",
            code="checkpoint.other_log",
        )
    results = ctx.chain.results
    typed = eip712.checkpoint_typed_data(head, previous, chain_id=ctx.chain.chain_id, store=results.address)
    return Proposal(head, previous, proof, typed)


def _joinable(session: Session, previous: LogHead) -> int | None:
    """The largest size that was signed to follow `previous` and is not on chain, or not any more: after a
    reorganisation, what was recorded is signed and sent again.
    """
    signed = store.following(session, previous.size, hex32(previous.root))
    return signed[-1].size if signed else None


def view(ctx: Context) -> dict[str, Any]:
    """The latest checkpoint on chain, and the one that could follow it. Raises Conflict."""
    latest = ctx.chain.results.latest_checkpoint()
    proposal = propose(ctx)
    with ctx.database.reading() as session:
        row = store.recorded(session, latest.size, hex32(latest.root))
        latest_view = _head_view(latest) | {
            "tx_hash": row.tx_hash if row else None,
            "signed_by": _signers(session, row),
        }
        if proposal is None:
            return {"latest": latest_view, "proposal": None}
        row = session.get(Checkpoint, (proposal.head.size, proposal.previous.size))
        return {
            "latest": latest_view,
            "proposal": _head_view(proposal.head)
            | {
                "previous": _head_view(proposal.previous),
                "consistency": [hex32(node) for node in proposal.consistency],
                "typed_data": eip712.as_json(proposal.typed_data),
                "signed_by": _signers(session, row),
            },
        }


def co_sign(ctx: Context, size: int, signer: str, signature: str) -> dict[str, Any]:
    """Keep a witness's signature over the log at `size`; the contract itself says before whether it counts.

    The same again answers the same. Raises Conflict `checkpoint.overtaken` where another checkpoint came
    first, Refused with the contract's own word where this one would not be taken.
    """
    proposal, signer = propose(ctx, size), to_checksum_address(signer)
    if proposal is None:
        again = _recorded_by(ctx, size, signer)
        if again is not None:
            return again
        raise Conflict(
            f"no checkpoint of {size} entries can follow the one on chain: ask for the proposal anew",
            code="checkpoint.overtaken",
        )
    kind = next((kind for kind, role in KINDS.items() if ctx.chain.results.has_role(role, signer)), None)
    if kind is None:
        raise _refused("/signer", "NotAWitness", f"{signer} holds none of the witnesses' roles")
    given = CoSignature(signer, raw(signature))
    signed = [(kind, given), *_own(ctx, proposal)]
    _check(ctx, proposal, [one for _, one in signed])

    def keep(session: Session) -> dict[str, Any]:
        row = _kept(ctx, session, proposal)
        for who, one in signed:
            session.merge(_signature_row(ctx, row, who, one))
        session.flush()
        return _kept_view(session, row)

    return ctx.writer.run(keep)


def _own(ctx: Context, proposal: Proposal) -> list[tuple[str, CoSignature]]:
    """The engine's own signature, over what `propose` has just verified; none where it is no witness."""
    address = ctx.chain.roles[WITNESS]
    if not ctx.chain.results.has_role(KINDS["engine"], address):
        return []
    return [("engine", CoSignature(address, ctx.chain.sign(WITNESS, proposal.typed_data)))]


def _check(ctx: Context, proposal: Proposal, signatures: list[CoSignature]) -> None:
    try:
        ctx.chain.results.check_checkpoint(proposal.head, proposal.consistency, signatures)
    except ContractRefused as error:
        # A witness by itself is kept until one of another kind joins.
        if error.error_name != _TOO_FEW:
            raise _refused("/signature", error.error_name, str(error)) from error


def _refused(field: str, rule: str, message: str) -> Refused:
    return Refused(
        "checkpoint.refused",
        "the contract would not take this signature",
        [{"field": field, "rule": rule, "message": message}],
    )


def record_signed(ctx: Context) -> int:
    """Put on chain what enough witnesses have signed; returns how many checkpoints were dealt with.

    Idempotent: what stands on chain already is noted, not sent again.
    """
    with ctx.database.reading() as session:
        waiting = [(row, store.signatures(session, row)) for row in store.in_state(session, OPEN)]
    return sum(_record(ctx, row, signed) for row, signed in waiting)


def advance(ctx: Context) -> int:
    """One round of the dispatcher: new entries into the tree, signed checkpoints onto the chain."""
    return extend(ctx.database) + record_signed(ctx)


def _record(ctx: Context, row: Checkpoint, signed: Any) -> bool:
    results = ctx.chain.results
    head, latest = LogHead(row.size, raw(row.root)), results.latest_checkpoint()
    if latest == head:
        return _settle(ctx, row, RECORDED, results.checkpoint_transaction(head, ctx.chain.deployment.block))
    if latest != _previous_of(row):
        return _settle(ctx, row, OVERTAKEN)
    if len({one.kind for one in signed}) < 2:
        return False
    with ctx.database.reading() as session:
        proof = LogTree(session).consistency_proof(row.previous_size, row.size)
    signatures = [CoSignature(one.signer, raw(one.signature)) for one in signed]
    try:
        sent = results.record_checkpoint(head, proof, signatures)
    except ContractRefused as error:
        if results.latest_checkpoint() != latest:
            return True  # another came in between, or ours did, by an earlier send: the next round tells
        log.exception("checkpoint.refused", size=row.size, reason=error.error_name)
        return _settle(ctx, row, REFUSED)
    log.info("checkpoint.recorded", size=row.size, root=row.root, tx=sent.tx_hash)
    return _settle(ctx, row, RECORDED, sent.tx_hash)


def _settle(ctx: Context, row: Checkpoint, state: str, tx_hash: str | None = None) -> bool:
    with ctx.database.transaction() as session:
        kept = session.get_one(Checkpoint, (row.size, row.previous_size))
        kept.state, kept.tx_hash = state, tx_hash
        session.add(kept)
    return True


def _recorded_by(ctx: Context, size: int, signer: str) -> dict[str, Any] | None:
    """The recorded checkpoint of that size, if this witness signed it: a repeat after a lost answer."""
    latest = ctx.chain.results.latest_checkpoint()
    with ctx.database.reading() as session:
        row = store.recorded(session, size, hex32(latest.root)) if latest.size == size else None
        if row is None or signer not in {one.signer for one in store.signatures(session, row)}:
            return None
        return _kept_view(session, row)


def _previous_of(row: Checkpoint) -> LogHead:
    return LogHead(row.previous_size, raw(row.previous_root))


def _kept(ctx: Context, session: Session, proposal: Proposal) -> Checkpoint:
    """The proposal's row, open: `propose` has just seen that it is not on chain, whatever was noted before.

    It may have been refused by roles that have changed since, or undone by a reorganisation.
    """
    row = session.get(Checkpoint, (proposal.head.size, proposal.previous.size)) or Checkpoint(
        size=proposal.head.size,
        previous_size=proposal.previous.size,
        root=hex32(proposal.head.root),
        previous_root=hex32(proposal.previous.root),
        state=OPEN,
        signed_at=ctx.clock(),
    )
    row.state, row.tx_hash = OPEN, None
    session.add(row)
    session.flush()
    return row


def _signature_row(ctx: Context, row: Checkpoint, kind: str, signed: CoSignature) -> CheckpointSignature:
    return CheckpointSignature(
        size=row.size,
        previous_size=row.previous_size,
        signer=signed.signer,
        kind=kind,
        signature="0x" + signed.signature.hex(),
        received_at=ctx.clock(),
    )


def _head_view(head: LogHead) -> dict[str, Any]:
    return {"size": head.size, "root": hex32(head.root)}


def _kept_view(session: Session, row: Checkpoint) -> dict[str, Any]:
    return {
        "size": row.size,
        "root": row.root,
        "state": row.state,
        "tx_hash": row.tx_hash,
        "signed_by": _signers(session, row),
    }


def _signers(session: Session, row: Checkpoint | None) -> list[dict[str, str]]:
    if row is None:
        return []
    return [{"kind": one.kind, "signer": one.signer} for one in store.signatures(session, row)]
