"""Each audience does over HTTP what it came for, against the whole line: chain, bank and all."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from typer.testing import CliRunner

from api.cli.main import app
from api.client import ApiError, wait_until
from api.http.examples import POLICY, POLICY_CSV, REVERSAL
from engine.chain import eip712
from engine.evidence.documents import settlement_document
from engine.evidence.salts import ClaimSalts
from engine.matching.entries import ENTRY_BYTES, open_entry
from engine.matching.voprf import PROTOCOL, SUITE, Evaluated, Question, person_message
from engine.money import format_yuan
from engine.pipeline.dispatcher import Dispatcher
from engine.settlement import minimise
from tests.api.world import OURS, THEIRS, World, opened, serving, settlement
from tests.payout.bank_process import BankProcess
from tests.settlement.sources.test_x12 import what_the_guide_says
from tests.support.process import free_port

PRODUCT = Path(__file__).parents[2] / "seeds" / "products" / "huhuibao-2024.yaml"
_AT_REST = {"confirmed", "uninsured", "no_consent", "review", "nothing", "refused", "reversed"}
_IDENTITY, _NAME = "11010519491231002X", "测试甲"


class Line(World):
    """The world with everything running, and one insured person in it."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.insured: LocalAccount = Account.create()
        self.authorization_id = ""
        self.native = settlement()
        self.accepted: dict[str, Any] = {}
        self.paid: dict[str, Any] = {}

    def send(self, native: dict[str, Any]) -> dict[str, Any]:
        with self.client(OURS) as hospital:
            return hospital.post_settlement(native)

    def rests(self, claim_id: str) -> dict[str, Any]:
        """The claim, once nothing moves it any more."""
        with self.client("insurer") as insurer:

            def ask() -> dict[str, Any] | None:
                claim = insurer.claim(claim_id)
                return claim if claim["state"] in _AT_REST else None

            return wait_until(ask, timeout_s=60)

    def sign(self, typed_data: dict[str, Any]) -> str:
        return "0x" + eip712.sign(typed_data, self.insured).hex()


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder, port = tmp_path_factory.mktemp("line"), free_port()
    bank = BankProcess(folder, "--callback-url", f"http://127.0.0.1:{port}/v1/bank/callback")
    settings = {"bank_url": bank.url, "bank_key_file": Path(bank.ready["secret_file"])}
    try:
        with opened(folder / "engine", **settings) as (ctx, clock):
            line = Line(ctx, clock)
            dispatcher = Dispatcher(ctx)
            with serving(line.app, port) as line.url:
                dispatcher.start()
                _enrol(line)
                line.accepted = line.send(line.native)
                line.paid = line.rests(line.accepted["claim_id"])
                yield line
                dispatcher.stop()
    finally:
        bank.end()


def _enrol(line: Line) -> None:
    with line.client("insurer") as insurer, line.client("nobody") as person:
        insurer.load_product(PRODUCT.read_bytes())
        report = insurer.load_policies(json.dumps(POLICY).encode())
        assert (report["loaded"], report["refused"]) == (1, [])
        prepared = insurer.prepare_authorization(POLICY["policy_no"], line.insured.address)
        line.authorization_id = prepared["authorization_id"]
        [granted] = person.grant([(line.authorization_id, line.sign(prepared["typed_data"]))])
        assert granted["state"] == "granted"


def test_a_discharge_is_paid_and_the_insurer_reads_how(line: Line) -> None:
    claim = line.paid
    assert claim["state"] == "confirmed", (claim["reasons"], claim["transitions"])
    assert [move["to"] for move in claim["transitions"]] == [
        *("accepted", "matched", "decided", "recorded", "paid", "confirmed"),
    ]
    assert claim["payable_fen"] == claim["decision"]["payable_fen"] > 0
    assert claim["decision"]["trace"]
    [payout] = claim["payouts"]
    assert (payout["state"], payout["amount_fen"]) == ("confirmed", claim["payable_fen"])
    with line.client("insurer") as insurer:
        assert payout in list(insurer.payouts(state="confirmed"))
        assert insurer.totals()["payout_fen"] >= claim["payable_fen"]


def test_a_settlement_that_has_been_paid_answers_as_on_the_first_day(line: Line) -> None:
    assert line.send(line.native) == line.accepted


