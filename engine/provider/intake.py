"""Settlements in, from the hospital's own systems: the rules of the insurer's intake, kept here."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session, col, select

from engine.errors import Conflict, NotAllowed, Refused
from engine.evidence.documents import settlement_document
from engine.evidence.salts import ClaimSalts
from engine.provider import tables
from engine.provider.ask import new_question
from engine.provider.node import Node
from engine.provider.sealed import place
from engine.provider.states import DischargeState
from engine.settlement import BodyRefused, SettlementInvalid, Submission, read_submission
from engine.store.inserting import insert_on

_MOST_FRESH = 1_000
_BEGUN_WITHIN = timedelta(seconds=5)
"""By the process that took it in, from memory; after that by whichever finds it kept."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The acknowledgement; the same settlement again gets the same."""

    setl_id: str
    received_at: datetime


def accept(node: Node, raw: bytes) -> Kept:
    """Check and keep one native settlement; returns after the commit.

    Raises Refused with every violation (and keeps the body), NotAllowed for a hospital that is not this
    node's, Conflict when its setl_id is held with other content.
    """
    try:
        submission = read_submission(raw, node.register)
    except (BodyRefused, SettlementInvalid) as error:
        raise _refused(node, raw, error) from error
    if submission.hospital_code not in node.settings.hospital_codes:
        raise NotAllowed(
            "/setlinfo/fixmedins_code is no hospital of this node's", code="settlement.other_hospital"
        )
    new = _row(node, raw, submission)
    question = new_question(node, new.hospital_code, new.setl_id)
    kept = node.writer.run(lambda session: _keep(session, new, question))
    if new.id is not None and node.settings.online and len(node.fresh) < _MOST_FRESH:
        node.unasked[new.id], node.fresh[new.id] = question.commitment, new
        node.taken_in()
    return kept


def _row(node: Node, raw: bytes, submission: Submission) -> tables.Discharge:
    code, setl_id, now = submission.hospital_code, submission.setl_id, node.clock()
    salts = ClaimSalts.generate(node.rng)
    document = settlement_document(submission.document, salts)
    return tables.Discharge(
        hospital_code=code,
        setl_id=setl_id,
        content_digest=submission.digest.hex(),
        body_sealed=node.vault.seal(raw, place("body", code, setl_id)),
        document_sealed=node.vault.seal_json(document, place("document", code, setl_id)),
        salts_sealed=node.vault.seal_json(salts.to_hex(), place("salts", code, setl_id)),
        admitted_on=submission.admitted_on,
        discharged_on=submission.discharged_on,
        received_at=now,
        state=DischargeState.KEPT,
        not_before=now + _BEGUN_WITHIN,
    )


def _keep(session: Session, new: tables.Discharge, question: tables.Question) -> Kept:
    connection = session.connection()
    kept = connection.execute(_keeping(session.get_bind().dialect.name), new.model_dump(exclude={"id"}))
    new.id = kept.scalar()
    if new.id is not None:
        question.discharge_id = new.id
        connection.execute(_QUESTION, question.model_dump())
        return Kept(new.setl_id, new.received_at)
    held = _held(session, new.hospital_code, new.setl_id)
    if held.content_digest != new.content_digest:
        raise Conflict(
            f"/setlinfo/setl_id: {new.setl_id} is held with other content", code="settlement.conflict"
        )
    return Kept(held.setl_id, held.received_at)


# What every discharge runs is made once: making it costs more than running it.
_QUESTION = insert(tables.Question)


@cache
def _keeping(dialect: str) -> Any:
    return insert_on(dialect, tables.Discharge).on_conflict_do_nothing().returning(col(tables.Discharge.id))


def _held(session: Session, hospital_code: str, setl_id: str) -> tables.Discharge:
    held = by_setl_id(session, hospital_code, setl_id)
    if held is None:
        raise LookupError("what was held is gone")
    return held


def by_setl_id(session: Session, hospital_code: str, setl_id: str) -> tables.Discharge | None:
    table = tables.Discharge
    return session.exec(
        select(table).where(table.hospital_code == hospital_code, table.setl_id == setl_id)
    ).one_or_none()


def _refused(node: Node, raw: bytes, error: BodyRefused | SettlementInvalid) -> Refused:
    violations = [{"field": v.field, "rule": v.rule, "message": v.message} for v in error.violations]
    digest = hashlib.sha256(raw).hexdigest()
    row = tables.Refused(
        body_digest=digest,
        body_sealed=node.vault.seal(raw, f"refused.body/{digest}"),
        violations=violations,
        received_at=node.clock(),
    )

    def keep(session: Session) -> None:
        if session.get(tables.Refused, digest) is None:
            session.add(row)

    node.writer.run(keep)
    message = f"{len(violations)} rule(s) broken; correct the settlement and send it again"
    return Refused("settlement.invalid", message, violations)
