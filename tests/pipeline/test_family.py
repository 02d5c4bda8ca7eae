"""A family bears its deductible once: each policy knows what the others have borne before."""

import json

import pytest

from engine.evidence.report import Outcome
from engine.pipeline import decide, enrolment
from engine.pipeline.sealed import history
from engine.store import tables
from tests.pipeline.further import household, run_to_rest
from tests.pipeline.reopening import AUGUST, OCTOBER, large, small
from tests.pipeline.test_audit import verified
from tests.pipeline.test_decide import eligible_fen
from tests.pipeline.test_reopen_checked import fsck, run
from tests.pipeline.world import DEDUCTIBLE_FEN, World, payable_fen, policy

MOTHER, SON, STRANGER = 60, 61, 62


@pytest.fixture
def family(world: World) -> World:
    household(world, MOTHER, SON)
    return world


def test_what_one_has_borne_the_other_bears_no_more(either: World) -> None:
    household(either, MOTHER, SON)
    first, second = small(either, AUGUST, MOTHER), large(either, OCTOBER, SON)
    either.decided(first, second)
    borne = eligible_fen(either, first)
    assert 0 < borne < DEDUCTIBLE_FEN
    assert either.claim(second).payable_fen == payable_fen(
        eligible_fen(either, second), DEDUCTIBLE_FEN - borne
    )


def test_those_of_another_family_or_of_none_bear_their_own(world: World) -> None:
    household(world, MOTHER)
    household(world, SON, family="F-2")
    lone = policy(STRANGER, product="jiahubao", policy_no="JHB-LONE")
    assert enrolment.load_policies(world.ctx, [json.dumps(lone).encode()], "ndjson").loaded == 1
    first, second = small(world, AUGUST, MOTHER), large(world, OCTOBER, SON)
    world.decided(first, second)
    assert world.claim(second).payable_fen == payable_fen(eligible_fen(world, second))
    assert history(world.ctx.vault, world.claim(second)) == {"decisions": []}


def test_a_late_earlier_stay_of_one_pays_the_difference_of_the_others(family: World) -> None:
    later = large(family, OCTOBER, SON)
    family.confirmed(later)
    before = family.claim(later).payable_fen
    assert before == payable_fen(eligible_fen(family, later))
    earlier = small(family, AUGUST, MOTHER)
    family.decided(earlier)
    run_to_rest(family, later)
    due = payable_fen(eligible_fen(family, later), DEDUCTIBLE_FEN - eligible_fen(family, earlier))
    assert (family.state(later), family.claim(later).payable_fen) == ("confirmed", due)
    assert [payout.amount_fen for payout in family.payouts(later)] == [before, due - before]


def test_what_one_has_taken_back_the_other_bears_and_gives_back(family: World) -> None:
    earlier, later = small(family, AUGUST, MOTHER), large(family, OCTOBER, SON)
    family.decided(earlier)
    family.confirmed(later)
    paid = family.claim(later).payable_fen
    family.reverse(earlier)
    run_to_rest(family, later)
    due = payable_fen(eligible_fen(family, later))
    assert (family.state(later), family.claim(later).recovery_fen) == ("covered", paid - due)


def test_while_one_waits_for_a_person_so_does_the_other(family: World) -> None:
    died = family.accepted(MOTHER, admitted=AUGUST, discharge_way="5")
    after = large(family, OCTOBER, SON)
    family.decided(died, after)
    assert (family.state(after), family.reasons(after)) == ("review", ["history.other_undecided"])
    from engine.pipeline import claims

    claims.decide_claim(family.ctx, died, "refuse", "no heirs", "insurer test")
    run_to_rest(family, after)
    assert (family.state(after), family.claim(after).payable_fen) == (
        "confirmed",
        payable_fen(eligible_fen(family, after)),
    )


def test_the_evidence_tells_what_the_family_bore_and_neither_who_nor_where(alone: World) -> None:
    household(alone, MOTHER, SON)
    first, second = small(alone, AUGUST, MOTHER), large(alone, OCTOBER, SON)
    alone.decided(first, second)
    run(alone)
    assert verified(alone, second) == (Outcome.VERIFIED, alone.claim(second).payable_fen, "paid")
    (entry,) = history(alone.ctx.vault, alone.claim(second))["family"]
    assert {code: used["deductible_fen"] for code, used in entry["used"].items()} == {
        "B1": eligible_fen(alone, first)
    }
    shown = json.dumps([entry, decide_documents(alone, second)], ensure_ascii=False)
    assert alone.settlement(first).hospital_code not in json.dumps(entry)
    assert "F-1" not in shown
    assert fsck(alone).differences == []


def decide_documents(world: World, claim: str) -> dict[str, object]:
    with world.ctx.database.reading() as session:
        row = world.claim(claim)
        settlement = session.get_one(tables.Settlement, row.settlement_id)
        return decide.inputs(world.ctx, session, row, settlement)


def test_a_familys_key_tells_nothing_without_the_vaults_key_and_is_the_editions_own(family: World) -> None:
    with family.ctx.database.reading() as session:
        rows = [enrolment.policies.policy_by_no(session, f"JHB-{index}") for index in (MOTHER, SON)]
    keys = {row.family for row in rows if row is not None}
    (key,) = keys
    assert key is not None
    assert len(key) == 64
    assert "F-1" not in key