def test_the_hospital_reads_where_its_settlement_stands(line: Line) -> None:
    with line.client(OURS) as hospital:
        accepted = hospital.post_settlement(native := settlement(adm_time="2025-02-01 09:00:00"))
        view = hospital.settlement(native["setlinfo"]["setl_id"])
    assert view["claim_id"] == accepted["claim_id"]


def test_the_hospital_reads_as_x12_what_its_patient_was_paid(line: Line, tmp_path: Path) -> None:
    setl_id, (payout,) = line.native["setlinfo"]["setl_id"], line.paid["payouts"]
    with line.http(OURS) as http, line.http(THEIRS) as theirs:
        answer = http.get(f"/v1/settlements/{setl_id}/remittance")
        missed = theirs.get(f"/v1/settlements/{setl_id}/remittance")
    assert answer.headers["content-type"] == "application/edi-x12"
    assert what_the_guide_says(answer.text) == set()
    assert f"TRN*1*{payout['payout_id']}*" in answer.text
    assert f"CAS*PR*100*{format_yuan(payout['amount_fen'])}*" in answer.text
    assert (missed.status_code, missed.json()["code"]) == (404, "settlement.unknown")
    (tmp_path / "token").write_text(line.tokens[OURS])
    given = ["--api-key-file", str(tmp_path / "token"), "--url", line.url]
    printed = CliRunner().invoke(app, ["remittance", setl_id, *given])
    # The engine logs in this process too.
    assert (printed.exit_code, printed.stdout[printed.stdout.index("ISA*") :]) == (0, answer.text)
    line.rests(line.send(unpaid := settlement(certno="440524188001010014", psn_name="测试乙"))["claim_id"])
    refused = CliRunner().invoke(app, ["remittance", unpaid["setlinfo"]["setl_id"], *given])
    assert refused.exit_code == 1
    assert "no policy answers for the patient [remittance.not_paid]" in refused.stderr
    assert CliRunner().invoke(app, ["remittance", "S-NONE", *given]).exit_code == 2


def test_a_provider_that_asks_blinded_and_releases_has_its_patient_paid(line: Line) -> None:
    with line.client("operator") as operator:
        epoch = operator.rotate_roll()["epoch"]
        key = bytes.fromhex(operator.match_epochs()["items"][-1]["public_key"])
    native = settlement(adm_time="2025-01-06 09:00:00", dscg_time="2025-01-09 09:00:00")
    question = Question.of([person_message("01", _IDENTITY)])
    salts = ClaimSalts.generate(os.urandom)
    spoken = {"protocol": PROTOCOL, "epoch": epoch, "discharge": os.urandom(32).hex()}
    elements = [element.hex() for element in question.elements]
    with line.http(OURS) as http:
        raw = http.get(f"/v1/match/epochs/{epoch}/updates/0").content
        asked = {**spoken, "suite": SUITE, "elements": elements}
        answer = http.post("/v1/match/evaluations", json=asked, auth=line.signer()).json()
        evaluated = Evaluated(tuple(map(bytes.fromhex, answer["evaluated"])), bytes.fromhex(answer["proof"]))
        (person,) = question.outputs(evaluated, key)
        at = raw.index(person.tag, raw.index(b"\n"))
        (under,) = open_entry(person, epoch, raw[at : at + ENTRY_BYTES]).policies
        release = {
            **spoken,
            "mode": "settlement",
            "handle": under.handle,
            "authorization": under.authorization,
            "document": settlement_document(minimise(native, line.ctx.hospital_register()), salts),
            "setl_id": native["setlinfo"]["setl_id"],
            "salt": salts.settlement_reference.hex(),
        }
        first, again = (http.post("/v1/match/releases", json=release, auth=line.signer()) for _ in range(2))
        weaker = http.post("/v1/match/releases", json={**release, "mode": "raw"}, auth=line.signer())
    assert (first.status_code, first.json()["created"], again.json()["created"]) == (202, True, False)
    assert (weaker.status_code, weaker.json()["code"]) == (422, "request.invalid")
    claim = line.rests(first.json()["claim_id"])
    assert claim["state"] == "confirmed", claim["reasons"]
    assert [payout["state"] for payout in claim["payouts"]] == ["confirmed"]


