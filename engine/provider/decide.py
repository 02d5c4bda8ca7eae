"""Decide here: the insurer's terms come to the settlement, and only the decision leaves.

What the insurer gives to decide on is held against the chain by this node's own endpoint: the wording stands
in the register that a task was opened with, for the purpose that was consented to, and the task's requester
has signed for the case. What was given and what came of it is kept before anything leaves.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from eth_utils.address import is_same_address
from sqlmodel import Session, col, select

from engine.adjudication import Coverage, DocumentInvalid, History, adjudicate
from engine.adjudication.history import SettlementRef
from engine.adjudication.withheld import part_of
from engine.errors import Conflict, Refused, Unavailable
from engine.evidence.canonical import SALT_BYTES, commitment, digest
from engine.evidence.case import case_document
from engine.evidence.manifest import hex32, terms_register, terms_root
from engine.matching.voprf import PROTOCOL
from engine.provider import sealed, tables
from engine.provider.node import Node
from engine.settlement import Settlement
from engine.terms import Terms, TermsInvalid, terms_from_document

MODE = "decision"
CLAIM = "clm_"
"""What the insurer's names of claims begin with."""
CASE_MOVED = "release.case_moved"
_BYTES32 = re.compile("0x[0-9a-f]{64}")
_TRIES = 3
"""Cases that move while they are decided, before it is left for later."""


class _Given(NamedTuple):
    """A case that has been checked."""

    case: dict[str, Any]
    terms: Terms
    task_id: str
    signature: str


def hand_over(node: Node, row: tables.Discharge, one: tables.Release) -> str:
    """Decide, unless a decision waits to be sent, and send it; the insurer's claim.

    Raises what the insurer refuses with, Refused `case.…` for a case that the chain does not bear out,
    Unavailable and ChainUnavailable.
    """
    for _ in range(_TRIES):
        made = newest(node, one)
        if made is None or made.outcome is not None:
            made = _decide(node, row, one, 1 if made is None else made.number + 1)
        try:
            claim = node.insurer.decision(row.hospital_code, _message(node, row, one, made))
        except Conflict as error:
            _answered(node, made, error.code)
            if error.code != CASE_MOVED:
                raise
        else:
            _answered(node, made, claim)
            return claim
    raise Unavailable("the case moves faster than it is decided", code=CASE_MOVED)


def newest(node: Node, one: tables.Release, *, is_held: bool = False) -> tables.Decision | None:
    """is_held: of those that the insurer has taken."""
    table = tables.Decision
    query = select(table).where(table.discharge_id == one.discharge_id, table.handle == one.handle)
    if is_held:
        query = query.where(col(table.outcome).startswith(CLAIM))
    with node.database.reading() as session:
        return session.exec(query.order_by(col(table.number).desc()).limit(1)).first()


def _decide(node: Node, row: tables.Discharge, one: tables.Release, number: int) -> tables.Decision:
    document = sealed.document(node.vault, row)
    bill = Settlement.parse(document)
    answer = node.insurer.case(row.hospital_code, _asked(node, row, one, bill))
    given = _checked(node, one, SettlementRef.of(bill), answer)
    whole = adjudicate(
        given.terms, Coverage.parse(given.case["coverage"]), History.parse(given.case["history"]), bill
    ).document()
    kept = {
        "case": given.case,
        "terms": given.terms.document,
        "task_id": given.task_id,
        "signature": given.signature,
        "decision": whole,
        "salt": node.rng(SALT_BYTES).hex(),
    }
    made = tables.Decision(
        discharge_id=row.row_id,
        handle=one.handle,
        number=number,
        sealed=sealed.seal_decision(node.vault, row, one.handle, number, kept),
        made_at=node.clock(),
    )
    node.writer.run(lambda session: session.add(made))
    return made


def _asked(node: Node, row: tables.Discharge, one: tables.Release, bill: Settlement) -> dict[str, Any]:
    return {
        "protocol": PROTOCOL,
        "epoch": row.epoch,
        "discharge": one.question,
        "handle": one.handle,
        "authorization": one.authorization,
        "settlement": SettlementRef.of(bill).document(),
        "setl_id": row.setl_id,
        "salt": sealed.salts(node.vault, row).settlement_reference.hex(),
    }


def _checked(node: Node, one: tables.Release, ref: SettlementRef, answer: Mapping[str, Any]) -> _Given:
    """Raises Refused: `case.invalid`, `case.other`, `case.terms`, `case.task`, `case.signature`."""
    try:
        case, task_id = dict(answer["case"]), str(answer["task_id"])
        terms = terms_from_document(dict(answer["terms"]))
        register = terms_register(answer["terms_register"])
        signature = str(answer["signature"])
        if _BYTES32.fullmatch(task_id) is None:
            raise ValueError("task_id")
        signer = bytes.fromhex(signature.removeprefix("0x"))
        expected = case_document(
            authorization=str(one.authorization),
            terms_digest=terms.digest_hex,
            coverage=case["coverage"],
            history=case["history"],
            settlement=ref.document(),
        )
        Coverage.parse(case["coverage"])
        History.parse(case["history"])
    except (KeyError, TypeError, ValueError, DocumentInvalid, TermsInvalid) as error:
        raise Refused("case.invalid", "what the insurer gave to decide on is no case") from error
    if case != expected:
        raise Refused("case.other", "the case is of another settlement, wording or authorization")
    task = node.chain.task(task_id)
    in_register = hex32(bytes.fromhex(terms.digest_hex.removeprefix("0x"))) in register
    if terms.product != one.product or not in_register or hex32(terms_root(register)) != task.terms:
        raise Refused("case.terms", "the wording is not one that the task was opened with on chain")
    if task.purpose != one.scope:
        raise Refused("case.task", "the task on chain is for another purpose")
    try:
        by = node.chain.case_signer(digest(case), task_id, signer)
    except ValueError as error:
        raise Refused("case.signature", "the case is not signed") from error
    if not is_same_address(by, task.requester):
        raise Refused("case.signature", "the case is not signed by who opened the task")
    return _Given(case, terms, task_id, signature)


def _message(node: Node, row: tables.Discharge, one: tables.Release, made: tables.Decision) -> dict[str, Any]:
    """A decision, and of the settlement what it is known by."""
    kept = sealed.decision(node.vault, row, made)
    whole, salts = kept["decision"], sealed.salts(node.vault, row)
    committed = commitment(bytes.fromhex(kept["salt"]), whole)
    document = sealed.document(node.vault, row)
    return {
        **_asked(node, row, one, Settlement.parse(document)),
        "mode": MODE,
        "case": digest(kept["case"]).hex(),
        "decision": part_of(whole, terms_from_document(kept["terms"]), hex32(committed)),
        "commitment": commitment(salts.settlement, document).hex(),
    }


def disclosure(
    node: Node, row: tables.Discharge, one: tables.Release, made: tables.Decision
) -> dict[str, Any]:
    """The settlement, and what opens the commitments to it and to the whole decision."""
    return {
        "protocol": PROTOCOL,
        "discharge": one.question,
        "handle": one.handle,
        "document": sealed.document(node.vault, row),
        "salt": sealed.salts(node.vault, row).settlement.hex(),
        "decision_salt": sealed.decision(node.vault, row, made)["salt"],
    }


def _answered(node: Node, made: tables.Decision, outcome: str) -> None:
    def keep(session: Session) -> None:
        held = session.get_one(tables.Decision, (made.discharge_id, made.handle, made.number))
        held.outcome = outcome
        session.add(held)

    node.writer.run(keep)
