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


def roll(world: World, document: dict[str, object]) -> enrolment.LoadReport:
    return enrolment.load_policies(world.ctx, [json.dumps(document).encode()], "ndjson")


def load(world: World, document: dict[str, object]) -> None:
    report = roll(world, document)
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


def test_who_is_in_no_roll_is_put_aside_for_many_at_once_as_a_batch_would(either: World) -> None:
    by_batch = either.accepted(STRANGER)
    either.matched(by_batch)
    load(either, policy(STRANGER + 3, other_certificates=[{"cert_type": "08", "cert_no": "E87654321"}]))
    renewed = either.native(0)
    renewed["setlinfo"] |= {"patn_cert_type": "08", "certno": "E87654321"}
    newborn = either.native(STRANGER)
    newborn["setlinfo"] |= {"patn_cert_type": "990201", "certno": "U123456789", "nwb_age": "3"}
    waiting = [either.accepted(0), either.send(renewed).claim_id, either.send(newborn).claim_id]
    strangers = [either.accepted(STRANGER + 1), either.accepted(STRANGER + 2)]
    assert match.rest_nobodys(either.ctx, 100) == len(strangers)
    assert [either.state(claim) for claim in waiting] == ["accepted"] * len(waiting)

    def told(claim: str) -> tuple[object, ...]:
        view = claims.get_claim(either.ctx, claim)
        moves = [{**move, "at": None} for move in view["transitions"]]
        return view["state"], either.reasons(claim), moves

    assert [told(claim) for claim in strangers] == [told(by_batch)] * len(strangers)
    assert match.rest_nobodys(either.ctx, 100) == 0


def test_whose_policy_comes_later_is_matched_though_put_aside(world: World) -> None:
    claim = world.accepted(STRANGER)
    assert match.rest_nobodys(world.ctx, 100) == 1
    load(world, policy(STRANGER))
    world.again(claim)
    assert match.rest_nobodys(world.ctx, 100) == 0
    world.matched(claim)
    assert world.state(claim) == "no_consent"


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


def of_a_newborn(world: World, mother: int) -> str:
    native = world.native(0, newborn=True)
    named = {"mother_cert_type": "01", "mother_certno": person(mother).cert_no}
    return world.send({**native, "setlinfo": native["setlinfo"] | named}).claim_id


def test_a_newborn_of_an_insured_mother_is_for_a_person_with_her_policy_named(either: World) -> None:
    newborn = of_a_newborn(either, mother=3)
    assert either.matched(newborn)
    assert (either.state(newborn), either.reasons(newborn)) == ("review", ["identity.newborn_of_insured"])
    (reason,) = either.claim(newborn).reasons
    assert policy_no(3) in reason["message_en"]
    assert either.claim(newborn).policy_id is None, "proposed, not matched"
    with pytest.raises(Conflict, match="never adjudicated"):
        claims.decide_claim(either.ctx, newborn, "pay", "hers", "insurer test", 100)


def test_a_newborn_whose_mother_is_not_insured_is_for_a_person_as_before(world: World) -> None:
    newborn = of_a_newborn(world, mother=600)
    world.matched(newborn)
    assert (world.state(newborn), world.reasons(newborn)) == ("review", ["identity.newborn"])


@pytest.mark.parametrize(
    ("insured", "sent", "state"),
    [("吴清", "吳淸", "no_consent"), ("吳淸", "吴清", "no_consent"), ("吴哲", "吴喆", "review")],
)
def test_forms_of_one_character_match_and_characters_that_are_alike_do_not(
    world: World, insured: str, sent: str, state: str
) -> None:
    load(world, policy(STRANGER, person=policy(STRANGER)["person"] | {"name": insured}))
    claim = world.accepted(who=replace(person(STRANGER), name=sent))
    world.matched(claim)
    assert world.state(claim) == state


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


