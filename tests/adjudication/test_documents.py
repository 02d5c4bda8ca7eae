"""Coverage and history documents in, decision documents out."""

import re
from pathlib import Path
from typing import Any

import pytest

from engine.adjudication import ENGINE_VERSION, Coverage, DocumentInvalid, History
from engine.adjudication.messages import REASONS, STEPS
from tests.adjudication.builder import decide, line, stay, terms

COVERAGE: dict[str, Any] = {
    "policy_no": "P-1",
    "product": "huhuibao",
    "edition": "2021",
    "person": {"cert_type": "01", "cert_no": "11010519491231002X", "name": "示例"},
    "effective": "2021-07-01",
    "expires": "2022-06-30",
    "pre_existing": [],
    "continuous_years": 0,
    "claim_free_years": 0,
    "payee": {"account": "6222000000000000"},
}


def rules_of(error: DocumentInvalid) -> set[tuple[str, str]]:
    return {(violation.field, violation.rule) for violation in error.violations}


def test_who_is_insured_and_who_is_paid_may_be_left_out() -> None:
    minimised = {k: v for k, v in COVERAGE.items() if k not in ("policy_no", "person", "payee")}
    assert Coverage.parse(minimised) == Coverage.parse(COVERAGE)


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"pre_existing": None}, "/pre_existing", "coverage.required"),
        ({"pre_existing": "tumour"}, "/pre_existing", "coverage.type"),
        ({"claim_free_year": 3}, "/claim_free_year", "coverage.unknown_key"),
        ({"claim_free_years": -1}, "/claim_free_years", "coverage.type"),
        ({"continuous_years": 1.0}, "/continuous_years", "coverage.type"),
        ({"effective": "2021-02-29"}, "/effective", "coverage.date"),
        ({"expires": "2021-06-30"}, "/expires", "coverage.dates"),
        ({"edition": 2021}, "/edition", "coverage.type"),
        ({"renewed": "yes"}, "/renewed", "coverage.type"),
    ],
)
def test_a_wrong_coverage_names_its_field_and_rule(change: dict[str, Any], field: str, rule: str) -> None:
    document = {k: v for k, v in (COVERAGE | change).items() if v is not None}
    with pytest.raises(DocumentInvalid) as raised:
        Coverage.parse(document)
    assert rules_of(raised.value) == {(field, rule)}


def test_a_wrong_document_names_every_violation_and_repeats_no_value() -> None:
    with pytest.raises(DocumentInvalid) as raised:
        Coverage.parse(COVERAGE | {"effective": "secret", "pre_existing": [""], "edition": ""})
    assert len(raised.value.violations) == 3
    assert "secret" not in str(raised.value)


def test_a_history_that_is_not_decision_documents_is_refused() -> None:
    with pytest.raises(DocumentInvalid) as raised:
        History.parse({"decisions": [{"decision": "maybe"}]})
    fields = {violation.field for violation in raised.value.violations}
    assert {
        "/decisions/0/decision",
        "/decisions/0/terms",
        "/decisions/0/settlement",
        "/decisions/0/used",
    } <= fields


def test_a_history_that_decides_a_settlement_twice_is_refused() -> None:
    paid = decide(stay([line("30000")])).document()
    with pytest.raises(DocumentInvalid) as raised:
        History.of([paid, paid])
    assert rules_of(raised.value) == {("/decisions/1", "history.repeated")}


def test_the_decision_document_has_its_public_form() -> None:
    document = decide(stay([line("30000")])).document()
    assert set(document) == {
        *("decision", "payable_fen", "benefits", "reasons", "trace", "clauses"),
        *("terms", "terms_digest", "engine_version", "settlement", "used"),
    }
    assert document["terms_digest"] == terms("huhuibao-2021").digest_hex
    assert document["engine_version"] == ENGINE_VERSION
    assert document["benefits"] == [
        {
            "code": "B1",
            "name": {"zh": "特定住院自费医疗费用", "en": "Inpatient self-paid medical costs"},
            "eligible_fen": 30_000_00,
            "deductible_fen": 20_000_00,
            "ratio": "0.70",
            "payable_fen": 7_000_00,
        }
    ]
    assert document["settlement"] == {
        "fixmedins_code": "H31010100001",
        "setl_id": "S-1",
        "adm": "2021-09-01",
        "dscg": "2021-09-11",
        "settled": "2021-09-10T16:00:00Z",
    }


def test_the_trace_can_be_followed_from_the_bill_to_the_money() -> None:
    trace = decide(stay([line("30000")])).document()["trace"]
    assert [step["step"] for step in trace] == [
        "policy.period",
        "benefit.eligible",
        "benefit.deductible",
        "benefit.ratio",
        "benefit.rounded_year",
        "decision",
    ]
    assert trace[2]["zh"] == "年度免赔额20,000.00元，此前已扣0.00元，本次扣20,000.00元，余10,000.00元。"
    assert trace[3]["en"] == "At 0.70 (standard) this comes to 7,000.00 yuan."
    assert {step["rule"] for step in trace} == {"huhuibao-2021", "huhuibao-2021/B1"}


def test_every_reason_and_step_has_its_wording_and_every_wording_its_use() -> None:
    room = Path(__file__).resolve().parents[2] / "engine" / "adjudication"
    source = "".join(
        path.read_text(encoding="utf-8") for path in room.glob("*.py") if path.name != "messages.py"
    )
    used = set(re.findall(r'"((?:[a-z_]+\.)+[a-z_]+|decision)"', source))
    assert set(REASONS) | set(STEPS) <= used
