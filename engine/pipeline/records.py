"""What becomes of the records of a delivery, kept with its mark: accepted, quarantined, waiting or noted."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from engine.errors import AutoclaimError
from engine.pipeline import counting
from engine.pipeline.context import Context
from engine.pipeline.keeping import arrival, keep
from engine.pipeline.quarantine import keep_refused, listed, setl_id_of
from engine.pipeline.sources import tally
from engine.pipeline.values import stored
from engine.settlement import BodyRefused, SettlementInvalid, Violation, read_submission
from engine.settlement.sources.assembly import merge
from engine.settlement.sources.record import Record
from engine.settlement.sources.verdict import errors_of, stated_errors
from engine.store import deliveries, quality, settlements
from engine.store.deliveries import DeliveredBody, DeliveredRecord, Delivery, Reading, Tallied

_BESIDE = ("waiting", "noted")
"""Outcomes of what is no settlement; all others are counted where the settlement is kept."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A record with its place in the delivery, from 1."""

    ordinal: int
    record: Record


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one record."""

    ordinal: int
    place: str
    kind: str
    outcome: str
    setl_id: str | None = None
    claim_id: str | None = None
    code: str | None = None
    quarantine_id: int | None = None
    errors: Sequence[dict[str, Any]] = ()


def keep_records(
    ctx: Context, session: Session, delivery: Delivery, reading: Reading, records: Sequence[Numbered]
) -> list[Told]:
    """Keep a chunk of one reading, in order; what became of each is marked in the same transaction."""
    chunk = _Chunk(ctx, session, delivery)
    for numbered in records:
        chunk.take(numbered)
    told = chunk.settle()
    names = {(delivery.hospital_code, one.setl_id) for one in told if one.claim_id and one.setl_id}
    ids = settlements.row_ids(session, names) if names else {}
    for one in told:
        mark(session, reading, one, ids.get((delivery.hospital_code, one.setl_id or "")))
    at = ctx.clock()
    of = (delivery.hospital_code, delivery.source)
    for what, seen in (("unmapped", chunk.unmapped), ("dropped", chunk.dropped)):
        tally(session, Tallied(*of, reading.mapping_number, what), seen, at)
    beside = Counter(one.outcome for one in told if one.outcome in _BESIDE)
    counts = [counting.outcome(outcome, number) for outcome, number in beside.items()]
    whose = counting.of(ctx, *of, at)
    quality.add(session, counting.merged((whose, one) for one in counts))
    return told


def mark(session: Session, reading: Reading, told: Told, settlement_id: int | None) -> None:
    session.add(
        DeliveredRecord(
            reading_id=stored(reading.id),
            ordinal=told.ordinal,
            place=told.place,
            kind=told.kind,
            outcome=told.outcome,
            code=told.code,
            setl_id=told.setl_id,
            settlement_id=settlement_id,
            quarantined_id=told.quarantine_id,
        )
    )


class _Chunk:
    """Records of one chunk under way."""

    def __init__(self, ctx: Context, session: Session, delivery: Delivery) -> None:
        self._ctx, self._session, self._delivery = ctx, session, delivery
        self._register = ctx.hospital_register()
        self._told: dict[int, Told] = {}
        self._arrived: list[tuple[Numbered, Any]] = []
        self.unmapped: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()

    def take(self, one: Numbered) -> None:
        record = one.record
        self.unmapped.update(f"{code.dictionary}/{code.local}" for code in record.unmapped)
        self.dropped.update(record.dropped)
        if record.kind == "settlement":
            self._accept(one, record)
        elif errors := errors_of(record):
            self._quarantine(one, body_bytes(record.body), errors)
        else:
            self._keep_body(one)
            if record.kind == "reconciliation":
                self._keep_statement(record)
            if record.kind == "part":
                self._try_stay(one)
            else:
                self._say(one, "noted")

    def settle(self) -> list[Told]:
        """Write what arrived; everything that was told, in order."""
        outcomes = keep(self._session, [arrived for _, arrived in self._arrived])
        for (one, _), outcome in zip(self._arrived, outcomes, strict=True):
            if isinstance(outcome, AutoclaimError):
                self._say(one, "refused", code=outcome.code, setl_id=_setl_id(one.record))
            else:
                self._say(one, "accepted", setl_id=outcome.setl_id, claim_id=outcome.claim_id)
        return [self._told[ordinal] for ordinal in sorted(self._told)]

    def _accept(self, one: Numbered, whole: Record) -> None:
        """Held to the rules where it is read, once; all that is wrong is looked for where something is.
        The hospital it names is the one whose mapping read it."""
        raw = body_bytes(whole.body)
        errors: Sequence[Violation] = stated_errors(whole)
        if not errors:
            try:
                submission = read_submission(raw, self._register)
            except (BodyRefused, SettlementInvalid) as error:
                errors = error.violations  # as a body it may be too large to be one
            else:
                self._arrived.append((one, arrival(self._ctx, raw, submission, self._delivery.source)))
                return
        self._quarantine(one, raw, errors_of(whole) or errors)

    def _try_stay(self, one: Numbered) -> None:
        """The settlement of a stay of which everything has come; until then its parts wait."""
        of = (self._delivery.hospital_code, self._delivery.source)
        rows = deliveries.parts_of(self._session, *of, one.record.key)
        parts = [self._part(row) for row in rows]
        whole = merge(parts) if any(part.closes for part in parts) else None
        if whole is None or not whole.body.get("feedetail"):
            self._say(one, "waiting")
        else:
            self._accept(one, whole)

    def _part(self, row: DeliveredBody) -> Record:
        body = self._ctx.vault.unseal_json(row.body_sealed, _place(row.delivery_id, row.ordinal))
        return Record(kind="part", place=row.place, body=body, key=row.key, closes=row.closes)

    def _keep_body(self, one: Numbered) -> None:
        record, delivery = one.record, self._delivery
        row = DeliveredBody(
            delivery_id=delivery.delivery_id,
            ordinal=one.ordinal,
            hospital_code=delivery.hospital_code,
            source=delivery.source,
            kind=record.kind,
            key=record.key,
            closes=record.closes,
            place=record.place,
            body_sealed=self._ctx.vault.seal(
                body_bytes(record.body), _place(delivery.delivery_id, one.ordinal)
            ),
        )
        self._session.merge(row)
        self._session.flush()

    def _keep_statement(self, record: Record) -> None:
        statement = counting.day_statement(self._delivery, record.body, self._ctx.clock())
        if statement is not None:
            quality.state_day(self._session, statement)

    def _quarantine(self, one: Numbered, raw: bytes, violations: Sequence[Violation]) -> None:
        of = (self._delivery.hospital_code, raw, violations, self._delivery.source)
        number = keep_refused(self._ctx, self._session, *of)
        setl_id = _setl_id(one.record)
        self._say(one, "quarantined", setl_id=setl_id, quarantine_id=number, errors=listed(violations))

    def _say(self, one: Numbered, outcome: str, **more: Any) -> None:
        self._told[one.ordinal] = Told(one.ordinal, one.record.place, one.record.kind, outcome, **more)


def body_bytes(body: dict[str, Any]) -> bytes:
    """One spelling of a body: the same record is the same bytes in every reading."""
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _setl_id(record: Record) -> str | None:
    return setl_id_of(record.body)


def _place(delivery_id: str, ordinal: int) -> str:
    return f"delivered_body/{delivery_id}/{ordinal}"
