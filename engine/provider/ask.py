"""Ask: one blinded question a discharge, always of the same two elements, whoever the patient is."""

from typing import Any

from sqlmodel import Session

from engine.chain.errors import ChainError
from engine.evidence.canonical import SALT_BYTES, commitment
from engine.matching.voprf import Question, name_message, person_message
from engine.provider import sealed, tables
from engine.provider.look_up import Finding, find, rest_on
from engine.provider.node import Node
from engine.provider.release import Verdicts, keep_verdicts, read_chain, send
from engine.provider.rolls import Roll
from engine.provider.states import DischargeState, move
from engine.settlement import IdentityMissing, PersonIdentity

ACTOR = "node: ask"


def new_question(node: Node, hospital_code: str, setl_id: str) -> tables.Question:
    """Its name commits to the discharge with a salt of its own, which opens it for whoever audits that each
    question was about one.

    Kept before it is asked, and asked once: a discharge that is asked about again, because the answer was
    lost, is blinded anew.
    """
    salt = node.rng(SALT_BYTES)
    opening: dict[str, Any] = {"fixmedins_code": hospital_code, "setl_id": setl_id}
    name = commitment(salt, opening).hex()
    return tables.Question(commitment=name, salt_sealed=node.vault.seal(salt, f"question.salt/{name}"))


def ask(node: Node, row: tables.Discharge) -> None:
    """From kept to asked, and on to where the roll and the chain lead; to doubtful where the settlement names
    nobody. All of it is one commit: what is known of a discharge a moment later needs none of its own.

    Raises ProofInvalid for an answer whose proof does not hold under the key on chain, Unavailable, and what
    else the insurer refuses with; the discharge stays kept. Once it is released, what `release` raises.
    """
    kept_with_it = node.unasked.pop(row.row_id, None)
    try:
        person = sealed.identity(node.vault, row)
    except IdentityMissing as error:
        reason = f"identity.{error.reason}"
        node.writer.run(lambda session: _move(node, session, row, DischargeState.DOUBTFUL, reason))
        return
    roll, name = node.rolls.current(), kept_with_it or _another(node, row)
    tags = _proven(node, row, roll, name, person)
    finding = find(node, row, roll.epoch, tags, lambda: person)
    verdicts, now = _may_leave_now(node, finding), node.clock()

    def keep(session: Session) -> tables.Discharge | None:
        question = session.get_one(tables.Question, name)
        question.epoch, question.answered_at = roll.epoch, now
        if session.get_one(tables.Discharge, row.id).task_id is not None:
            return None  # a matching task has set it aside meanwhile, and asks about it itself
        held = _move(node, session, row, DischargeState.ASKED, "match.answered")
        held.epoch = roll.epoch
        held.tags_sealed = sealed.seal_tags(node.vault, held.hospital_code, held.setl_id, roll.epoch, tags)
        session.flush()
        rest_on(node, session, held, finding)
        session.flush()
        keep_verdicts(session, held.row_id, verdicts, now)
        return held

    held = node.writer.run(keep)
    if held is not None and verdicts:
        send(node, held, verdicts)


def _may_leave_now(node: Node, finding: Finding) -> Verdicts:
    """What the chain says of the policies that answer, where what matched does not wait for others.

    Empty where the chain does not answer: the insurer's answer is kept all the same, and as matched the
    discharge is released once the chain does.
    """
    if node.settings.release_every_s:
        return {}
    try:
        return read_chain(node, finding.answering)
    except ChainError:
        return {}


def _proven(node: Node, row: tables.Discharge, roll: Roll, name: str, person: PersonIdentity) -> sealed.Tags:
    question = Question.of(
        [
            person_message(person.cert_type, person.cert_no),
            name_message(person.cert_type, person.cert_no, person.name),
        ]
    )
    answer = node.insurer.evaluate(row.hospital_code, roll.epoch, name, question.elements)
    of_person, of_name = question.outputs(answer, roll.public_key)
    return sealed.Tags(of_person, of_name.tag)


def _another(node: Node, row: tables.Discharge) -> str:
    """A further question's name: the one that was kept with the discharge may have been asked already."""
    question = new_question(node, row.hospital_code, row.setl_id)
    question.discharge_id, name = row.row_id, question.commitment
    node.writer.run(lambda session: session.add(question))
    return name


def _move(
    node: Node, session: Session, row: tables.Discharge, to: DischargeState, reason: str
) -> tables.Discharge:
    held = session.get_one(tables.Discharge, row.id)
    move(session, held, to, actor=ACTOR, reason=reason, now=node.clock())
    return held
