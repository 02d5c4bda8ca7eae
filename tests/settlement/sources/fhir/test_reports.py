"""Examinations and tests, linked to the stay they belong to."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from engine.settlement.sources.standardise import standardise
from engine.settlement.sources.verdict import errors_of
from tests.settlement.conftest import PLAIN
from tests.settlement.sources.fhir.bundles import HL7, concept
from tests.settlement.sources.fhir.conftest import ENCOUNTER, Json, read
from tests.settlement.sources.fhir.test_round_trip import DAY, mapping_for

Of = Callable[[int], Json]


@pytest.fixture
def report(bundle: Json, of: Of) -> Json:
    """Added to the bundle with one result."""
    stay = {"reference": f"Encounter/{of(ENCOUNTER)['id']}"}
    observation = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": concept("urn:his:test", "CEA", "癌胚抗原"),
        "encounter": stay,
        "valueQuantity": {"value": Decimal("5.20"), "unit": "ng/mL"},
        "referenceRange": [{"text": "0-5"}],
        "interpretation": [concept(f"{HL7}/v3-ObservationInterpretation", "H")],
    }
    document = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "identifier": [{"system": "urn:autoclaim:identifier:rpotc_no", "value": "JY0001"}],
        "status": "final",
        "code": concept("urn:his:panel", "TM", "肿瘤标志物"),
        "encounter": stay,
        "issued": "2024-09-01T16:30:00Z",
        "conclusion": "癌胚抗原略高",
        "result": [{"reference": "Observation/o1"}],
    }
    bundle["entry"] += [{"resource": observation}, {"resource": document}]
    return document


def test_a_report_is_a_record_of_the_stay_it_belongs_to(bundle: Json, report: Json) -> None:
    settlement, raw = read(bundle)
    assert (settlement.kind, raw.kind) == ("settlement", "report")
    assert raw.key == PLAIN["setlinfo"]["mdtrt_id"]
    record = standardise(raw, mapping_for(PLAIN), DAY)
    assert errors_of(record) == []
    assert record.dropped == {"report/report.id": 1}
    assert record.body == {
        "rpotc_no": "JY0001",
        "mdtrt_id": PLAIN["setlinfo"]["mdtrt_id"],
        "fixmedins_code": PLAIN["setlinfo"]["fixmedins_code"],
        "rpt_date": "2024-09-02 00:30:00",
        "exam_item_code": "urn:his:panel|TM",
        "exam_item_name": "肿瘤标志物",
        "exam_ccls": "癌胚抗原略高",
        "result": [
            {
                "exam_item_detl_code": "urn:his:test|CEA",
                "exam_item_detl_name": "癌胚抗原",
                "exam_rslt_val": "5.20",
                "exam_unt": "ng/mL",
                "ref_val": "0-5",
                "exam_rslt_abn": "H",
            }
        ],
    }


@pytest.mark.parametrize(
    ("changed", "rule", "place"),
    [
        ({"encounter": {"reference": "Encounter/gone"}}, "no_stay", ""),
        ({"status": "preliminary"}, "not_final", "/status"),
        ({"conclusion": {"text": "?"}}, "resource", "/conclusion"),
    ],
)
def test_a_report_of_no_stay_not_final_or_not_valid_says_so(
    bundle: Json, report: Json, changed: Json, rule: str, place: str
) -> None:
    report |= changed
    _, raw = read(bundle)
    found: list[Any] = [(violation.rule, violation.field) for violation in raw.violations]
    assert found == [(f"source.fhir.{rule}", f"/entry/7/resource{place}")]


def test_a_worded_result_is_read_as_its_words(bundle: Json, report: Json) -> None:
    observation = bundle["entry"][6]["resource"]
    del observation["valueQuantity"]
    for value, words in (
        ({"valueString": "未见异常"}, "未见异常"),
        ({"valueCodeableConcept": {"text": "阴性"}}, "阴性"),
    ):
        bundle["entry"][6]["resource"] = {**observation, **value}
        _, raw = read(bundle)
        assert raw.nodes["result"][0]["result.value"] == words  # type: ignore[index]
