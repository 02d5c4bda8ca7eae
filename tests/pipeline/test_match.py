"""A discharge is matched to one policy in force and a live consent, or comes to rest with its reason."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from engine.errors import Conflict
from engine.pipeline import claims, consent, enrolment, match
from tests.pipeline.world import BEGINS, ENDS, PEOPLE, World, person, policy, policy_no

STRANGER = 500
"""On no roll."""


def load(world: World, document: dict[str, object]) -> None:
    report = enrolment.load_policies(world.ctx, [json.dumps(document).encode()], "ndjson")
    assert (report.loaded, report.refused) == (1, [])


def test_insured_and_consented_is_matched(either: World) -> None:
    claim = either.accepted(0)
    either.matched(claim)
    row = either.claim(claim)
    assert (row.state, row.reasons) == ("matched", [])
    assert row.claim_key is not None
    assert row.claim_key.startswith("0x")
    assert row.authorization_id is not None


def test_a_person_on_no_roll_is_uninsured(world: World) -> None:
    claim = world.accepted(STRANGER)
    world.matched(claim)
    assert (world.state(claim), world.reasons(claim)) == ("uninsured", ["match.no_policy"])
    assert world.claim(claim).claim_key is None


@pytest.mark.parametrize(
    ("admitted", "days", "state"),
    [
        (BEGINS - timedelta(days=8), 7, "uninsured"),  # left the day before the cover began
        (BEGINS - timedelta(days=7), 7, "matched"),  # left on its first day: the terms say whether it pays
        (BEGINS, 3, "matched"),
        (ENDS, 3, "matched"),
        (ENDS + timedelta(days=1), 3, "uninsured"),
    ],
)
def test_the_cover_is_the_policys_own_days(world: World, admitted: date, days: int, state: str) -> None:
    claim = world.accepted(admitted=admitted, days=days)
    world.matched(claim)
    assert world.state(claim) == state


def test_a_late_enrolment_is_covered_from_its_own_date(world: World) -> None:
    late = policy(STRANGER, effective="2024-08-20")
    load(world, late)
    before = world.accepted(STRANGER, admitted=date(2024, 8, 1), days=5)
    after = world.accepted(STRANGER, admitted=date(2024, 8, 20), days=5)
    world.matched(before, after)
    assert world.state(before) == "uninsured"
    assert (world.state(after), world.reasons(after)) == ("no_consent", ["match.no_live_authorization"])


def test_two_policies_in_force_are_for_a_person_to_choose_from(world: World) -> None:
    load(world, policy(0, policy_no="EMPLOYER-1"))
    claim = world.accepted(0)
    world.matched(claim)
    assert (world.state(claim), world.reasons(claim)) == ("review", ["match.several_policies"])


def test_a_policy_that_begins_during_the_stay_does_not_stand_beside_the_one_on_admission(
    world: World,
) -> None:
    load(
        world,
        policy(0, policy_no="NEXT-1", effective=(ENDS + timedelta(days=1)).isoformat(), expires="2026-06-30"),
    )
    claim = world.accepted(0, admitted=ENDS - timedelta(days=2), days=6)
    world.matched(claim)
    assert world.state(claim) == "matched"


def test_without_consent_nothing_is_matched(world: World) -> None:
    load(world, policy(STRANGER))
    claim = world.accepted(STRANGER)
    world.matched(claim)
    assert (world.state(claim), world.reasons(claim)) == ("no_consent", ["match.no_live_authorization"])


def test_an_unsigned_consent_is_none(world: World) -> None:
    load(world, policy(STRANGER))
    consent.prepare_authorization(world.ctx, policy_no(STRANGER), "0x" + "12" * 20)
    claim = world.accepted(STRANGER)
    world.matched(claim)
    assert world.state(claim) == "no_consent"


def test_a_withdrawn_consent_matches_nothing(either: World) -> None:
    claim, other = either.accepted(0), either.accepted(1)
    either.revoke(0)
    either.matched(claim, other)
    assert either.state(claim) == "no_consent"
    assert either.state(other) == "matched"


def test_an_expired_consent_matches_nothing(world: World) -> None:
    claim = world.accepted(0)
    world.clock.ahead = timedelta(days=3650, seconds=1)
    world.matched(claim)
    assert world.state(claim) == "no_consent"


def test_a_patient_who_cannot_be_told_apart_is_for_a_person(world: World) -> None:
    newborn = world.accepted(0, newborn=True)
    world.matched(newborn)
    assert world.state(newborn) == "review"
    (reason,) = world.reasons(newborn)
    assert reason.startswith("identity.")


def test_the_certificate_matches_however_it_is_spelled(world: World) -> None:
    ending_in_x = next(i for i in range(1000, 2000) if person(i).cert_no.endswith("X"))
    load(world, policy(ending_in_x))
    who = person(ending_in_x)
    claim = world.accepted(who=replace(who, cert_no=who.cert_no.lower()))
    world.matched(claim)
    assert world.state(claim) == "no_consent", "insured: only the consent is missing"


UYGHUR = "阿依努尔·买买提"


@pytest.mark.parametrize("spelt", ["阿依努尔•买买提", "阿依努尔．买买提", " 阿依努尔　·　买买提 "])
def test_a_name_matches_however_it_is_spelled(world: World, spelt: str) -> None:
    load(world, policy(STRANGER, person=policy(STRANGER)["person"] | {"name": UYGHUR}))
    claim = world.accepted(who=replace(person(STRANGER), name=spelt))
    world.matched(claim)
    assert world.state(claim) == "no_consent", "insured: only the consent is missing"


def test_a_certificate_under_another_name_is_for_a_person_and_never_paid(either: World) -> None:
    """A rare character that one side could not write is another character, and no near miss."""
    claim = either.accepted(who=replace(person(0), name=person(0).name + "𣲗"))
    either.decided(claim)
    assert (either.state(claim), either.reasons(claim)) == ("review", ["match.name_differs"])
    assert either.claim(claim).policy_id is None
    assert either.payouts(claim) == []
    with pytest.raises(Conflict, match="never adjudicated"):
        claims.decide_claim(either.ctx, claim, "pay", "looks like them", "insurer test", 100)


def test_matching_again_changes_nothing(world: World) -> None:
    claim = world.accepted(PEOPLE - 1)
    batch = world.matched(claim)
    before = world.claim(claim).model_dump()
    assert match.match_batch(world.ctx, batch) == 0
    assert world.claim(claim).model_dump() == before


def test_what_was_put_right_is_matched_when_run_again(world: World) -> None:
    claim = world.accepted(STRANGER)
    world.matched(claim)
    load(world, policy(STRANGER))
    world.again(claim)
    world.matched(claim)
    assert world.state(claim) == "no_consent"
    world.consent_again(STRANGER)
    world.again(claim)
    world.matched(claim)
    assert world.state(claim) == "matched"
