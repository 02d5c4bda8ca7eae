"""Evidence forms: what stays, what is replaced, what is refused."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from engine.evidence.canonical import commitment, digest
from engine.evidence.consent import grant_hash, read_consent, recover_signer
from engine.evidence.documents import (
    Payment,
    coverage_document,
    coverage_for_adjudication,
    decision_elsewhere,
    decision_of_family,
    payment_document,
    settlement_document,
    settlement_reference,
)
from engine.evidence.errors import DocumentInvalid, ProofInvalid
from engine.evidence.manifest import claim_key, hex32, scope_of, subject_of, terms_register, terms_root
from engine.evidence.salts import AuthorizationSalts, ClaimSalts, PolicySalts
from engine.settlement.minimise import document_of
from tests.evidence.world import COVERAGE, SECRETS, World, settlement

RNG: Callable[[int], bytes] = random.Random(5).randbytes
POLICY = PolicySalts.generate(RNG)
CLAIM = ClaimSalts.generate(RNG)


def test_a_coverage_keeps_what_decides_and_commits_to_who() -> None:
    document = coverage_document(COVERAGE, POLICY, b"\x07" * 32)
    assert coverage_for_adjudication(document) == {
        name: value for name, value in COVERAGE.items() if name not in ("policy_no", "person", "payee")
    }
    assert document["policy_commitment"] == hex32(commitment(POLICY.policy, COVERAGE["policy_no"]))
    assert document["person_commitment"] == hex32(commitment(POLICY.person, COVERAGE["person"]))
    assert document["payee_commitment"] == hex32(commitment(POLICY.payee, COVERAGE["payee"]))
    assert document["subject"] == "0x" + "07" * 32


def test_a_coverage_says_nothing_of_the_family() -> None:
    named = COVERAGE | {"family": "F-17"}
    assert coverage_document(named, POLICY, b"\x07" * 32) == coverage_document(COVERAGE, POLICY, b"\x07" * 32)


ELSEWHERE: dict[str, Any] = {
    "terms": {"product": "other", "edition": "1"},
    "decision": "pay",
    "payable_fen": 900,
    "benefits": [{"code": "B1", "payable_fen": 700}, {"code": "DAYS", "payable_fen": 200}],
    "settlement": {"fixmedins_code": "H1", "setl_id": "E-1", "adm": "2024-08-01"},
    "used": {
        "B1": {"deductible_fen": 50, "paid_fen": 700, "limits": {"drug": {"X": 1}}},
        "DAYS": {"deductible_fen": 0, "paid_fen": 200, "limits": {}},
    },
    "trace": ["everything"],
}


def test_of_another_policys_decision_a_history_holds_what_of_the_cost_it_pays() -> None:
    entry = decision_elsewhere(ELSEWHERE, fixed={"DAYS"})
    assert entry == {
        "terms": ELSEWHERE["terms"],
        "decision": "pay",
        "settlement": ELSEWHERE["settlement"],
        "used": {"all": {"deductible_fen": 0, "paid_fen": 700, "limits": {}}},
    }
    ruled = ELSEWHERE | {"decision": "review", "payable_fen": 0, "used": {}, "ruling": {"payable_fen": 333}}
    assert decision_elsewhere(ruled, fixed={"DAYS"})["used"]["all"]["paid_fen"] == 333
    nothing = ELSEWHERE | {"decision": "nothing", "payable_fen": 0, "benefits": [], "used": {}}
    assert (decision_elsewhere(nothing)["decision"], decision_elsewhere(nothing)["used"]) == ("nothing", {})


def test_of_a_familys_decision_a_history_holds_what_it_bore_and_not_where() -> None:
    assert decision_of_family(ELSEWHERE) == {
        "terms": ELSEWHERE["terms"],
        "decision": "pay",
        "settlement": {"fixmedins_code": "withheld", "setl_id": "E-1", "adm": "2024-08-01"},
        "used": {"B1": {"deductible_fen": 50, "paid_fen": 0, "limits": {}}},
    }


@pytest.mark.parametrize("bad", [{"person": {}}, {"policy_no": "P"}, {**COVERAGE, "subject": "0x"}])
def test_a_coverage_without_its_person_or_with_commitments_of_its_own_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(DocumentInvalid, match="coverage"):
        coverage_document(bad, POLICY, b"\x07" * 32)


def test_a_settlement_carries_a_reference_instead_of_its_number() -> None:
    minimised = document_of(settlement())
    document = settlement_document(minimised, CLAIM)
    assert document["setlinfo"]["setl_id"] == settlement_reference(SECRETS[4], CLAIM)
    assert SECRETS[4] not in str(document)
    assert {**document, "setlinfo": {**document["setlinfo"], "setl_id": SECRETS[4]}} == minimised


def test_a_native_settlement_is_no_evidence() -> None:
    with pytest.raises(DocumentInvalid, match="minimise"):
        settlement_document({"setlinfo": {"setl_id": "1", "psn_name": SECRETS[1]}}, CLAIM)


def test_a_payment_states_its_time_in_utc() -> None:
    shanghai = timezone(timedelta(hours=8))
    payment = Payment("pay_1", 1, 100, 0, "B", datetime(2024, 11, 20, 7, 0, 5, tzinfo=shanghai))
    assert payment_document(payment, "0x")["settled_at"] == "2024-11-19T23:00:05Z"


def test_a_payment_states_what_was_set_off_where_anything_was() -> None:
    payment = Payment("pay_1", 1, 30, 0, "B", datetime(2024, 1, 1, tzinfo=UTC), 70)
    assert payment_document(payment, "0x")["set_off_fen"] == 70
    assert "set_off_fen" not in payment_document(replace(payment, set_off_fen=0), "0x")


@pytest.mark.parametrize(
    "payment",
    [
        Payment("p", 1, 0, 0, "B", datetime(2024, 1, 1, tzinfo=UTC)),
        Payment("p", 0, 1, 0, "B", datetime(2024, 1, 1, tzinfo=UTC)),
        Payment("p", 1, 1, -1, "B", datetime(2024, 1, 1, tzinfo=UTC)),
        Payment("p", 1, 1, 0, "B", datetime(2024, 1, 1)),  # noqa: DTZ001
    ],
)
def test_a_payment_of_nothing_or_without_its_time_zone_is_refused(payment: Payment) -> None:
    with pytest.raises(DocumentInvalid, match="payment"):
        payment_document(payment, "0x")


def test_a_claims_name_depends_on_all_three_identifiers_and_the_salt() -> None:
    names = {
        claim_key("H31010100001", "S1", "P1", CLAIM),
        claim_key("H31010100002", "S1", "P1", CLAIM),
        claim_key("H31010100001", "S2", "P1", CLAIM),
        claim_key("H31010100001", "S1", "P2", CLAIM),
        claim_key("H31010100001", "S1", "P1", ClaimSalts.generate(RNG)),
    }
    assert len(names) == 5
    assert claim_key("H31010100001", "S1", "P1", CLAIM) in names


def test_the_next_version_keeps_the_claims_name_and_no_other_secret() -> None:
    following = CLAIM.for_next_version(RNG).to_hex()
    same = {name for name, salt in CLAIM.to_hex().items() if following[name] == salt}
    assert same == {"claim_key", "settlement_reference"}


def test_salts_survive_storage_and_show_nothing_when_printed() -> None:
    assert ClaimSalts.from_hex(CLAIM.to_hex()) == CLAIM
    assert CLAIM.decision.hex() not in repr(CLAIM)


@pytest.mark.parametrize("bad", [{}, {"policy": "00" * 32}, {"policy": "x", "person": "x", "payee": "x"}])
def test_salts_that_are_incomplete_or_unreadable_are_refused(bad: dict[str, str]) -> None:
    with pytest.raises(DocumentInvalid):
        PolicySalts.from_hex(bad)
    with pytest.raises(DocumentInvalid):
        AuthorizationSalts(b"short", b"\0" * 32)


def test_public_digests_are_plain_and_personal_ones_salted() -> None:
    scope = {"purpose": "p", "recipient": "r", "product": "x"}
    assert scope_of("p", "r", "x") == digest(scope)
    register = terms_register(["0x" + "bb" * 32, "aa" * 32, "aa" * 32])
    assert register == ["0x" + "aa" * 32, "0x" + "bb" * 32]
    assert terms_root(register) == digest(register)
    salts = AuthorizationSalts.generate(RNG)
    opening = {"cert_type": "01", "cert_no": "11010519491231002X"}
    assert subject_of("01", "11010519491231002X", salts.subject) == commitment(salts.subject, opening)


def test_a_signature_has_one_accepted_form(world: World) -> None:
    """The mirrored s recovers the same key; accepting it would let a bundle's bytes change freely."""
    signed = read_consent(world.documents(settlement(), CLAIM).consent)
    registry = bytes.fromhex(world.deployment.addresses["AuthorizationRegistry"][2:])
    insured = bytes.fromhex(world.insured.address[2:])
    assert recover_signer(signed, world.client.chain_id, registry) == insured
    assert recover_signer(signed, 1, registry) != insured
    assert len(grant_hash(signed, 1, registry)) == 32
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s = int.from_bytes(signed.signature[32:64], "big")
    mirrored = signed.signature[:32] + (order - s).to_bytes(32, "big") + bytes([55 - signed.signature[64]])
    for bad in (mirrored, signed.signature[:64], b"\0" * 64 + b"\x1b", signed.signature[:64] + b"\x00"):
        with pytest.raises(ProofInvalid):
            recover_signer(signed.model_copy(update={"signature": bad}), world.client.chain_id, registry)


def test_a_consent_with_a_field_too_many_is_named() -> None:
    with pytest.raises(DocumentInvalid, match=r"/extra|/text"):
        read_consent({"extra": 1})
