"""Release: what the purpose lists, of a matched person, under an authorization that the chain says is live.

The chain and the catalogue are read by this node, each time right before something leaves.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlmodel import Session, select

from engine.errors import Conflict, NotAllowed, NotFound, Refused
from engine.matching.entries import InsuredUnder
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
Verdicts = Mapping[str, str | None]
"""By the handle of a policy: why nothing leaves for it, as a code; None: it may."""


Consented = InsuredUnder | tables.Release
"""A policy, as its entry in the roll or as the node has kept it."""


def release(node: Node, row: tables.Discharge) -> None:
    """From matched, or released and not answered, to accepted, turned down or no consent.

    Raises Unavailable, ChainUnavailable, and what the insurer refuses with before it looks at a release;
    whatever was answered by then is kept.
    """
    with node.database.reading() as session:
        open_ones = [one for one in _rows(session, row.row_id) if one.outcome is None]
    leave(node, row.row_id, read_chain(node, open_ones), node.clock())


def read_chain(node: Node, policies: Sequence[Consented]) -> Verdicts:
    """By handle, what the chain and the catalogue say of each now. Raises ChainUnavailable."""
    return {one.handle: refusal(node, one) for one in policies}


def refusal(node: Node, one: Consented) -> str | None:
    """Why nothing leaves for this policy, whatever its entry says."""
    if one.scope not in node.settings.scopes:
        return "purpose.not_ours"
    return node.chain.refusal(one.scope, one.subject, one.authorization)


def keep_verdicts(
    session: Session, row_id: int, verdicts: Verdicts, now: datetime
) -> tuple[tables.Discharge, Sequence[tables.Release]]:
    """Kept before anything leaves: for which policies it is about to, and why for the others nothing does.
    now: when the chain was read. The discharge as it stands then, with all of its releases."""
    held, every = session.get_one(tables.Discharge, row_id), _rows(session, row_id)
    if held.state == _S.MATCHED and None in verdicts.values():
        move(session, held, _S.RELEASED, actor=ACTOR, reason="consent.live", now=now)
    for one in every:
        if one.handle not in verdicts:
            continue
        one.outcome = verdicts[one.handle]
        if one.outcome is None:
            one.sent_at = one.sent_at or now
        session.add(one)
    return held, every


def leave(node: Node, row_id: int, verdicts: Verdicts, now: datetime) -> None:
    """What may, leaves; then the discharge comes to rest. now: when the chain was read. Raises what `release`
    does."""
    row, every = node.writer.run(lambda session: keep_verdicts(session, row_id, verdicts, now))
    leaving = [one for one in every if one.handle in verdicts and one.outcome is None]
    taken = [one for one in every if (one.outcome or "").startswith(CLAIM)]
    # Where the insurer is to see it for one purpose, nothing is withheld by deciding for another.
    decides = all(node.settings.decides(one.scope) for one in (*leaving, *taken))
    for one in leaving:
        outcome = _sent(node, row, one, decides=decides)
        node.writer.run(partial(_answered, one=one, outcome=outcome))
    finish(node, row)


def _sent(node: Node, row: tables.Discharge, one: tables.Release, *, decides: bool) -> str:
    """The insurer's claim, or the code with which it takes none."""
    try:
        if decides:
            return hand_over(node, row, one)
        return node.insurer.release(row.hospital_code, message(node, row, one))
    except (Refused, Conflict, NotFound, NotAllowed) as error:
        if not error.code.startswith(FINAL):
            raise  # of how it was said, not of what
        return error.code


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


def _rows(session: Session, row_id: int) -> Sequence[tables.Release]:
    return session.exec(select(tables.Release).where(tables.Release.discharge_id == row_id)).all()


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
