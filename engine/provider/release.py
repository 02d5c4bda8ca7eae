"""Release: what the purpose lists, of a matched person, under an authorization that the chain says is live.

The chain and the catalogue are read by this node, each time right before something leaves.
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from sqlmodel import Session, select

from engine.errors import Conflict, NotAllowed, NotFound, Refused
from engine.matching.voprf import PROTOCOL
from engine.provider import sealed, tables
from engine.provider.decide import CLAIM, hand_over
from engine.provider.node import Node
from engine.provider.states import DischargeState, move

ACTOR = "node: release"
_NO_CONSENT = ("consent.", "purpose.", "release.consent")
"""What the chain or the catalogue says, and the insurer of an authorization that it knows better."""
FINAL = ("release.", "settlement.", "match.epoch_")
"""Codes with which the insurer answers a release; any other may be answered otherwise another time."""
STEP_BYTES = 16_384
"""To a multiple of which a release is padded: the line of a bill takes some 250."""
_WITHDRAWN = "match.epoch_withdrawn"
_S = DischargeState


def release(node: Node, row: tables.Discharge) -> None:
    """From matched, or released and not answered, to accepted, turned down or no consent.

    Raises Unavailable, ChainUnavailable, and what the insurer refuses with before it looks at a release;
    whatever was answered by then is kept.
    """
    every, standing = _rows(node, row), []
    for one in every:
        why = None if one.outcome is not None else refusal(node, one)
        if why is not None:
            node.writer.run(partial(_answered, one=one, outcome=why))
        elif one.outcome is None or one.outcome.startswith(CLAIM):
            standing.append(one)
    # Where the insurer is to see it for one purpose, nothing is withheld by deciding for another.
    decides = all(node.settings.decides(one.scope) for one in standing)
    for one in standing:
        if one.outcome is None:
            _send(node, row, one, decides=decides)
    finish(node, row)


def refusal(node: Node, one: tables.Release) -> str | None:
    """Why nothing leaves for this policy, whatever its entry says."""
    if one.scope not in node.settings.scopes:
        return "purpose.not_ours"
    return node.chain.refusal(one.scope, one.subject, one.authorization)


def _send(node: Node, row: tables.Discharge, one: tables.Release, *, decides: bool) -> None:
    node.writer.run(partial(about_to_leave, node=node, row=row, one=one))
    try:
        if decides:
            outcome = hand_over(node, row, one)
        else:
            outcome = node.insurer.release(row.hospital_code, message(node, row, one))
    except (Refused, Conflict, NotFound, NotAllowed) as error:
        if not error.code.startswith(FINAL):
            raise  # of how it was said, not of what
        outcome = error.code
    node.writer.run(partial(_answered, one=one, outcome=outcome))


def message(node: Node, row: tables.Discharge, one: tables.Release) -> dict[str, Any]:
    """What leaves: the same each time, and of as many bytes as others, a step apart."""
    said = {
        "protocol": PROTOCOL,
        "epoch": row.epoch,
        "discharge": one.question,
        "handle": one.handle,
        "authorization": one.authorization,
        "mode": "settlement",
        "document": sealed.document(node.vault, row),
        "setl_id": row.setl_id,
        "salt": sealed.salts(node.vault, row).settlement_reference.hex(),
        "padding": "",
    }
    size = len(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode())
    return said | {"padding": "0" * (-size % STEP_BYTES)}


def _rows(node: Node, row: tables.Discharge) -> Sequence[tables.Release]:
    with node.database.reading() as session:
        return session.exec(select(tables.Release).where(tables.Release.discharge_id == row.id)).all()


def about_to_leave(session: Session, node: Node, row: tables.Discharge, one: tables.Release) -> None:
    """Kept before it does."""
    held = session.get_one(tables.Discharge, row.id)
    if held.state == _S.MATCHED:
        move(session, held, _S.RELEASED, actor=ACTOR, reason="consent.live", now=node.clock())
    release = session.get_one(tables.Release, (one.discharge_id, one.handle))
    release.sent_at = release.sent_at or node.clock()
    session.add(release)


def _answered(session: Session, one: tables.Release, outcome: str) -> None:
    held = session.get_one(tables.Release, (one.discharge_id, one.handle))
    held.outcome = outcome
    session.add(held)


def finish(node: Node, row: tables.Discharge) -> None:
    """Once something became of every policy's release."""

    def keep(session: Session) -> None:
        of_row = tables.Release.discharge_id == row.id
        under_key = tables.Question.epoch == row.epoch
        rows = session.exec(select(tables.Release).join(tables.Question).where(of_row, under_key)).all()
        to, reason = _judged([one.outcome or "" for one in rows])
        held = session.get_one(tables.Discharge, row.id)
        rest = node.until_news if to == _S.KEPT else timedelta()
        move(session, held, to, actor=ACTOR, reason=reason, now=node.clock(), rest=rest)

    node.writer.run(keep)


def _judged(outcomes: Sequence[str]) -> tuple[DischargeState, str]:
    """What the outcomes of all its policies make of a discharge, and why."""
    claims = [outcome for outcome in outcomes if outcome.startswith(CLAIM)]
    if claims:
        return _S.ACCEPTED, f"{len(claims)} claim(s)"
    for outcome in outcomes:
        if outcome == _WITHDRAWN:
            return _S.KEPT, outcome
        if not outcome.startswith(_NO_CONSENT):
            return _S.TURNED_DOWN, outcome
    return _S.NO_CONSENT, outcomes[0]