def test_another_name_that_the_insurer_states_is_the_insureds(either: World) -> None:
    claim = either.accepted(who=replace(person(0), name="李 𣲗"))
    either.matched(claim)
    load(either, policy(0, other_names=["李𣲗"]))
    either.again(claim)
    either.matched(claim)
    assert either.state(claim) == "matched"


def test_a_renewed_passport_is_nobodys_until_the_insurer_states_it(either: World) -> None:
    """Then it is the same person: the same policy, the same consent, the same year."""
    native = either.native(0)
    native["setlinfo"] |= {"patn_cert_type": "08", "certno": "E87654321"}
    claim = either.send(native).claim_id
    either.decided(claim)
    assert (either.state(claim), either.payouts(claim)) == ("uninsured", [])
    load(either, policy(0, other_certificates=[{"cert_type": "08", "cert_no": "e 8765 4321"}]))
    either.again(claim)
    either.matched(claim)
    assert either.state(claim) == "matched"
    by_the_old_one = either.accepted(0)
    either.matched(by_the_old_one)
    assert either.claim(by_the_old_one).policy_id == either.claim(claim).policy_id


def test_under_a_renewed_passport_that_is_stated_it_is_paid_to_the_confirmation(world: World) -> None:
    native = world.native(0)
    native["setlinfo"] |= {"patn_cert_type": "08", "certno": "Ｅ８７６５４３２１"}
    load(world, policy(0, other_certificates=[{"cert_type": "08", "cert_no": "E87654321"}]))
    claim = world.send(native).claim_id
    world.confirmed(claim)
    assert (world.state(claim), len(world.payouts(claim))) == ("confirmed", 1)


def test_what_was_said_of_a_policy_is_said_once_and_not_taken_back(either: World) -> None:
    said = policy(0, other_names=["别名"], cancelled_on="2025-01-10")
    load(either, said)
    for again in (said, policy(0)):
        report = roll(either, again)
        assert (report.loaded, report.unchanged, report.refused) == (0, 1, [])
    (refused,) = roll(either, policy(0, cancelled_on="2025-02-10")).refused
    assert (refused["field"], refused["rule"]) == ("cancelled_on", "policy.cancellation")
    assert enrolment.get_policy(either.ctx, policy_no(0))["cancelled_on"] == date(2025, 1, 10)


@pytest.mark.parametrize(
    ("admitted", "state"),
    [
        (date(2025, 1, 6), "matched"),  # left the day before
        (date(2025, 1, 7), "review"),  # left on the first day without cover
        (date(2025, 1, 10), "uninsured"),
    ],
)
def test_a_cancelled_policy_covers_no_stay_from_that_day_on(world: World, admitted: date, state: str) -> None:
    load(world, policy(0, cancelled_on="2025-01-10"))
    claim = world.accepted(0, admitted=admitted, days=3)
    world.matched(claim)
    assert world.state(claim) == state
    assert (
        world.reasons(claim)
        == {
            "matched": [],
            "review": ["match.cancelled_during_stay"],
            "uninsured": ["match.no_policy"],
        }[state]
    )


def test_a_stay_before_the_policy_was_cancelled_is_paid(world: World) -> None:
    load(world, policy(0, cancelled_on="2025-01-10"))
    claim = world.accepted(0, admitted=date(2025, 1, 2), days=3)
    world.confirmed(claim)
    assert world.state(claim) == "confirmed"
    assert world.payout(claim).amount_fen == world.claim(claim).payable_fen > 0


@pytest.mark.parametrize("taken_back", [False, True])
def test_no_cancellation_takes_cover_away_from_a_claim(either: World, taken_back: bool) -> None:
    claim = either.accepted(0, admitted=date(2025, 1, 7), days=3)
    either.decided(claim)
    if taken_back:
        either.reverse(claim)
    refused = roll(either, policy(0, cancelled_on="2025-01-10")).refused
    assert [one["rule"] for one in refused] == ([] if taken_back else ["policy.cancellation"])
    assert roll(either, policy(0, cancelled_on="2025-01-11")).loaded == (0 if taken_back else 1)


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
