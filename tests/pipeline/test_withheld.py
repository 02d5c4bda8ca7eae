"""Terms travel to the data: a node decides, only its decision leaves, and it is paid as any other."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engine.adjudication.reopening import result_of
from engine.errors import Conflict, Unavailable
from engine.evidence.anchors import Anchor
from engine.evidence.report import Outcome
from engine.evidence.verify import verify_bundle
from engine.pipeline import (
    audit,
    decide,
    remittance,
    reopen,
)
from engine.store import claims
from tests.pipeline import further
from tests.pipeline.deciding_provider import (
    DecidingProvider,
    Message,
    altered,
    decided_by_node,
    decision_of,
    paid,
)
from tests.pipeline.reopening import AUGUST, DECEMBER, OCTOBER
from tests.pipeline.test_audit import Endpoint
from tests.pipeline.world import DEDUCTIBLE_FEN, OURS, THEIRS, World, policy_no

PERSONAL = ("psn_name", "certno", "patn_cert_type", "brdy", "gend", "age")
VIP = {"ward_type": "special"}
WITHHELD, UNANNOUNCED = ["document settlement", "adjudication"], ["contracts"]
"""Steps of a verification: what the settlement is needed for; what a published manifest is."""


@pytest.fixture
def provider(world: World, tmp_path: Path) -> Iterator[DecidingProvider]:
    provider = DecidingProvider(world, tmp_path / "provider")
    yield provider
    provider.node.close()


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
        theirs, ours = decision_of(world, claim), decision_of(world, sent)
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


def test_it_goes_on_chain_and_is_paid_and_its_evidence_says_what_could_not_be_checked(
    either: World, tmp_path: Path
) -> None:
    world, provider = either, DecidingProvider(either, tmp_path / "provider")
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
    provider.node.close()


def test_of_the_bill_nothing_leaves_but_what_the_decision_is(
    world: World, provider: DecidingProvider
) -> None:
    native = world.native(0, admitted=AUGUST, self_paid_fen=900_000)
    decided_by_node(world, provider, native)
    second = world.native(0, discharge_way="5")
    decided_by_node(world, provider, second)
    for bill in (native, second):
        left = "\n".join(raw.decode() for _, raw in provider.wire.said)
        info, told = bill["setlinfo"], {int(number) for number in re.findall(r"(?<=: )\d{4,}(?=[,}])", left)}
        texts = {str(info[name]) for name in ("psn_name", "certno", "mdtrt_id", "brdy", "bill_no")}
        for part in ("diseinfo", "oprninfo", "feedetail"):
            said = {value for one in bill[part] for name, value in one.items() if name.endswith(_NAMED)}
            texts |= {value for value in said if len(value) > 3}
        amounts = {one["det_item_fee_sumamt"] for one in bill["feedetail"]}
        amounts |= {info[name] for name in info if name.endswith(("amt", "selfpay", "pay"))}
        assert not {text for text in texts if text in left}
        assert not {one for one in amounts if one in left}
        # How much was eligible is the decision's own: by these terms the cost that no fund pays for.
        eligible = {one["eligible_fen"] for one in decision_of(world, provider.claim(bill))["benefits"]}
        eligible |= {_fen(info["fulamt_ownpay_amt"]) + _fen(info["overlmt_selfpay"])}
        assert not {fen for fen in map(_fen, amounts) if fen >= 1000} - eligible & told
    assert [kind for kind, _ in provider.wire.said] == ["case", "decision"] * 2
    claim = world.claim(provider.claim(native))
    assert (world.settlement(claim.claim_id).body_sealed, decision_of(world, claim.claim_id)["trace"]) == (
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
        provider.wire.alter["decision"] = altered(changes)
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
    ({"task_id": "today's"}, "case.invalid"),
]


def test_a_case_that_the_chain_does_not_bear_out_is_not_decided(
    world: World, provider: DecidingProvider
) -> None:
    natives = [world.native(index) for index in range(len(CASE_LIES))]
    for native, (changes, code) in zip(natives, CASE_LIES, strict=True):
        provider.wire.alter["answer"] = altered(changes)
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
    assert decision_of(world, claim)["benefits"][-1]["deductible_fen"] < DEDUCTIBLE_FEN
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


def test_each_policy_of_a_person_is_decided_on_what_those_before_it_pay(world: World, tmp_path: Path) -> None:
    further.loaded(world)
    for index in range(2):
        further.insured(world, index)
    modes = dict.fromkeys(("huhuibao", further.PRODUCT), "decision")
    provider = DecidingProvider(world, tmp_path / "provider", modes)
    native = world.native(0, self_paid_fen=4_000_000)
    sent = world.send(_as_of(world, native, 1)).claim_id
    world.decided(sent)
    provider.discharge(native)
    for _ in further.in_order(world, sent):
        held = [claim for claim in provider.claims(native) if claim.startswith("clm_")]
        decide.decide_batch(world.ctx, world.batch(*held))
        reopen.reopen_touched(world.ctx, 10)
        provider.work()
        provider.answer_wanted()
    assert provider.row(native).reason == "2 claim(s)"
    decide.decide_batch(world.ctx, world.batch(*provider.claims(native)))
    decided = further.in_order(world, provider.claims(native)[0])
    whole = further.in_order(world, sent)
    fen = [(world.claim(claim).payable_fen, world.state(claim)) for claim in decided]
    assert fen == [(world.claim(claim).payable_fen, world.state(claim)) for claim in whole]
    assert all(payable > 0 for payable, _ in fen)
    provider.node.close()


def test_where_one_purpose_has_the_settlement_released_nothing_is_withheld_for_another(
    world: World, tmp_path: Path
) -> None:
    further.loaded(world)
    further.insured(world, 0)
    modes = {"huhuibao": "decision", further.PRODUCT: "settlement"}
    provider = DecidingProvider(world, tmp_path / "provider", modes)
    assert provider.discharge(world.native(0)).reason == "2 claim(s)"
    assert [kind for kind, _ in provider.wire.said] == ["release", "release"]
    provider.node.close()


def test_consent_that_is_revoked_gets_neither_a_question_nor_a_decision(
    world: World, provider: DecidingProvider
) -> None:
    world.revoke(0)
    row = provider.discharge(world.native(0))
    assert row.state == "no_consent"
    assert provider.wire.said == []
