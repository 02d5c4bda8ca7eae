"""Ask: one blinded question a discharge, always of the same two elements, whoever the patient is."""

from typing import Any

from sqlalchemy import bindparam, update
from sqlmodel import Session, col

from engine.evidence.canonical import SALT_BYTES, commitment
from engine.matching.voprf import Question, name_message, person_message
from engine.provider import sealed, tables
from engine.provider.look_up import ACTOR as LOOK_UP
from engine.provider.look_up import Finding, find, name_releases, rest_of
from engine.provider.node import Node
from engine.provider.release import leave, read_chain
from engine.provider.rolls import Roll
from engine.provider.states import DischargeState, Step, move_on
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
    """From kept to asked, and on to where the roll leads, in one commit; to doubtful where the settlement
    names nobody. What may leave at once is released.

    Raises ProofInvalid for an answer whose proof does not hold under the key on chain, Unavailable, and what
    else the insurer refuses with; the discharge stays kept. Once it is matched, what `release` raises.
    """
    kept_with_it = node.unasked.pop(row.row_id, None)
    try:
        person = sealed.identity(node.vault, row)
    except IdentityMissing as error:
        nobody = Step(DischargeState.DOUBTFUL, ACTOR, f"identity.{error.reason}")
        node.writer.run(
            lambda session: move_on(session, row.row_id, [nobody], of=DischargeState.KEPT, now=node.clock())
        )
        return
    roll, name = node.rolls.current(), kept_with_it or _another(node, row)
    tags = _proven(node, row, roll, name, person)
    finding = find(node, row, roll.epoch, tags, lambda: person)
    kept = node.writer.submit(lambda session: _keep(session, node, row, name, roll.epoch, tags, finding))
    if node.settings.release_every_s or not finding.answering:
        kept.result()
        return
    # While that is written the chain is read. Where it does not answer, the discharge is matched all the same
    # and nobody is asked again.
    verdicts, now = read_chain(node, finding.answering), node.clock()
    if kept.result():
        leave(node, row.row_id, verdicts, now)


def _keep(
    session: Session,
    node: Node,
    row: tables.Discharge,
    name: str,
    epoch: int,
    tags: sealed.Tags,
    finding: Finding,
) -> bool:
    """The answer, and where it leads; False where a matching task has set the discharge aside meanwhile, and
    asks about it itself."""
    now = node.clock()
    session.connection().execute(_ANSWERED, {"name": name, "epoch": epoch, "answered_at": now})
    steps = (
        Step(DischargeState.ASKED, ACTOR, "match.answered"),
        Step(finding.to, LOOK_UP, finding.reason),
    )
    is_ours = move_on(
        session,
        row.row_id,
        steps,
        of=DischargeState.KEPT,
        now=now,
        rest=rest_of(node, finding),
        epoch=epoch,
        tags_sealed=sealed.seal_tags(node.vault, row.hospital_code, row.setl_id, epoch, tags),
    )
    if is_ours and finding.answering:
        name_releases(session, row.row_id, finding.answering, name)
    return is_ours


_ANSWERED = update(tables.Question).where(col(tables.Question.commitment) == bindparam("name"))


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
