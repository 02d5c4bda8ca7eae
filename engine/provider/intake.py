"""Settlements in, from the hospital's own systems: the rules of the insurer's intake, kept here."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, select

from engine.errors import Conflict, NotAllowed, Refused
from engine.evidence.documents import settlement_document
from engine.evidence.salts import ClaimSalts
from engine.provider import tables
from engine.provider.ask import new_question
from engine.provider.node import Node
from engine.provider.sealed import place
from engine.provider.states import DischargeState
from engine.settlement import BodyRefused, SettlementInvalid, Submission, read_submission


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
    if new.id is not None:
        node.unasked[new.id] = question.commitment
        node.arrived.set()
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
        not_before=now,
    )


def _keep(session: Session, new: tables.Discharge, question: tables.Question) -> Kept:
    held = by_setl_id(session, new.hospital_code, new.setl_id)
    if held is None:
        session.add(new)
        session.flush()
        question.discharge_id = new.row_id
        session.add(question)
        return Kept(new.setl_id, new.received_at)
    if held.content_digest != new.content_digest:
        raise Conflict(
            f"/setlinfo/setl_id: {new.setl_id} is held with other content", code="settlement.conflict"
        )
    return Kept(held.setl_id, held.received_at)


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
