"""A version that pays nothing more: what it comes to, what was paid before, and what is to be recovered."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.evidence.documents import covered_document
from engine.evidence.errors import DocumentInvalid
from engine.evidence.report import Outcome
from engine.evidence.verify import verify_bundle
from tests.evidence.test_forgery import resealed
from tests.evidence.test_verify import step
from tests.evidence.world import World, settlement

LARGE_FEN, SMALL_FEN = 9_000_000, 6_000_000
PAID_FEN, DUE_FEN = 5_460_000, 3_360_000
"""(90,000 - 12,000) x 70 %, (60,000 - 12,000) x 70 %."""


def failed(raw: bytes, world: World) -> list[str]:
    report = verify_bundle(raw, world.live())
    return [one.name for one in report.steps if one.ok is False]


def covered(world: World, number: str) -> bytes:
    first = world.pay(settlement(LARGE_FEN, number))
    return world.bundle(world.cover(settlement(SMALL_FEN, number), first))


def test_it_shows_what_stands_what_was_paid_and_what_is_to_be_recovered(world: World) -> None:
    raw = covered(world, "S-COVERED")
    offline, live = verify_bundle(raw, world.anchor(raw)), verify_bundle(raw, world.live())
    for report in (offline, live):
        assert (report.outcome, report.version, report.amount_fen) == (Outcome.VERIFIED, 2, 0)
        assert report.standing == "covered"
    detail = step(offline, "amount")[1]
    assert (
        detail
        == f"nothing after {PAID_FEN} fen of earlier versions; {PAID_FEN - DUE_FEN} fen to be recovered"
    )
    assert "paid were versions 1" in step(offline, "payment")[1]


def test_one_that_comes_to_the_same_leaves_nothing_to_recover(world: World) -> None:
    first = world.pay(settlement(LARGE_FEN, "S-SAME"))
    raw = world.bundle(world.cover(settlement(LARGE_FEN, "S-SAME"), first))
    assert (
        step(verify_bundle(raw, world.live()), "amount")[1]
        == f"nothing after {PAID_FEN} fen of earlier versions"
    )


def test_one_that_pays_nothing_at_all_verifies_too(world: World) -> None:
    first = world.pay(settlement(LARGE_FEN, "S-NOTHING"))
    raw = world.bundle(world.cover(settlement(1_000_000, "S-NOTHING"), first))
    assert json.loads(raw)["documents"]["decision"]["decision"] == "nothing"
    assert verify_bundle(raw, world.live()).outcome is Outcome.VERIFIED


def test_reversed_since_it_says_so(world: World) -> None:
    first = world.pay(settlement(LARGE_FEN, "S-BACK"))
    second = world.cover(settlement(SMALL_FEN, "S-BACK"), first)
    before = world.bundle(second)
    reversal = world.client.results.reverse(second.on_chain.claim_key, 2, b"\x07" * 32)
    after = world.bundle(second, reversal.block_number)
    report = verify_bundle(after, world.anchor(after))
    assert (report.outcome, report.standing) == (Outcome.VERIFIED, "reversed")
    assert verify_bundle(before, world.live()).standing == "reversed"


Change = Callable[[dict[str, Any]], Any]
FORGERIES: dict[str, Change] = {
    "less to recover": lambda payment: payment.update(to_recover_fen=1),
    "more paid before": lambda payment: payment.update(previously_paid_fen=PAID_FEN + 1),
    "a fen more now": lambda payment: payment.update(amount_fen=1),
    "something paid now": lambda payment: payment.update(amount_fen=1, previously_paid_fen=PAID_FEN - 1),
    "something set off": lambda payment: payment.update(set_off_fen=1),
    "another payee": lambda payment: payment.update(payee_commitment="0x" + "11" * 32),
    "another version": lambda payment: payment.update(version=1),
    "said to be settled": lambda payment: payment.update(status="settled"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_changed_statement_does_not_verify(world: World, forgery: str) -> None:
    body = json.loads(covered(world, f"S-{forgery[:12]}"))
    FORGERIES[forgery](body["documents"]["payment"])
    assert failed(resealed(body), world) == ["amount"]


def test_a_payment_that_was_made_cannot_be_kept_quiet(world: World) -> None:
    """The chain has the version as paid."""
    first = world.pay(settlement(SMALL_FEN, "S-QUIET"))
    body = json.loads(world.bundle(world.pay(settlement(LARGE_FEN, "S-QUIET"), before=first)))
    payment = body["documents"]["payment"]
    body["chain"]["confirmed"] = None
    body["documents"]["payment"] = {
        "version": 2,
        "amount_fen": 0,
        "previously_paid_fen": PAID_FEN,
        "to_recover_fen": 0,
        "status": "covered",
        "payee_commitment": payment["payee_commitment"],
    }
    assert failed(resealed(body), world) == ["payment", "standing"]


def test_what_no_earlier_version_paid_was_not_paid_before(world: World) -> None:
    unpaid = replace(world.record(settlement(LARGE_FEN, "S-UNPAID")), payment={"amount_fen": PAID_FEN})
    raw = world.bundle(world.cover(settlement(SMALL_FEN, "S-UNPAID"), unpaid))
    assert failed(raw, world) == ["payment"]


def test_a_first_version_is_never_covered(world: World) -> None:
    body = json.loads(world.bundle(world.pay(settlement(SMALL_FEN, "S-FIRST"))))
    body["chain"]["confirmed"] = None
    assert "amount" in failed(resealed(body), world)
    with pytest.raises(DocumentInvalid):
        covered_document(1, 0, 0, "0x")


def test_a_first_version_that_was_set_off_whole_says_so() -> None:
    document = covered_document(1, 70, 0, "0x", 70)
    assert (document["set_off_fen"], document["previously_paid_fen"], document["to_recover_fen"]) == (
        70,
        0,
        0,
    )
    given = covered_document(3, 60, 100, "0x", -30)
    assert (given["set_off_fen"], given["to_recover_fen"]) == (-30, 10)
    with pytest.raises(DocumentInvalid):
        covered_document(1, 70, 0, "0x", 69)


def test_no_more_is_covered_than_was_paid() -> None:
    with pytest.raises(DocumentInvalid):
        covered_document(2, 101, 100, "0x")