def test_a_batch_answers_each_line_as_the_single_post_would(line: Line) -> None:
    good, wrong, theirs = settlement(), settlement(medfee_sumamt="1.00"), settlement(fixmedins_code=THEIRS)
    with line.client(OURS) as hospital:
        answers = list(hospital.post_settlements([good, wrong, theirs, b"not json", good]))
        again = list(hospital.post_settlements([good]))
    assert [answer["line"] for answer in answers] == [1, 2, 3, 4, 5]
    assert [answer["status"] for answer in answers] == [202, 422, 403, 422, 202]
    assert "/setlinfo/medfee_sumamt" in {error["field"] for error in answers[1]["errors"]}
    assert answers[2]["code"] == "settlement.other_hospital"
    assert again[0] == answers[0]
    assert answers[4] | {"line": 1} == answers[0]


def test_claims_are_filtered_and_paged_without_loss(line: Line) -> None:
    with line.client("insurer") as insurer, line.http("insurer") as http:
        for _ in range(3):
            line.rests(line.send(settlement(certno="440524188001010014", psn_name="测试乙"))["claim_id"])
        everything = list(insurer.claims())
        uninsured = list(insurer.claims(state="uninsured"))
        assert len(uninsured) >= 3
        assert {claim["state"] for claim in uninsured} == {"uninsured"}
        assert list(insurer.claims(hospital=THEIRS)) == []
        first = http.get("/v1/claims", params={"limit": 2}).json()
        second = http.get("/v1/claims", params={"limit": 2, "after": first["next"]}).json()
    assert [*first["items"], *second["items"]] == everything[:4]


def test_a_person_decides_what_is_in_review_with_a_reason(line: Line) -> None:
    newborn = {
        "patn_cert_type": "990201",
        "certno": "V310000001",
        "brdy": "2025-02-26",
        "age": 0,
        "nwb_age": 0,
    }
    native = settlement(**newborn)
    claim = line.rests(line.send(native)["claim_id"])
    assert claim["state"] == "review"
    assert claim["reasons"][0]["message_en"]
    with line.client("insurer") as insurer:
        with pytest.raises(ApiError) as refused:
            insurer.decide(claim["claim_id"], "refuse", "")
        assert refused.value.errors[0]["field"] == "/reason"
        decided = insurer.decide(claim["claim_id"], "refuse", "no policy names the newborn")
        assert decided["state"] == "refused"
        assert decided["transitions"][-1]["reason"] == "no policy names the newborn"
        assert decided["transitions"][-1]["actor"].startswith("insurer the insurer (")
        with pytest.raises(ApiError) as moved:
            insurer.decide(claim["claim_id"], "refuse", "again")
    assert (moved.value.status, moved.value.code) == (409, "claim.transition")


def test_an_auditor_verifies_a_payment_and_finds_nobody_in_it(line: Line) -> None:
    with line.client("auditor") as auditor:
        bundle = auditor.evidence(line.paid["claim_key"])
        report = auditor.verify(bundle)
        assert report["outcome"] == "verified", report
        assert (report["claim_key"], report["amount_fen"]) == (
            line.paid["claim_key"],
            line.paid["payable_fen"],
        )
        falsified = bundle.replace(b'"payable_fen":', b'"payable_fen":1', 1)
        assert auditor.verify(falsified)["outcome"] == "failed"
        assert auditor.verify(b'{"format":"other"}')["outcome"] == "failed"
        log = json.dumps(list(auditor.access_log()), ensure_ascii=False)
        events = json.dumps(auditor.chain_events())
    for personal in (_IDENTITY, _NAME, POLICY["policy_no"], POLICY["payee"]["account"]):
        assert personal not in bundle.decode()
        assert personal not in log
        assert personal not in events


def test_events_of_the_chain_are_found_by_claim_by_authorization_and_by_task(line: Line) -> None:
    with line.client("auditor") as auditor:
        by_claim = auditor.chain_events(claim_key=line.paid["claim_key"])["items"]
        by_consent = auditor.chain_events(authorization_id=line.authorization_id)["items"]
        by_task = auditor.chain_events(task_id=line.paid["task_id"])["items"]
    assert [event["event"] for event in by_claim][:2] == ["ResultRecorded", "PayoutConfirmed"]
    assert "AuthorizationGranted" in {event["event"] for event in by_consent}
    assert "TaskOpened" in {event["event"] for event in by_task}


