"""Record: a batch's payable results on chain, commitments only, each enforced by the contract.

Sent, then killed before our commit? The contract takes nothing twice, and its event does the rest. What it
refuses is named by its own preview, and goes its own way without holding up the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.chain.contracts import Refusal, Result
from engine.chain.errors import ContractRefused
from engine.chain.sender import TxRef
from engine.pipeline.context import Context
from engine.pipeline.states import ClaimState, move_claim
from engine.pipeline.tasks import ensure_task
from engine.pipeline.values import raw
from engine.store import claims, tables

ACTOR = "engine: record"
_CONSENT_REFUSALS = frozenset(
    {
        Refusal.AUTHORIZATION_UNKNOWN,
        Refusal.AUTHORIZATION_REVOKED,
        Refusal.AUTHORIZATION_NOT_YET_GRANTED,
        Refusal.AUTHORIZATION_EXPIRED,
        Refusal.AUTHORIZATION_OUT_OF_SCOPE,
        Refusal.AUTHORIZATION_OTHER_SUBJECT,
    }
)


_Send = Callable[[str, Sequence[Result]], TxRef]
_Preview = Callable[[str, Sequence[Result]], list[Refusal]]


@dataclass(frozen=True, slots=True)
class _Item:
    claim_id: str
    product: str
    version: int
    result: Result


def record_batch(ctx: Context, batch_id: str) -> int:
    """Put every decided claim of the batch on chain; returns how many this call recorded."""
    waiting = _waiting(ctx, batch_id)
    recorded = 0
    for product in sorted({item.product for item in waiting}):
        task = ensure_task(ctx, product)
        mine = [item for item in waiting if item.product == product]
        first = [item for item in mine if item.version == 1]
        later = [item for item in mine if item.version > 1 and not _is_recorded(ctx, item)]
        results = ctx.chain.results
        recorded += _record(ctx, task.task_id, first, results.record_batch, results.preview)
        recorded += _record(ctx, task.task_id, later, results.supersede_batch, results.preview_supersession)
    return recorded


def _waiting(ctx: Context, batch_id: str) -> list[_Item]:
    with ctx.database.reading() as session:
        items = []
        for claim, _ in claims.batch(session, batch_id, ClaimState.DECIDED):
            authorization = session.get_one(tables.Authorization, claim.authorization_id)
            result = Result(
                claim_key=raw(claim.claim_key),
                result_digest=raw(claim.result_digest),
                authorization_id=raw(claim.authorization_id),
                subject=raw(authorization.subject),
            )
            items.append(_Item(claim.claim_id, authorization.product, claim.version, result))
        return items


def _is_recorded(ctx: Context, item: _Item) -> bool:
    """Whether this version stands on chain already: the event feed then does the rest."""
    return ctx.chain.results.version_of(item.result.claim_key) >= item.version


def _record(ctx: Context, task_id: str, items: Sequence[_Item], send: _Send, preview: _Preview) -> int:
    """Put the items on chain together, without those that the contract refuses; returns how many."""
    if not items:
        return 0
    results = [item.result for item in items]
    try:
        sent = send(task_id, results)
    except ContractRefused as error:
        if error.error_name != "ItemRefused":
            raise
        # Asking for every item's fate costs more than recording: it is asked only when one is refused.
        admitted = _admitted(ctx, items, preview(task_id, results))
        return _record(ctx, task_id, admitted, send, preview)
    _keep_tx(ctx, items, task_id, sent.tx_hash)
    return len(items)


def _admitted(ctx: Context, items: Sequence[_Item], refusals: Sequence[Refusal]) -> list[_Item]:
    admitted = []
    for item, refusal in zip(items, refusals, strict=True):
        if refusal is Refusal.NONE:
            admitted.append(item)
        elif refusal not in (Refusal.ALREADY_RECORDED, Refusal.RESULT_UNCHANGED):
            # Those two are by a call that was killed before its commit: the event feed does the rest.
            _turn_away(ctx, item, refusal)
    return admitted


def _turn_away(ctx: Context, item: _Item, refusal: Refusal) -> None:
    code = f"record.{refusal.name.lower()}"
    state = ClaimState.NO_CONSENT if refusal in _CONSENT_REFUSALS else ClaimState.REVIEW
    with ctx.database.transaction() as session:
        claim = _claim(claims.by_name(session, item.claim_id, lock=True))
        if claim.state != ClaimState.DECIDED:
            return  # the hospital took it back meanwhile
        claim.reasons = [
            {
                "code": code,
                "message_en": "The contract does not take this result.",
                "message_zh": "智能合约拒绝记录该结果。",
            }
        ]
        move_claim(session, claim, state, actor="contract MatchResultStore", reason=code, clock=ctx.clock)


def _keep_tx(ctx: Context, items: Sequence[_Item], task_id: str, tx_hash: str) -> None:
    with ctx.database.transaction() as session:
        for item in items:
            claim = _claim(claims.by_name(session, item.claim_id))
            claim.task_id, claim.record_tx = task_id, tx_hash
            session.add(claim)


def _claim(row: tables.Claim | None) -> tables.Claim:
    if row is None:
        raise LookupError("a claim of the batch is gone")
    return row
