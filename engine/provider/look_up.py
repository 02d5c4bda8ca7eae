"""Look up: the proven tag in the published roll, here, so that nobody learns what was found."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import cache, partial
from typing import Any, NamedTuple, Protocol

from sqlmodel import Session, col, select

from engine.errors import NotFound
from engine.evidence.manifest import hex32, subject_of
from engine.matching.cover import ends_during, in_force
from engine.matching.entries import InsuredUnder, open_entry
from engine.matching.errors import EntryInvalid
from engine.provider import sealed, tables
from engine.provider.node import Node
from engine.provider.states import LOOKED_UP_AGAIN, RULED, DischargeState, move
from engine.settlement import PersonIdentity
from engine.store.inserting import insert_on

ACTOR = "node: look-up"
_S = DischargeState


class Finding(NamedTuple):
    """Where a look-up leads, and why; answering: the policies that the discharge is matched with."""

    to: DischargeState
    reason: str
    answering: Sequence[InsuredUnder] = ()


def look_up(node: Node, row: tables.Discharge) -> None:
    """From asked to nobody's, doubtful or matched; to kept where the key it was asked under is withdrawn."""
    assert row.epoch is not None  # noqa: S101  asked
    finding = find(
        node, row, row.epoch, sealed.tags(node.vault, row), partial(sealed.identity, node.vault, row)
    )

    def keep(session: Session) -> None:
        rest_on(node, session, session.get_one(tables.Discharge, row.id), finding)

    node.writer.run(keep)


class Stay(Protocol):
    """As much of a discharge as a look-up reads."""

    @property
    def admitted_on(self) -> date: ...
    @property
    def discharged_on(self) -> date: ...
    @property
    def ruled_by(self) -> str | None: ...


def find(
    node: Node, row: Stay, epoch: int, tags: sealed.Tags, patient: Callable[[], PersonIdentity]
) -> Finding:
    """What the roll says of a discharge. Raises ChainUnavailable."""
    try:
        entry = node.rolls.find(epoch, tags.person.tag)
    except NotFound as error:
        return Finding(_S.KEPT, error.code)
    if entry is None:
        return Finding(_S.NOBODYS, "match.not_in_roll")
    try:
        payload = open_entry(tags.person, epoch, entry)
    except EntryInvalid:
        return Finding(_S.NOBODYS, "match.withdrawn_from_roll")
    answering = in_force(payload.policies, row.admitted_on, row.discharged_on)
    if not answering:
        return Finding(_S.NOBODYS, "match.no_policy")
    consented = [policy for policy in answering if policy.authorization is not None]
    if any(_is_anothers(policy, patient()) for policy in consented):
        return Finding(_S.DOUBTFUL, "consent.other_person")  # nobody here can rule that it is this one's
    doubt = _doubt(row, answering, tags.name_tag in payload.name_tags)
    if doubt is None and any(policy.subject_salt is None for policy in consented):
        doubt = "consent.other_certificate"
    if doubt is not None and row.ruled_by is None:
        return Finding(_S.DOUBTFUL, doubt)
    return Finding(_S.MATCHED, "match.in_force", answering)


def rest_on(node: Node, session: Session, held: tables.Discharge, finding: Finding) -> None:
    """Move an asked discharge to where a look-up leads."""
    if finding.answering:
        name_releases(session, held.row_id, finding.answering, _answered_by(session, held))
    now, rest = node.clock(), rest_of(node, finding)
    move(session, held, finding.to, actor=ACTOR, reason=finding.reason, now=now, rest=rest)


def rest_of(node: Node, finding: Finding) -> timedelta:
    """How long a discharge rests where a look-up has led."""
    return {_S.KEPT: node.until_news, _S.MATCHED: node.until_release()}.get(finding.to, timedelta())


def _is_anothers(policy: InsuredUnder, patient: PersonIdentity) -> bool:
    """Whether the consent is said to be this certificate's, and is not: the subject does not open."""
    if policy.subject_salt is None:
        return False
    opened = subject_of(patient.cert_type, patient.cert_no, bytes.fromhex(policy.subject_salt))
    return hex32(opened) != policy.subject


def _doubt(row: Stay, answering: Sequence[InsuredUnder], name_agrees: bool) -> str | None:
    """Why a person here has to look before anything leaves; the codes are those of the insurer's match."""
    if any(ends_during(policy, row.discharged_on) for policy in answering):
        return "match.cancelled_during_stay"
    if not name_agrees:
        return "match.name_differs"
    several = len({policy.product for policy in answering}) < len(answering)
    return "match.several_policies" if several else None


def _answered_by(session: Session, row: tables.Discharge) -> str:
    newest = col(tables.Question.answered_at).desc()
    return session.exec(
        select(tables.Question.commitment)
        .where(tables.Question.discharge_id == row.id, tables.Question.epoch == row.epoch)
        .where(col(tables.Question.answered_at).is_not(None))
        .order_by(newest)
        .limit(1)
    ).one()


def name_releases(session: Session, row_id: int, answering: Sequence[InsuredUnder], question: str) -> None:
    """What it is to be released under, by which question's answer. What was named before is decided anew."""
    rows = [
        {
            "discharge_id": row_id,
            "handle": policy.handle,
            "product": policy.product,
            "scope": policy.scope,
            "subject": policy.subject,
            "authorization": policy.authorization,
            "question": question,
        }
        for policy in answering
    ]
    session.connection().execute(_naming(session.get_bind().dialect.name), rows)


@cache
def _naming(dialect: str) -> Any:
    statement = insert_on(dialect, tables.Release)
    key = ["discharge_id", "handle"]
    said = ("product", "scope", "subject", "authorization", "question")
    anew = {name: statement.excluded[name] for name in said} | {"outcome": None, "staged_digest": None}
    return statement.on_conflict_do_update(index_elements=key, set_=anew)


def look_up_again(node: Node) -> int:
    """After news of the roll: what it may have changed is looked up again, and not asked again. How many.

    What was asked under an earlier key stays as it is: the news are not of that epoch.
    """
    epoch = node.rolls.current().epoch
    since = node.clock() - timedelta(days=node.settings.look_again_days)
    table = tables.Discharge

    def again(session: Session) -> int:
        rows = session.exec(
            select(table).where(
                col(table.state).in_(LOOKED_UP_AGAIN),
                table.received_at >= since,
                table.epoch == epoch,
                table.reason != RULED,
                col(table.task_id).is_(None),
            )
        ).all()
        for row in rows:
            move(session, row, _S.ASKED, actor=ACTOR, reason="match.roll_has_news", now=node.clock())
        return len(rows)

    return node.writer.run(again)
