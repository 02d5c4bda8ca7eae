"""Settlements in: read, checked, kept, acknowledged after the commit.

A refused body is kept too, in quarantine with its reasons, until its correction is accepted.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from engine.errors import AutoclaimError, NotAllowed, NotFound
from engine.pipeline import counting
from engine.pipeline.context import Context
from engine.pipeline.keeping import Accepted, Arrival, arrival, keep
from engine.pipeline.page import Page
from engine.pipeline.quarantine import refused
from engine.pipeline.reading import read_or_none
from engine.settlement import (
    BodyRefused,
    SettlementInvalid,
    Submission,
    read_submission,
)
from engine.settlement.hospitals import HospitalRegister
from engine.store import quality, settlements, tables

Outcome = AutoclaimError | Future[Accepted]


def accept_settlement(ctx: Context, hospital_code: str, raw: bytes) -> Accepted:
    """Check and keep one native settlement; returns after the commit.

    Raises Refused with every violation (and keeps the body in quarantine), NotAllowed when it is
    another hospital's, Conflict when its setl_id is held with other content.
    """
    submission = _read(ctx, hospital_code, raw, ctx.hospital_register())
    accepted: Accepted = ctx.writer.submit_to(keep, arrival(ctx, raw, submission)).result()
    return accepted


def arrived(ctx: Context, hospital_code: str, raw: bytes) -> Arrival | None:
    """A settlement that may be handed to `keep`; None where `accept_settlement` would refuse it."""
    submission = read_or_none(raw, ctx.hospital_register())
    if submission is None or submission.hospital_code != hospital_code:
        return None
    return arrival(ctx, raw, submission)


def accept_batch(
    ctx: Context, hospital_code: str, raws: Sequence[bytes]
) -> Iterator[Accepted | AutoclaimError]:
    """`accept_settlement` for each, many in one commit; one outcome an item, in order, as it is kept."""
    kept: list[Outcome] = []
    for chunk, read in ctx.readers.read(raws, ctx.hospital_register().only(hospital_code)):
        # Handed over together, so that the writer finds them in one group; the next are read meanwhile.
        now = [_begun(ctx, hospital_code, raw, one) for raw, one in zip(chunk, read, strict=True)]
        yield from map(_outcome, kept)
        kept = now
    yield from map(_outcome, kept)


def _begun(ctx: Context, hospital_code: str, raw: bytes, read: Submission | None) -> Outcome:
    if read is None or read.hospital_code != hospital_code:
        try:
            read = _read(ctx, hospital_code, raw, ctx.hospital_register())
        except AutoclaimError as error:
            return error
    return ctx.writer.submit_to(keep, arrival(ctx, raw, read))


def _outcome(begun: Outcome) -> Accepted | AutoclaimError:
    try:
        return begun if isinstance(begun, AutoclaimError) else begun.result()
    except AutoclaimError as error:
        return error


def _read(ctx: Context, hospital_code: str, raw: bytes, register: HospitalRegister) -> Submission:
    try:
        submission = read_submission(raw, register)
    except (BodyRefused, SettlementInvalid) as error:
        raise refused(ctx, hospital_code, raw, error.violations) from error
    if submission.hospital_code != hospital_code:
        other = NotAllowed(
            "/setlinfo/fixmedins_code is not the hospital that signed this message",
            code="settlement.other_hospital",
        )
        of = counting.of(ctx, hospital_code, counting.NATIVE, ctx.clock())
        ctx.writer.run(lambda session: quality.add(session, {of: counting.refused(other.code)}))
        raise other
    return submission


def settlement_view(ctx: Context, hospital_code: str, setl_id: str) -> dict[str, Any]:
    """What a hospital may see of its own settlement. Raises NotFound."""
    with ctx.database.reading() as session:
        held = settlements.by_setl_id(session, hospital_code, setl_id)
    if held is None:
        raise NotFound(f"this hospital has sent no settlement {setl_id}", code="settlement.unknown")
    return _view(*held)


def list_settlements(ctx: Context, hospital_code: str, after: int, limit: int) -> Page:
    with ctx.database.reading() as session:
        rows = settlements.page(session, hospital_code, after, limit)
    return Page([_view(*row) for row in rows], rows[-1][0].id if len(rows) == limit else None)


def _view(settlement: tables.Settlement, claim: tables.Claim) -> dict[str, Any]:
    return {
        "setl_id": settlement.setl_id,
        "claim_id": claim.claim_id,
        "state": claim.state,
        "received_at": settlement.received_at,
        "updated_at": claim.updated_at,
    }
