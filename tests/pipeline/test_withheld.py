"""Terms travel to the data: a node decides, only its decision leaves, and it is paid as any other."""

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.adjudication.reopening import result_of
from engine.errors import Conflict, Unavailable
from engine.evidence.anchors import Anchor
from engine.evidence.report import Outcome
from engine.evidence.verify import verify_bundle
from engine.payout.port import TransferStatus
from engine.pipeline import (
    audit,
    decide,
    disclosures,
    feed,
    matching,
    publishing,
    record,
    remittance,
    reopen,
)
from engine.pipeline import claims as ruling
from engine.pipeline.sealed import decision
from engine.pipeline.touched import touch
from engine.provider.decide import disclosure, newest
from engine.store import claims, provider_decisions
from tests.pipeline.deciding_provider import DecidingProvider, Message
from tests.pipeline.reopening import AUGUST, DECEMBER, OCTOBER
from tests.pipeline.test_audit import Endpoint
from tests.pipeline.world import DEDUCTIBLE_FEN, OURS, RATIO_PERCENT, THEIRS, World, policy_no

PERSONAL = ("psn_name", "certno", "patn_cert_type", "brdy", "gend", "age")
VIP = {"ward_type": "special"}
WITHHELD, UNANNOUNCED = ["document settlement", "adjudication"], ["contracts"]
"""Steps of a verification: what the settlement is needed for; what a published manifest is."""


@pytest.fixture
def provider(world: World, tmp_path: Path) -> Iterator[DecidingProvider]:
    provider = DecidingProvider(world, tmp_path / "provider")
    yield provider
    provider.node.close()


def decided_by_node(world: World, provider: DecidingProvider, native: Mapping[str, Any]) -> str:
    claim = provider.released(native)
    assert world.state(claim) == "matched"
    decide.decide_batch(world.ctx, world.batch(claim))
    return claim


def test_both_modes_give_the_same_fen_on_the_same_case(world: World, provider: DecidingProvider) -> None:
    """A year of one person decided at the provider, and the same bills of another one sent whole."""
    year = [
        world.native(0, admitted=AUGUST, self_paid_fen=900_000),
        world.native(0, admitted=OCTOBER),
        world.native(0, admitted=date(2024, 11, 4), self_paid_fen=50_000),
        {**(vip := world.native(0, admitted=DECEMBER)), "setlinfo": {**vip["setlinfo"], **VIP}},
        world.native(0, admitted=date(2025, 2, 3), discharge_way="5"),
        world.native(0, admitted=date(2024, 6, 28)),
    ]
    outcomes = []
    for native in year:
        whole = _as_of(world, native, 1)
        sent = world.send(whole).claim_id
        world.decided(sent)
        claim = decided_by_node(world, provider, native)
        theirs, ours = _decision(world, claim), _decision(world, sent)
        assert result_of(theirs) == result_of(ours)
        assert world.claim(claim).payable_fen == world.claim(sent).payable_fen
        assert world.state(claim) == world.state(sent)
        outcomes.append((ours["decision"], ours["payable_fen"] > 0))
    assert {one for one, _ in outcomes} == {"pay", "nothing", "review", "refuse"}


