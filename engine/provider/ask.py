"""Ask: one blinded question a discharge, always of the same two elements, whoever the patient is."""

from functools import partial
from typing import Any

import structlog
from sqlmodel import Session

from engine.evidence.canonical import SALT_BYTES, commitment
from engine.matching.errors import ProofInvalid
from engine.matching.voprf import Question, name_message, person_message
from engine.provider import sealed, tables
from engine.provider.alarms import raise_alarm
from engine.provider.node import Node
from engine.provider.states import DischargeState, move
from engine.settlement import IdentityMissing, identity_of

ACTOR = "node: ask"
log = structlog.get_logger()


def ask(node: Node, row: tables.Discharge) -> None:
    """From kept to asked, or to doubtful where the settlement names nobody who could be asked about.

    An answer whose proof does not hold under the key on chain is refused, with an alarm; the discharge stays
    kept. Raises ProofInvalid, Unavailable, and what else the insurer refuses with.
    """
    native = sealed.body(node.vault, row)
    try:
        person = identity_of(native)
    except IdentityMissing as error:
        reason = f"identity.{error.reason}"
        node.writer.run(lambda session: _move(node, session, row, DischargeState.DOUBTFUL, reason))
        return
    roll = node.rolls.current()
    question = Question.of(
        [
            person_message(person.cert_type, person.cert_no),
            name_message(person.cert_type, person.cert_no, person.name),
        ]
    )
    asked = _written_down(node, row, roll.epoch)
    answer = node.insurer.evaluate(row.hospital_code, roll.epoch, asked.commitment, question.elements)
    try:
        of_person, of_name = question.outputs(answer, roll.public_key)
    except ProofInvalid:
        detail = f"epoch {roll.epoch}: an answer was not computed with the key on chain"
        node.writer.run(partial(raise_alarm, code="match.proof", detail=detail, now=node.clock()))
        raise
    tags = sealed.Tags(of_person, of_name.tag)

    def keep(session: Session) -> None:
        session.get_one(tables.Question, asked.commitment).answered_at = node.clock()
        held = _move(node, session, row, DischargeState.ASKED, "match.answered")
        held.epoch = roll.epoch
        held.tags_sealed = sealed.seal_tags(node.vault, held, roll.epoch, tags)

    node.writer.run(keep)


def _written_down(node: Node, row: tables.Discharge, epoch: int) -> tables.Question:
    """Before it is asked, so that no question is without the discharge that it was for.

    Each has a name of its own: a discharge that is asked about again, because the answer was lost, is blinded
    anew, and the insurer takes one name for one question.
    """
    salt = node.rng(SALT_BYTES)
    opening: dict[str, Any] = {"fixmedins_code": row.hospital_code, "setl_id": row.setl_id}
    name = commitment(salt, opening).hex()
    question = tables.Question(
        commitment=name,
        discharge_id=row.row_id,
        salt_sealed=node.vault.seal(salt, f"question.salt/{name}"),
        epoch=epoch,
        asked_at=node.clock(),
    )
    node.writer.run(lambda session: session.add(question))
    return question


def _move(
    node: Node, session: Session, row: tables.Discharge, to: DischargeState, reason: str
) -> tables.Discharge:
    held = session.get_one(tables.Discharge, row.id)
    move(session, held, to, actor=ACTOR, reason=reason, now=node.clock())
    return held
