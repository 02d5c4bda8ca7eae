"""Record: a batch's payable results on chain, commitments only, each enforced by the contract.

Sent, then killed before our commit? The contract takes nothing twice, and its event does the rest. What it
refuses is named by its own preview, and goes its own way without holding up the others.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog
from sqlmodel import Session

from engine.chain.batching import in_parts
from engine.chain.contracts import Refusal, Result
from engine.chain.sender import TxRef
from engine.pipeline.context import Context
from engine.pipeline.states import ClaimState, move_claim
from engine.pipeline.tasks import ensure_task, takes_results
from engine.pipeline.touched import touch_others
from engine.pipeline.values import raw, stored
from engine.store import claims, match_tasks, set_offs, tables

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


_CONFIRMED = (
    ClaimState.RECORDED,
    ClaimState.PAID,
    ClaimState.CONFIRMED,
    ClaimState.COVERED,
    ClaimState.RETURNED,
    ClaimState.RECOVERY_DUE,
)
"""What a claim can only have become through its confirmed result."""
log = structlog.get_logger()


_Send = Callable[[str, Sequence[Result]], TxRef]
_Preview = Callable[[str, Sequence[Result]], list[Refusal]]


@dataclass(frozen=True, slots=True)
class _Item:
    claim_id: str
    product: str
    version: int
    result: Result
    came_by: str | None
    """The matching task, if it came by one."""


def record_batch(ctx: Context, batch_id: str) -> int:
    """Put every decided claim of the batch on chain; returns how many this call recorded."""
    with ctx.database.reading() as session:
        items = _items(session, [claim for claim, _ in claims.batch(session, batch_id, ClaimState.DECIDED)])
    return _record(ctx, items)


def record_again(ctx: Context, limit: int) -> int:
    """Put results on chain again that a reorganisation has undone after they were confirmed; how many went.

    That they stand there is for their event to say: until it is confirmed, nothing more is paid on them.
    """
    with ctx.database.reading() as session:
        items = _items(session, claims.off_record(session, _CONFIRMED, limit))
    missing = []
    for item in items:
        standing = ctx.chain.results.version_of(item.result.claim_key)
        if standing == item.version - 1:
            missing.append(item)
        elif standing < item.version:
            log.error("record.earlier_versions_lost", claim_id=item.claim_id, version=item.version)
    return _record(ctx, missing)


def _record(ctx: Context, items: Sequence[_Item]) -> int:
    recorded = 0
    results = ctx.chain.results
    for task_id, mine in _by_task(ctx, items):
        first = [item for item in mine if item.version == 1]
        later = [item for item in mine if item.version > 1 and not _is_recorded(ctx, item)]
        recorded += _record_as(ctx, task_id, first, results.record_batch, results.preview)
        recorded += _record_as(ctx, task_id, later, results.supersede_batch, results.preview_supersession)
    return recorded


def _by_task(ctx: Context, items: Sequence[_Item]) -> Iterator[tuple[str, list[_Item]]]:
    """First versions that came by a matching task under it, as long as it takes them; all others under their
    product's standing task."""
    taken = {task: takes_results(ctx, task) for task in {item.came_by for item in items} if task is not None}
    groups: defaultdict[tuple[str, str], list[_Item]] = defaultdict(list)
    for item in items:
        came_by = item.came_by or ""
        groups[item.product, came_by if item.version == 1 and taken.get(came_by) else ""].append(item)
    for (product, one_off), mine in sorted(groups.items()):
        yield one_off or ensure_task(ctx, product).task_id, mine


def _items(session: Session, found: Sequence[tables.Claim]) -> list[_Item]:
    came_by = match_tasks.tasks_of(session, [claim.claim_id for claim in found])
    return [_item(session, claim, came_by.get(claim.claim_id)) for claim in found]


def _item(session: Session, claim: tables.Claim, came_by: str | None) -> _Item:
    authorization = session.get_one(tables.Authorization, claim.authorization_id)
    result = Result(
        claim_key=raw(claim.claim_key),
        result_digest=raw(claim.result_digest),
        authorization_id=raw(claim.authorization_id),
        subject=raw(authorization.subject),
    )
    return _Item(claim.claim_id, authorization.product, claim.version, result, came_by)


def _is_recorded(ctx: Context, item: _Item) -> bool:
    """Whether this version stands on chain already: the event feed then does the rest."""
    return ctx.chain.results.version_of(item.result.claim_key) >= item.version


def _record_as(ctx: Context, task_id: str, items: Sequence[_Item], send: _Send, preview: _Preview) -> int:
    """Put the items on chain in as few transactions as fit, without those that the contract refuses."""
    recorded = 0
    for part in in_parts([item.result for item in items], lambda some: send(task_id, some)):
        mine, outcome = items[part.start : part.stop], part.outcome
        if isinstance(outcome, TxRef):
            _keep_tx(ctx, mine, task_id, outcome.tx_hash)
            recorded += len(mine)
        elif outcome.error_name == "ItemRefused":
            # Asking for every item's fate costs more than recording: it is asked only when one is refused.
            admitted = _admitted(ctx, mine, preview(task_id, [item.result for item in mine]))
            recorded += _record_as(ctx, task_id, admitted, send, preview)
        else:
            raise outcome
    return recorded


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
    with ctx.database.transaction() as session:
        claim = _claim(claims.by_name(session, item.claim_id, lock=True))
        if claim.state in _CONFIRMED:
            log.error("record.lost_and_refused", claim_id=item.claim_id, reason=code)
            return
        if claim.state != ClaimState.DECIDED:
            return  # the hospital took it back meanwhile
        claim.reasons = [
            {
                "code": code,
                "message_en": "The contract does not take this result.",
                "message_zh": "智能合约拒绝记录该结果。",
            }
        ]
        paid = set_offs.settled_fen(session, stored(claim.id)) > 0
        state = ClaimState.NO_CONSENT if refusal in _CONSENT_REFUSALS and not paid else ClaimState.REVIEW
        move_claim(session, claim, state, actor="contract MatchResultStore", reason=code, clock=ctx.clock)
        touch_others(ctx, session, claim)


def _keep_tx(ctx: Context, items: Sequence[_Item], task_id: str, tx_hash: str) -> None:
    with ctx.database.transaction() as session:
        for item in items:
            claim = _claim(claims.by_name(session, item.claim_id, lock=True))
            if claim.state == ClaimState.DECIDED:
                claim.task_id, claim.record_tx = task_id, tx_hash
                session.add(claim)


def _claim(row: tables.Claim | None) -> tables.Claim:
    if row is None:
        raise LookupError("a claim of the batch is gone")
    return row
