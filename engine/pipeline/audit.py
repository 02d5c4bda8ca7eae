"""For auditors: the evidence of a paid claim, and the chain's events in words."""

from typing import Any

from sqlmodel import Session

from engine.chain.contracts import recorded_version
from engine.chain.events import ChainEvent
from engine.errors import Conflict, NotFound
from engine.evidence.bundle import BundleInput, build_bundle
from engine.evidence.collect import ChainCollector, ClaimOnChain
from engine.evidence.documents import covered_document
from engine.pipeline import consent, feed
from engine.pipeline.claims import known
from engine.pipeline.context import Context
from engine.pipeline.decide import documents_of
from engine.pipeline.page import Page
from engine.pipeline.sealed import claim_salts
from engine.pipeline.states import ClaimState
from engine.pipeline.values import not_erased, raw, stored
from engine.store import access_log as access
from engine.store import claims, match_tasks, set_offs, tables

_BLOCKS_A_PAGE = 2_000


def evidence_bundle(ctx: Context, claim_id: str) -> bytes:
    """The bundle of the version that stands: paid and confirmed on chain, or one that pays nothing more.

    Raises NotFound, Conflict.
    """
    with ctx.database.reading() as session:
        claim = not_erased(known(session, claim_id))
        payout = claims.payout_of(session, stored(claim.id), claim.version)
        covered = claim.state == ClaimState.COVERED and claim.record_tx is not None
        paid = payout is not None and payout.confirm_tx is not None
        if not (covered or paid):
            raise Conflict(
                f"claim {claim_id} is {claim.state}: evidence exists once its payment is confirmed on chain",
                code="evidence.not_yet",
            )
        settlement = session.get_one(tables.Settlement, claim.settlement_id)
        authorization = session.get_one(tables.Authorization, claim.authorization_id)
        by_match = match_tasks.task(session, str(claim.task_id))
        task = by_match or session.get_one(tables.ProcessingTask, claim.task_id)
        on_chain = ClaimOnChain(
            claim_key=raw(claim.claim_key),
            version=claim.version,
            authorization_id=raw(claim.authorization_id),
            scope=raw(authorization.scope),
            task_id=raw(claim.task_id),
            record_tx=str(claim.record_tx),
            confirm_tx=payout.confirm_tx if payout is not None and not covered else None,
        )
        documents = documents_of(ctx, session, claim, settlement)
        payment = payout.payment_document if payout is not None and not covered else None
        if payment is None:
            before = claims.paid_fen(session, stored(claim.id))
            off = set_offs.net_fen(session, stored(claim.id))
            payee = documents.coverage["payee_commitment"]
            payment = covered_document(claim.version, claim.payable_fen, before, payee, off)
        salts = claim_salts(ctx.vault, claim)
        consent_salts = consent.salts_of(ctx, authorization)
    deployment = ctx.chain.deployment
    collector = ChainCollector(ctx.chain, deployment.chain_id, deployment.addresses)
    anchor = ctx.chain.confirmed_block() if claim.reverse_tx is not None else None
    return build_bundle(
        BundleInput(
            claim_key=on_chain.claim_key,
            version=on_chain.version,
            task_id=on_chain.task_id,
            terms_register=task.terms_register,
            documents=documents,
            payment=payment,
            claim_salts=salts,
            authorization_salts=consent_salts,
            chain=collector.collect(on_chain, anchor),
        )
    )


def chain_events(
    ctx: Context,
    claim_key: str | None,
    authorization_id: str | None,
    task_id: str | None,
    from_block: int,
    limit: int,
) -> Page:
    """Decoded events from a block on, filtered; `next` is the block to go on from."""
    named = {"claimKey": claim_key, "authorizationId": authorization_id, "taskId": task_id}
    wanted = {name: value.lower() for name, value in named.items() if value is not None}
    head = ctx.chain.block_number()
    items: list[dict[str, Any]] = []
    first = max(from_block, ctx.chain.deployment.block)
    while first <= head:
        last = min(head, first + _BLOCKS_A_PAGE - 1)
        found = [e for e in ctx.chain.events(first, last) if _matches(e, wanted)]
        for event in found:
            if len(items) >= limit and items[-1]["block_number"] != event.block_number:
                return Page(items, event.block_number)
            items.append(_event_view(event))
        first = last + 1
    return Page(items, None)


def _matches(event: ChainEvent, wanted: dict[str, str]) -> bool:
    """An AuthorizationGranted names its authorization plainly `id`."""
    args = event.args
    if event.contract == "AuthorizationRegistry" and "id" in args:
        args = {**args, "authorizationId": args["id"]}
    return all(str(args.get(name, "")).lower() == value for name, value in wanted.items())


def _event_view(event: ChainEvent) -> dict[str, Any]:
    return {
        "contract": event.contract,
        "event": event.name,
        "args": event.args,
        "block_number": event.block_number,
        "block_hash": event.block_hash,
        "tx_hash": event.tx_hash,
        "log_index": event.log_index,
    }


def access_log(ctx: Context, after: int, limit: int, in_full_for: str | None = None) -> Page:
    """The log in order; every entry's digest chains the one before.

    in_full_for: a principal who sees only what it did itself; of every other entry seq and digest, which is
    enough to check the log's head.
    """
    with ctx.database.reading() as session:
        rows = access.page(session, after, limit)
    items = [
        row.model_dump()
        if in_full_for is None or row.principal == in_full_for
        else {"seq": row.seq, "digest": row.digest}
        for row in rows
    ]
    return Page(items, rows[-1].seq if len(rows) == limit else None)


def trigger_event(ctx: Context, tx_hash: str, log_index: int) -> dict[str, Any]:
    """Handle one event again, by hand: what the feed does on its own. Handled before, it changes nothing.

    Raises NotFound when the transaction is not mined, not confirmed, or has no such event.
    """
    receipt = ctx.chain.request("eth_getTransactionReceipt", [tx_hash])
    if receipt is None:
        raise NotFound(f"the chain holds no transaction {tx_hash}", code="chain.transaction_unknown")
    block = int(receipt["blockNumber"], 16)
    if block > ctx.chain.confirmed_block():
        raise NotFound(f"block {block} is not confirmed yet", code="chain.unconfirmed")
    for event in ctx.chain.events(block, block):
        if (event.tx_hash.lower(), event.log_index) == (tx_hash.lower(), log_index):
            with ctx.database.transaction() as session:
                feed.handle_event(ctx, session, event)
                return {"event": _event_view(event), "payout": _payout(session, event)}
    raise NotFound(f"{tx_hash} has no event of ours at {log_index}", code="chain.event_unknown")


def _payout(session: Session, event: ChainEvent) -> dict[str, Any] | None:
    claim = claims.by_name(session, event.args.get("claimKey", "0x"))
    version = recorded_version(event.args)
    payout = claims.payout_of(session, stored(claim.id), version) if claim else None
    return {"payout_id": payout.payout_id, "state": payout.state} if payout else None