def _as_of(world: World, native: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The same stay of another person."""
    other = world.native(index)
    bill = copy.deepcopy(dict(native))
    for name in (*PERSONAL, "setl_id"):
        bill["setlinfo"][name] = other["setlinfo"][name]
    return bill


def _decision(world: World, claim: str) -> dict[str, Any]:
    found = decision(world.ctx.vault, world.claim(claim))
    assert found is not None
    return found


def paid(world: World, claim: str) -> None:
    """From decided to its end."""
    record.record_batch(world.ctx, world.batch(claim))
    feed.read_events(world.ctx)
    world.pay(claim)
    world.bank_says(claim, TransferStatus.SETTLED)
    world.confirm()


def test_it_goes_on_chain_and_is_paid_and_its_evidence_says_what_could_not_be_checked(
    world: World, provider: DecidingProvider
) -> None:
    claim = decided_by_node(world, provider, world.native(0))
    paid(world, claim)
    assert world.state(claim) == "confirmed"
    bundle = audit.evidence_bundle(world.ctx, claim)
    report = verify_bundle(bundle, Anchor(endpoint=Endpoint(world)))
    assert (report.outcome, report.amount_fen) == (Outcome.VERIFIED, world.claim(claim).payable_fen)
    assert report.document()["not_checked"] == [*WITHHELD, *UNANNOUNCED]
    for changed in ('"payable_fen":', '"commitment":"0x'):
        forged = bundle.replace(changed.encode(), changed.encode() + b"1", 1)
        assert verify_bundle(forged, Anchor(endpoint=Endpoint(world))).outcome is Outcome.FAILED
    with pytest.raises(Conflict, match="withholds"):
        remittance.remittance(world.ctx, OURS, world.settlement(claim).setl_id)


def test_of_the_bill_nothing_leaves_but_what_the_decision_is(
    world: World, provider: DecidingProvider
) -> None:
    native = world.native(0, admitted=AUGUST, self_paid_fen=900_000)
    decided_by_node(world, provider, native)
    second = world.native(0, discharge_way="5")
    decided_by_node(world, provider, second)
    for bill in (native, second):
        left = "\n".join(raw.decode() for _, raw in provider.wire.said)
        info, told = bill["setlinfo"], {int(number) for number in re.findall(r"(?<![\w.-])\d{4,}", left)}
        texts = {str(info[name]) for name in ("psn_name", "certno", "mdtrt_id", "brdy", "bill_no")}
        for part in ("diseinfo", "oprninfo", "feedetail"):
            said = {value for one in bill[part] for name, value in one.items() if name.endswith(_NAMED)}
            texts |= {value for value in said if len(value) > 3}
        amounts = {one["det_item_fee_sumamt"] for one in bill["feedetail"]}
        amounts |= {info[name] for name in info if name.endswith(("amt", "selfpay", "pay"))}
        assert not {text for text in texts if text in left}
        assert not {one for one in amounts if one in left}
        assert not {fen for fen in map(_fen, amounts) if fen >= 1000} & told
    assert [kind for kind, _ in provider.wire.said] == ["case", "decision"] * 2
    claim = world.claim(provider.claim(native))
    assert (world.settlement(claim.claim_id).body_sealed, _decision(world, claim.claim_id)["trace"]) == (
        b"",
        [],
    )


_NAMED = ("_code", "_name", "codg")


def _fen(yuan: str) -> int:
    return int(yuan.replace(".", ""))


def test_a_case_names_no_other_hospital_and_no_single_stay(world: World, provider: DecidingProvider) -> None:
    elsewhere = world.native(0, admitted=AUGUST, self_paid_fen=900_000, hospital=THEIRS)
    world.decided(world.send(elsewhere, THEIRS).claim_id)
    given: list[Any] = []
    provider.wire.alter["answer"] = lambda answer: given.append(answer) or answer
    decided_by_node(world, provider, world.native(0))
    told = json.dumps(given[0]["case"])
    assert given[0]["case"]["history"]["standing"]["earlier"] == 1
    for secret in (THEIRS, "2024-08", elsewhere["setlinfo"]["setl_id"], policy_no(0), "psn_name"):
        assert secret not in told


def _lie(changes: Mapping[str, Any]) -> Callable[[Message], Message]:
    def alter(message: Message) -> Message:
        for path, value in changes.items():
            *parents, last = path.split("/")
            node: Any = message
            for name in parents:
                node = node[int(name) if isinstance(node, list) else name]
            key = int(last) if isinstance(node, list) else last
            node[key] = node[key] + value if isinstance(value, int) else value
        return message

    return alter


DECISION_LIES: list[tuple[dict[str, Any], str]] = [
    ({"decision/payable_fen": 100, "decision/benefits/0/payable_fen": 100}, "release.decision"),
    ({"decision/terms_digest": "0x" + "00" * 32}, "release.decision"),
    ({"decision/reasons": [{"code": "x", "message_en": "C34.900"}]}, "release.decision"),
    ({"case": "00" * 32}, "release.case_moved"),
    ({"authorization": "0x" + "00" * 32}, "release.consent"),
    ({"discharge": "00" * 32}, "release.discharge_unknown"),
    ({"handle": "00" * 32}, "release.handle_unknown"),
    ({"settlement/dscg": "2024-12-30"}, "release.case_moved"),
    ({"setl_id": "S-other"}, "release.reference"),
]


def test_a_decision_that_is_not_one_of_its_case_is_refused_and_nothing_is_kept(
    world: World, provider: DecidingProvider
) -> None:
    for index, (changes, code) in enumerate(DECISION_LIES):
        provider.wire.alter["decision"] = _lie(changes)
        assert provider.discharge(world.native(index)).reason == code
        assert _claims(world) == {}


def _claims(world: World) -> dict[str, int]:
    with world.ctx.database.reading() as session:
        return claims.count_by_state(session)


CASE_LIES: list[tuple[dict[str, Any], str]] = [
    ({"case/history/standing/earlier": 1}, "case.signature"),
    ({"signature": "0x" + "11" * 65}, "case.signature"),
    ({"terms_register/0": "0x" + "00" * 32}, "case.terms"),
    ({"task_id": "0x" + "00" * 32}, "case.terms"),
    ({"terms/name/en": "better terms"}, "case.other"),
    ({"case/settlement/dscg": "2024-12-30"}, "case.other"),
    ({"case/coverage/expires": "some day"}, "case.invalid"),
]


def test_a_case_that_the_chain_does_not_bear_out_is_not_decided(
    world: World, provider: DecidingProvider
) -> None:
    natives = [world.native(index) for index in range(len(CASE_LIES))]
    for native, (changes, code) in zip(natives, CASE_LIES, strict=True):
        provider.wire.alter["answer"] = _lie(changes)
        row = provider.discharge(native)
        assert (row.state, row.reason) == ("released", code)
    assert set(provider.alarms()) == {code for _, code in CASE_LIES}
    assert provider.wire.of("decision") == []
    provider.wire.alter.clear()
    provider.work()
    assert {provider.row(native).state for native in natives} == {"accepted"}


def test_a_node_that_is_killed_between_case_and_release_sends_the_decision_that_it_made(
    world: World, provider: DecidingProvider
) -> None:
    provider.wire.alter["decision"] = _no_answer
    native = world.native(0)
    assert provider.discharge(native).state == "released"
    provider.open_again()
    provider.wire.alter.clear()
    provider.work()
    first, second = provider.wire.of("decision")
    assert (provider.row(native).state, first) == ("accepted", second)
    assert len(provider.wire.of("case")) == 1
    assert _claims(world) == {"matched": 1}


def _no_answer(message: Message) -> Message:
    raise Unavailable("no answer", code="match.insurer_unavailable")


def test_a_release_whose_answer_is_lost_is_one_claim(world: World, provider: DecidingProvider) -> None:
    taken = provider.wire.decision

    def lost(hospital_code: str, release: Mapping[str, Any]) -> str:
        taken(hospital_code, release)
        raise Unavailable("no answer", code="match.insurer_unavailable")

    native = world.native(0)
    provider.wire.decision = lost  # type: ignore[method-assign]
    assert provider.discharge(native).state == "released"
    provider.wire.decision = taken  # type: ignore[method-assign]
    provider.work()
    assert (provider.row(native).state, _claims(world)) == ("accepted", {"matched": 1})


def test_a_history_that_moves_while_it_is_decided_is_asked_for_anew(
    world: World, provider: DecidingProvider
) -> None:
    def meanwhile(message: Message) -> Message:
        provider.wire.alter.clear()
        world.decided(world.accepted(0, admitted=AUGUST, self_paid_fen=900_000))
        return message

    provider.wire.alter["decision"] = meanwhile
    native = world.native(0)
    claim = decided_by_node(world, provider, native)
    assert len(provider.wire.of("case")) == 2
    assert _decision(world, claim)["benefits"][-1]["deductible_fen"] < DEDUCTIBLE_FEN
    assert world.state(claim) == "decided"


def test_while_an_earlier_stay_is_undecided_there_is_no_case(
    world: World, provider: DecidingProvider
) -> None:
    earlier = world.accepted(0, admitted=AUGUST, self_paid_fen=900_000)
    world.matched(earlier)
    native = world.native(0)
    row = provider.discharge(native)
    assert (row.state, row.reason, provider.alarms()) == ("released", "release.case_waits", [])
    decide.decide_batch(world.ctx, world.batch(earlier))
    provider.work()
    assert provider.row(native).state == "accepted"


def test_consent_that_is_revoked_gets_neither_a_question_nor_a_decision(
    world: World, provider: DecidingProvider
) -> None:
    world.revoke(0)
    row = provider.discharge(world.native(0))
    assert row.state == "no_consent"
    assert provider.wire.said == []


def test_an_earlier_stay_that_comes_late_has_the_provider_decide_again_and_pays_the_difference(
    world: World, provider: DecidingProvider
) -> None:
    native = world.native(0)
    claim = decided_by_node(world, provider, native)
    paid(world, claim)
    before = world.claim(claim).payable_fen
    late = world.accepted(0, admitted=AUGUST, self_paid_fen=900_000)
    world.decided(late)
    assert reopen.reopen_touched(world.ctx, 10) == 1
    assert (world.state(claim), world.reasons(claim)) == ("review", ["withheld.decide_again"])
    assert reopen.reopen_touched(world.ctx, 10) == 0
    publishing.rotate(world.ctx)
    publishing.withdraw(world.ctx, 1)  # what it was matched under is gone, and it is known all the same
    assert provider.answer_wanted() == 1
    assert provider.answer_wanted() == 0
    decide.decide_batch(world.ctx, world.batch(claim))
    paid(world, claim)
    row = world.claim(claim)
    assert (row.version, row.state) == (2, "confirmed")
    used = _decision(world, late)["benefits"][-1]["deductible_fen"]
    assert row.payable_fen - before == used * RATIO_PERCENT // 100
    assert [payout.amount_fen for payout in world.payouts(claim)] == [before, row.payable_fen - before]


def test_what_is_demanded_is_disclosed_decided_here_and_then_verified_whole(
    world: World, provider: DecidingProvider
) -> None:
    native = world.native(0)
    claim = decided_by_node(world, provider, native)
    paid(world, claim)
    with pytest.raises(Conflict) as early:
        provider.wire.disclose(OURS, _disclosure(provider, native))
    assert early.value.code == "release.not_demanded"
    disclosures.demand(world.ctx, claim, "insurer test")
    assert provider.answer_wanted() == 1
    assert disclosures.wanted(world.ctx, OURS) == []
    assert matching.list_alarms(world.ctx) == []
    report = verify_bundle(audit.evidence_bundle(world.ctx, claim), Anchor(endpoint=Endpoint(world)))
    assert (report.outcome, report.document()["not_checked"]) == (Outcome.VERIFIED, UNANNOUNCED)
    before = world.claim(claim).model_dump()
    with world.ctx.database.transaction() as session:
        touch(world.ctx, session, world.claim(claim))
    reopen.reopen_touched(world.ctx, 10)
    assert world.claim(claim).model_dump() == before
    again = _disclosure(provider, native)
    provider.wire.disclose(OURS, again)


def _disclosure(provider: DecidingProvider, native: Mapping[str, Any]) -> Message:
    row, one = provider.release_of(native)
    made = newest(provider.node, one)
    assert made is not None
    return disclosure(provider.node, row, one, made)


def test_a_disclosure_that_opens_another_commitment_is_refused_with_an_alarm(
    world: World, provider: DecidingProvider
) -> None:
    claim = decided_by_node(world, provider, world.native(0))
    disclosures.demand(world.ctx, claim, "insurer test")
    provider.wire.alter["disclosure"] = _lie({"document/setlinfo/medfee_sumamt": "1.00"})
    assert (provider.answer_wanted(), provider.alarms()) == (0, ["release.disclosure"])
    assert [alarm["code"] for alarm in matching.list_alarms(world.ctx)] == ["release.disclosure_refused"]
    assert world.settlement(claim).withheld is not None
    provider.wire.alter.clear()
    assert provider.answer_wanted() == 1


def test_a_disclosed_settlement_that_decides_otherwise_is_an_alarm_and_is_decided_here(
    world: World, provider: DecidingProvider
) -> None:
    """The node says less of the eligible cost, so that all it says adds up."""
    provider.wire.alter["decision"] = _say_less
    claim = decided_by_node(world, provider, world.native(0))
    paid(world, claim)
    before = world.claim(claim).payable_fen
    disclosures.demand(world.ctx, claim, "insurer test")
    assert provider.answer_wanted() == 1
    assert [alarm["code"] for alarm in matching.list_alarms(world.ctx)] == ["release.disclosed_differs"]
    assert reopen.reopen_touched(world.ctx, 10) == 1
    paid(world, claim)
    row = world.claim(claim)
    assert (row.version, row.state, row.payable_fen - before) == (2, "confirmed", 70_00)


def _say_less(message: Message) -> Message:
    decision = message["decision"]
    (benefit,) = [one for one in decision["benefits"] if one["payable_fen"]]
    decision["payable_fen"] -= 70_00
    benefit["payable_fen"] -= 70_00
    benefit["eligible_fen"] -= 100_00
    decision["used"][benefit["code"]]["paid_fen"] -= 70_00
    return message


def test_a_sample_is_the_same_claims_each_time_and_what_is_not_answered_is_an_alarm(
    world: World, provider: DecidingProvider
) -> None:
    drawn = [decided_by_node(world, provider, world.native(index)) for index in range(6)]
    every = disclosures.sample(world.ctx, 1, "insurer test")
    assert (every["withheld"], every["demanded"]) == (6, drawn)
    some = disclosures.sample(world.ctx, 3, "insurer test")
    assert some == disclosures.sample(world.ctx, 3, "insurer test")
    assert 0 < len(some["demanded"]) < 6
    assert disclosures.overdue(world.ctx) == []
    world.clock.ahead += timedelta(days=8)
    (alarm,) = disclosures.overdue(world.ctx)
    assert (alarm["provider"], alarm["code"], alarm["seen"]) == (OURS, "release.unanswered", 6)


def test_a_node_discloses_so_many_a_day_and_no_more(world: World, tmp_path: Path) -> None:
    provider = DecidingProvider(world, tmp_path / "provider", disclosures_a_day=1)
    for index in range(3):
        decided_by_node(world, provider, world.native(index))
    disclosures.sample(world.ctx, 1, "insurer test")
    assert (provider.answer_wanted(), provider.alarms()) == (1, ["wanted.too_many"])
    world.clock.ahead += timedelta(days=1)
    assert provider.answer_wanted() == 1
    provider.node.close()


def test_a_claim_whose_settlement_is_withheld_is_ruled_on_only_once_it_is_disclosed(
    world: World, provider: DecidingProvider
) -> None:
    claim = decided_by_node(world, provider, world.native(0, discharge_way="5"))
    with pytest.raises(Conflict, match="withholds"):
        ruling.decide_claim(world.ctx, claim, "pay", "heirs seen", "insurer test", 5_000_00)
    disclosures.demand(world.ctx, claim, "insurer test")
    provider.answer_wanted()
    ruling.decide_claim(world.ctx, claim, "pay", "heirs seen", "insurer test", 5_000_00)
    assert world.state(claim) == "decided"


def test_a_withheld_settlement_is_taken_back_and_its_person_erased_as_any(
    world: World, provider: DecidingProvider
) -> None:
    claim = decided_by_node(world, provider, world.native(0))
    disclosures.demand(world.ctx, claim, "insurer test")
    assert world.reverse(claim).state == "reversed"
    with world.ctx.database.transaction() as session:
        provider_decisions.forget(session, [world.claim(claim).id or 0])
    assert disclosures.wanted(world.ctx, OURS) == []
