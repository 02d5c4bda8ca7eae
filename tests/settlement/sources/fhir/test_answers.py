"""The sender is told in FHIR of its own version, and FHIR's definitions agree."""

import copy
import json
from datetime import datetime
from typing import Any

import pytest

from engine.settlement.checks import SHANGHAI
from engine.settlement.errors import Violation
from engine.settlement.sources.fhir import Outcome, answer, claim_response, operation_outcome
from engine.settlement.sources.fhir.resources import Version, model_of
from tests.settlement.conftest import PLAIN
from tests.settlement.sources.fhir.bundles import bundle_of, claim_alone, encoded
from tests.settlement.sources.fhir.conftest import CLAIM, read

AT = datetime(2026, 1, 5, 9, 30, tzinfo=SHANGHAI)
OF_SOURCE = Violation("/entry/3/resource/item/0/net", "source.fhir.total_of_items", "is 1 but it is 2")
OF_LIST = Violation("/setlinfo/dscg_way", "settlement.field.required", "is required")


def valid(text: str, version: Version) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    model_of(version, document["resourceType"]).model_validate(document)
    return document


@pytest.fixture
def claim(version: Version) -> Any:
    return bundle_of(PLAIN, version)["entry"][CLAIM]["resource"]


def test_every_violation_is_an_issue_with_its_rule_and_its_place(version: Version) -> None:
    outcome = valid(operation_outcome([OF_SOURCE, OF_LIST], version), version)
    first, second = outcome["issue"]
    assert first["severity"] == second["severity"] == "error"
    assert first["details"]["coding"] == [{"system": "urn:autoclaim:rule", "code": OF_SOURCE.rule}]
    assert first["expression"] == ["Bundle.entry[3].resource.item[0].net"]
    assert first["code"] == "business-rule"
    assert (second["code"], second["diagnostics"]) == ("required", "/setlinfo/dscg_way: is required")
    assert "expression" not in second, "a pointer into the native body is no path into what was sent"


def test_a_place_in_a_claim_sent_alone_is_a_path_from_the_claim(version: Version) -> None:
    violation = Violation("/total", "source.fhir.currency", "must be CNY")
    outcome = valid(operation_outcome([violation], version, root="Claim", severity="warning"), version)
    assert outcome["issue"][0]["expression"] == ["Claim.total"]
    assert outcome["issue"][0]["severity"] == "warning"


def test_all_well_is_said_too(version: Version) -> None:
    (issue,) = valid(operation_outcome([], version), version)["issue"]
    assert issue["severity"] == "information"


def test_an_accepted_claim_is_queued_under_the_engines_number(version: Version, claim: Any) -> None:
    response = valid(claim_response(claim, version, AT, "clm_1"), version)
    assert (response["outcome"], response["use"], response["status"]) == ("queued", "claim", "active")
    assert response["identifier"] == [{"system": "urn:autoclaim:identifier:claim_id", "value": "clm_1"}]
    assert response["request"]["reference"] == f"Claim/{claim['id']}"
    assert response["patient"] == claim["patient"]
    assert response["created"].startswith("2026-01-05T09:30:00")
    assert "error" not in response


def test_a_claim_in_quarantine_is_answered_with_its_rules(version: Version, claim: Any) -> None:
    response = valid(claim_response(claim, version, AT, violations=[OF_SOURCE, OF_LIST]), version)
    assert response["outcome"] == "error"
    codes = [error["code"]["coding"][0]["code"] for error in response["error"]]
    assert codes == [OF_SOURCE.rule, OF_LIST.rule]


def test_an_answer_refers_to_nothing_inside_the_claim_that_it_answers(version: Version) -> None:
    response = valid(claim_response(claim_alone(PLAIN, version), version, AT, "clm_1"), version)
    assert "#" not in json.dumps(response)


def test_a_claim_sent_alone_is_answered_by_its_response_alone(version: Version) -> None:
    document = encoded(claim_alone(PLAIN, version))
    text = answer(document, {"version": version}, AT, [Outcome("", "clm_1")])
    assert valid(text, version)["resourceType"] == "ClaimResponse"


def test_a_bundle_is_answered_by_an_answer_for_each_record(version: Version) -> None:
    bundle = bundle_of(PLAIN, version)
    bundle["entry"] += copy.deepcopy(bundle["entry"][CLAIM:][:1])
    broken = bundle["entry"][6]["resource"]
    broken["id"] = "broken"
    del broken["patient"], broken["created"]
    places = [record.place for record in read(bundle)]
    assert places == ["/entry/0/resource", "/entry/6/resource"]
    outcomes = [Outcome(places[0], "clm_1"), Outcome(places[1], violations=(OF_SOURCE,))]
    answers = valid(answer(encoded(bundle), {}, AT, outcomes), version)
    kinds = [entry["resource"]["resourceType"] for entry in answers["entry"]]
    assert kinds == ["ClaimResponse", "OperationOutcome"]
