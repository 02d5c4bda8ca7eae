"""A discharge on its way through a provider's node: what is asked, of whom, and where it comes to rest."""

import json
from datetime import date
from typing import Any

import pytest
from sqlmodel import select

from engine.errors import Conflict, NotAllowed, Refused
from engine.evidence.documents import settlement_reference
from engine.evidence.manifest import subject_of
from engine.matching.voprf import EpochKey
from engine.provider import intake, reports, sealed, tables
from tests.chain.world import word
from tests.provider.site import HOSPITAL, INSURED, NO_ANSWER, STRANGER, Native, Site, alarms, stay

OTHER = ("01", STRANGER["certno"])


def moves(site: Site, row: tables.Discharge) -> list[str]:
    with site.node.database.reading() as session:
        found = session.exec(select(tables.Move).where(tables.Move.discharge_id == row.id)).all()
    return [one.to_state for one in found]


def test_of_a_matched_person_with_live_consent_what_the_purpose_lists_leaves_and_nothing_else(
    site: Site,
) -> None:
    cover = site.chain.cover(site.chain.grant())
    site.insurer.publish(1, cover)
    native = stay()
    row = site.through(native)
    assert (row.state, moves(site, row)) == ("accepted", ["asked", "matched", "released", "accepted"])
    [(hospital, epoch, discharge, elements)] = site.insurer.asked
    assert (hospital, epoch, len(elements)) == (HOSPITAL, 1, 2)
    [release] = site.insurer.released
    assert set(release) == {
        *("protocol", "epoch", "discharge", "handle", "authorization", "mode", "document"),
        *("setl_id", "salt", "padding"),
    }
    assert (release["discharge"], release["handle"], release["mode"]) == (
        discharge,
        cover.handle,
        "settlement",
    )
    left = json.dumps(release, ensure_ascii=False)
    info = native["setlinfo"]
    for personal in (*INSURED[1:], info["mdtrt_id"]):
        assert personal not in left
    assert info["setl_id"] not in json.dumps(release["document"]), "its number is in the opening alone"
    salts = sealed.salts(site.node.vault, row)
    assert (release["setl_id"], release["salt"]) == (info["setl_id"], salts.settlement_reference.hex())
    assert release["document"]["setlinfo"]["setl_id"] == settlement_reference(info["setl_id"], salts)


def test_of_a_person_in_no_roll_nothing_ever_leaves_but_one_question(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    row = site.through(stay(**STRANGER))
    site.work()
    assert (row.state, row.reason) == ("nobodys", "match.not_in_roll")
    assert [len(elements) for *_, elements in site.insurer.asked] == [2]
    assert site.insurer.released == []


def test_a_question_looks_the_same_whoever_it_is_about_and_never_the_same_twice(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    for native in (stay(), stay(), stay(**STRANGER)):
        site.accept(native)
    site.work()
    asked = [(discharge, *elements) for *_, discharge, elements in site.insurer.asked]
    assert [[len(part) for part in one] for one in asked] == [[64, 32, 32]] * 3
    assert len({part for one in asked for part in one}) == 9


def test_another_persons_consent_releases_nothing_and_nobody_can_rule_that_it_does(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant(OTHER)))
    native = stay()
    row = site.through(native)
    assert (row.state, row.reason) == ("doubtful", "consent.other_person")
    reports.rule(site.node, HOSPITAL, row.setl_id, is_insured=True, who="registrar")
    site.work()
    row = site.row(native)
    assert (row.state, row.reason) == ("doubtful", "consent.other_person")
    assert site.insurer.released == []
    reports.rule(site.node, HOSPITAL, row.setl_id, is_insured=False, who="registrar")
    assert site.row(native).state == "nobodys"


def test_another_persons_consent_under_a_subject_made_up_for_the_patient_is_not_what_the_chain_holds(
    site: Site,
) -> None:
    theirs, salt = site.chain.grant(OTHER), word()
    made_up = {"subject": "0x" + subject_of(*INSURED[:2], salt).hex(), "subject_salt": salt.hex()}
    site.insurer.publish(1, site.chain.cover(theirs, **made_up))
    row = site.through(stay())
    assert (row.state, row.reason) == ("no_consent", "consent.other_subject")
    assert site.insurer.released == []


def test_consent_given_under_another_certificate_is_for_a_person_here_to_judge(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant(OTHER), subject_salt=None))
    mine, not_mine = stay(), stay()
    for native in (mine, not_mine):
        row = site.through(native)
        assert (row.state, row.reason) == ("doubtful", "consent.other_certificate")
    for native, is_insured in ((mine, True), (not_mine, False)):
        setl_id = native["setlinfo"]["setl_id"]
        reports.rule(site.node, HOSPITAL, setl_id, is_insured=is_insured, who="registrar")
    site.work()
    assert (site.row(mine).state, site.row(not_mine).state) == ("accepted", "nobodys")
    assert len(site.insurer.released) == 1


def test_a_key_that_is_swapped_for_one_victim_is_refused_and_raises_an_alarm(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    site.insurer.evaluates_with = EpochKey.derive(word(), 1)
    victim, other = stay(), stay(**STRANGER)
    assert (site.through(victim).state, alarms(site)) == ("kept", ["match.proof"])
    assert site.insurer.released == []
    site.insurer.evaluates_with = None
    assert site.through(other).state == "nobodys"
    assert site.row(victim).state == "accepted", "and it goes on once it is answered honestly"


def test_a_roll_under_another_key_than_the_chains_is_not_taken_in(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()), key=EpochKey.derive(word(), 1))
    native = stay()
    row = site.through(native)
    assert (row.state, row.reason) == ("kept", "provider.no_roll")
    assert (alarms(site), site.insurer.asked) == (["match.update_refused"], [])


