"""What the insurer wants of earlier decisions: decided again, since what they stand on has changed; or the
settlement disclosed, so that it can check. Of each the chain is asked first, as before a release."""

from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import func
from sqlmodel import Session, col, select

from engine.chain.errors import ChainError
from engine.errors import AutoclaimError, Unavailable
from engine.provider import tables
from engine.provider.alarms import raise_alarm
from engine.provider.decide import disclosure, hand_over, newest
from engine.provider.node import Node
from engine.provider.release import refusal

DECIDE_AGAIN, DISCLOSE = "decide_again", "disclose"
_A_DAY = timedelta(days=1)
log = structlog.get_logger()


def answer_wanted(node: Node) -> int:
    """How many were answered; the others stay wanted, and are asked for again. Raises Unavailable.

    A node that has never decided anything is not wanted for it, and does not ask for each of its hospitals.
    """
    with node.database.reading() as session:
        if session.exec(select(tables.Decision.number).limit(1)).first() is None:
            return 0
    return sum(
        _attempt(node, code, item)
        for code in node.settings.hospital_codes
        for item in node.insurer.wanted(code)
    )


def _attempt(node: Node, hospital_code: str, item: Any) -> bool:
    """One that fails keeps no other from being answered."""
    try:
        return _answer(node, hospital_code, item)
    except (AutoclaimError, ChainError) as error:
        log.warning("provider.wanted_failed", error=str(error))
        if isinstance(error, AutoclaimError) and not isinstance(error, Unavailable):
            _alarm(node, error.code, "an answer to what the insurer wants")
        return False


def _answer(node: Node, hospital_code: str, item: Any) -> bool:
    found = _released(node, hospital_code, str(item["discharge"]), str(item["handle"]))
    made = None if found is None else newest(node, found[1], is_held=True)
    if found is None or made is None:
        _alarm(node, "wanted.unknown", "the insurer wants something of what was never decided here")
        return False
    row, one = found
    no = refusal(node, one)
    if no is not None:
        log.info("provider.wanted_refused", reason=no)
        return False
    if item["why"] == DECIDE_AGAIN:
        hand_over(node, row, one)
        return True
    if item["why"] != DISCLOSE or not _may_disclose(node, made):
        return False
    node.writer.run(partial(_about_to_leave, node=node, made=made))
    node.insurer.disclose(hospital_code, disclosure(node, row, one, made))
    return True


def _released(
    node: Node, hospital_code: str, discharge: str, handle: str
) -> tuple[tables.Discharge, tables.Release] | None:
    with node.database.reading() as session:
        return session.exec(
            select(tables.Discharge, tables.Release)
            .join(tables.Release, col(tables.Release.discharge_id) == col(tables.Discharge.id))
            .where(
                tables.Discharge.hospital_code == hospital_code,
                tables.Release.question == discharge,
                tables.Release.handle == handle,
            )
        ).one_or_none()


def _may_disclose(node: Node, made: tables.Decision) -> bool:
    """What has left may leave again; of others so many a day. More would be a release by another name."""
    if made.disclosed_at is not None:
        return True
    since, table = node.clock() - _A_DAY, tables.Decision
    with node.database.reading() as session:
        query = select(func.count()).select_from(table).where(col(table.disclosed_at) > since)
        disclosed = session.exec(query).one()
    if disclosed < node.settings.disclosures_a_day:
        return True
    _alarm(node, "wanted.too_many", "the insurer wants more settlements disclosed than it may in a day")
    return False


def _about_to_leave(session: Session, node: Node, made: tables.Decision) -> None:
    held = session.get_one(tables.Decision, (made.discharge_id, made.handle, made.number))
    held.disclosed_at = held.disclosed_at or node.clock()
    session.add(held)


def _alarm(node: Node, code: str, detail: str) -> None:
    node.writer.run(partial(raise_alarm, code=code, detail=detail, now=node.clock()))