def test_an_event_triggered_again_pays_nothing_twice(line: Line) -> None:
    with line.client("auditor") as auditor, line.http("operator") as operator:
        recorded = auditor.chain_events(claim_key=line.paid["claim_key"])["items"][0]
        path = f"/v1/chain/events/{recorded['tx_hash']}/{recorded['log_index']}:trigger"
        answer = operator.post(path)
        assert answer.status_code == 200, answer.text
        assert answer.json()["payout"]["payout_id"] == line.paid["payouts"][0]["payout_id"]
        missing = operator.post(f"/v1/chain/events/0x{'00' * 32}/0:trigger")
    assert (missing.status_code, missing.json()["code"]) == (404, "chain.transaction_unknown")
    assert len(line.rests(line.paid["claim_id"])["payouts"]) == 1


def test_evidence_of_what_is_not_paid_is_not_there_yet(line: Line) -> None:
    unpaid = line.rests(line.send(settlement(certno="440524188001010014", psn_name="测试乙"))["claim_id"])
    with line.client("auditor") as auditor, pytest.raises(ApiError) as refused:
        auditor.evidence(unpaid["claim_id"])
    assert (refused.value.status, refused.value.code) == (409, "evidence.not_yet")


def test_a_settlement_taken_back_before_payment_is_reversed_and_the_same_again_answers_the_same(
    line: Line,
) -> None:
    native = settlement(certno="440524188001010014", psn_name="测试乙")
    setl_id = native["setlinfo"]["setl_id"]
    line.rests(line.send(native)["claim_id"])
    reversal = REVERSAL | {"setl_id": setl_id}
    with line.client(OURS) as hospital:
        first = hospital.reverse(setl_id, reversal, idempotency_key="reversal-1")
        again = hospital.reverse(setl_id, reversal, idempotency_key="reversal-1")
        assert first == again
        assert first["state"] == "reversed"
        with pytest.raises(ApiError) as unknown:
            hospital.reverse("S-none", REVERSAL | {"setl_id": "S-none"})
        assert (unknown.value.status, unknown.value.code) == (404, "settlement.unknown")


def test_a_roll_is_loaded_as_csv_and_each_bad_row_is_named(line: Line) -> None:
    bad = POLICY | {"policy_no": "SHB2024-000018", "effective": "2024-02-30"}
    clash = POLICY | {"claim_free_years": 0}
    with line.client("insurer") as insurer:
        unchanged = insurer.load_policies(POLICY_CSV.encode(), content_type="text/csv")
        assert unchanged["refused"][0]["rule"] == "policy.conflict"  # the CSV names no payee
        roll = (json.dumps(row, ensure_ascii=False).encode() + b"\r\n" for row in (POLICY, bad, clash))
        report = insurer.load_policies(roll)
    assert (report["loaded"], report["unchanged"]) == (0, 1)
    assert {(row["line"], row["rule"]) for row in report["refused"]} >= {(3, "policy.conflict")}
    assert 2 in {row["line"] for row in report["refused"]}


def test_the_same_product_again_changes_nothing_and_another_under_its_edition_is_refused(line: Line) -> None:
    source = PRODUCT.read_bytes()
    with line.client("insurer") as insurer:
        loaded = insurer.load_product(source)
        assert insurer.load_product(source) == loaded
        with pytest.raises(ApiError) as other:
            insurer.load_product(source.replace(b"cap_yuan: 3100000", b"cap_yuan: 3200000"))
        assert (other.value.status, other.value.code) == (409, "terms.edition_exists")
        with pytest.raises(ApiError) as broken:
            insurer.load_product(b"product: x\n")
    assert broken.value.code == "terms.invalid"
    assert broken.value.errors[0]["rule"] == "schema.required"


def test_only_the_insured_can_withdraw_consent_and_then_nothing_is_paid_on_it(line: Line) -> None:
    """Last in this file: from here on the person has no consent."""
    with line.client("nobody") as person:
        to_sign = person.revocation_to_sign(line.authorization_id)
        forged = "0x" + eip712.sign(to_sign["typed_data"], Account.create()).hex()
        with pytest.raises(ApiError) as refused:
            person.revoke(line.authorization_id, to_sign["deadline"], forged)
        assert (refused.value.status, refused.value.code) == (422, "authorization.revocation_refused")
        assert person.authorization(line.authorization_id)["state"] == "granted"
        revoked = person.revoke(line.authorization_id, to_sign["deadline"], line.sign(to_sign["typed_data"]))
        assert revoked["state"] == "revoked"
        assert person.authorization(line.authorization_id) == revoked
        assert _NAME not in json.dumps(revoked, ensure_ascii=False)
    claim = line.rests(line.send(settlement())["claim_id"])
    assert (claim["state"], claim["payouts"]) == ("no_consent", [])