def test_a_crash_after_the_answer_asks_no_second_question(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    site.insurer.refuses_releases = NO_ANSWER
    native = stay()
    assert site.through(native).state == "released"
    site.open_again()
    site.insurer.refuses_releases = None
    site.work()
    assert site.row(native).state == "accepted"
    assert (len(site.insurer.asked), len(site.insurer.released)) == (1, 1)


def test_what_a_task_sets_aside_while_its_question_is_out_goes_no_further(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    evaluate = site.insurer.evaluate

    def meanwhile(*asked: Any) -> Any:
        with site.node.database.transaction() as session:
            session.exec(select(tables.Discharge)).one().task_id = "0x01"
        return evaluate(*asked)

    site.insurer.evaluate = meanwhile  # type: ignore[method-assign]
    row = site.through(stay())
    assert (row.state, row.task_id, row.attempts) == ("kept", "0x01", 0)
    assert (site.insurer.released, alarms(site)) == ([], [])


def test_another_name_under_the_certificate_waits_for_a_person_here(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()), name="测试丙")
    mine, not_mine = stay(), stay()
    for native in (mine, not_mine):
        row = site.through(native)
        assert (row.state, row.reason) == ("doubtful", "match.name_differs")
    assert reports.doubtful(site.node.database) == {"match.name_differs": 2}
    for native, is_insured in ((mine, True), (not_mine, False)):
        setl_id = native["setlinfo"]["setl_id"]
        reports.rule(site.node, HOSPITAL, setl_id, is_insured=is_insured, who="registrar")
    site.work()
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    site.work()
    assert (site.row(mine).state, site.row(not_mine).state) == ("accepted", "nobodys")
    assert len(site.insurer.released) == 1


def test_a_newborn_without_a_certificate_is_not_asked_about(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    native = stay(nwb_age="3")
    for name in ("patn_cert_type", "certno"):
        del native["setlinfo"][name]
    row = site.through(native)
    assert (row.state, row.reason, site.insurer.asked) == ("doubtful", "identity.newborn", [])
    with pytest.raises(Conflict):
        reports.rule(site.node, HOSPITAL, row.setl_id, is_insured=True, who="registrar")


@pytest.mark.parametrize(
    ("cover", "state", "reason"),
    [
        ({"expires": "2025-02-25"}, "nobodys", "match.no_policy"),
        ({"effective": "2025-03-02"}, "nobodys", "match.no_policy"),
        ({"expires": "2025-02-26"}, "accepted", "1 claim(s)"),
        ({"effective": "2025-03-01"}, "accepted", "1 claim(s)"),
        ({"cancelled_on": "2025-02-26"}, "nobodys", "match.no_policy"),
        ({"cancelled_on": "2025-02-28"}, "doubtful", "match.cancelled_during_stay"),
    ],
)
def test_a_stay_is_held_against_the_dates_of_the_cover(
    site: Site, cover: dict[str, str], state: str, reason: str
) -> None:
    dates = {name: date.fromisoformat(day) for name, day in cover.items()}
    site.insurer.publish(1, site.chain.cover(site.chain.grant(), **dates))
    row = site.through(stay())
    assert (row.state, row.reason) == (state, reason)


def test_news_of_the_roll_are_looked_up_for_earlier_discharges_without_another_question(site: Site) -> None:
    site.insurer.publish(1)
    native = stay()
    row = site.through(native)
    assert (row.state, row.reason) == ("nobodys", "match.withdrawn_from_roll")
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    site.work()
    assert (site.row(native).state, len(site.insurer.asked)) == ("accepted", 1)


def test_what_was_asked_under_a_withdrawn_key_is_asked_again_under_the_next(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()), name="测试丙")
    native = stay()
    assert site.through(native).state == "doubtful"
    site.insurer.publish(site.insurer.new_epoch(), site.chain.cover(site.chain.grant()))
    site.chain.client.catalog.withdraw_matching_key(site.chain.roll, 1)
    reports.rule(site.node, HOSPITAL, native["setlinfo"]["setl_id"], is_insured=True, who="registrar")
    site.work()
    assert (site.row(native).state, site.row(native).reason) == ("kept", "match.epoch_withdrawn")
    site.work()
    assert site.row(native).state == "accepted"
    assert [epoch for _, epoch, *_ in site.insurer.asked] == [1, 2]


def test_nothing_is_asked_under_a_key_that_no_longer_stands_on_chain(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    assert site.through(stay(**STRANGER)).state == "nobodys"
    site.chain.client.catalog.withdraw_matching_key(site.chain.roll, 1)
    row = site.through(stay())
    assert (row.state, row.reason, len(site.insurer.asked)) == ("kept", "provider.no_roll", 1)


def test_a_body_that_breaks_rules_is_answered_with_all_of_them_and_kept_once(site: Site) -> None:
    native = stay(certno="not a certificate", dscg_time="2025-13-01")
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            site.accept(native)
    fields = {violation["field"] for violation in refused.value.violations}
    assert {"/setlinfo/certno", "/setlinfo/dscg_time"} <= fields
    assert reports.status(site.node.database)["refused"] == 1


def test_the_same_settlement_again_is_one_and_other_content_under_its_number_is_a_conflict(
    site: Site,
) -> None:
    native = stay()
    first = intake.accept(site.node, json.dumps(native).encode())
    assert intake.accept(site.node, json.dumps(native, indent=1).encode()) == first
    changed: Native = {**native, "setlinfo": {**native["setlinfo"], "psn_name": "测试丁"}}
    with pytest.raises(Conflict):
        site.accept(changed)
    with pytest.raises(NotAllowed):
        site.accept(stay(fixmedins_code="H31010100002"))
    assert reports.status(site.node.database)["discharges"]["kept"] == 1
