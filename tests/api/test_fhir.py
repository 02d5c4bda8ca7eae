"""A hospital that speaks FHIR is answered in FHIR, and its claim is the settlement it would have been."""

from copy import deepcopy
from itertools import count
from typing import Any

import httpx
import pytest

from engine.settlement.sources.fhir.resources import model_of
from tests.api.world import OURS, World
from tests.settlement.conftest import PLAIN
from tests.settlement.sources.fhir.bundles import bundle_of, claim_alone, encoded
from tests.support.process import REPOSITORY

_numbers = count(1)
SUBMIT, BUNDLES = "/v1/fhir/Claim/$submit", "/v1/fhir"


@pytest.fixture
def world(world: World) -> World:
    mapping = (REPOSITORY / "seeds" / "sources" / "example-fhir.yaml").read_text("utf-8")
    with world.http("operator") as http:
        headers = {"Content-Type": "application/yaml"}
        answer = http.post("/v1/sources", content=mapping.encode(), headers=headers)
    assert answer.status_code == 201, answer.text
    return world


def native() -> dict[str, Any]:
    """A whole settlement of the hospital, with a number of its own."""
    made = deepcopy(PLAIN)
    made["setlinfo"] |= {"setl_id": f"F{next(_numbers):014}", "fixmedins_code": OURS}
    return made


def post(world: World, path: str, body: bytes, source: str = "example-fhir") -> httpx.Response:
    with world.http(OURS) as http:
        headers = {"Content-Type": "application/fhir+json"}
        return http.post(path, params={"source": source}, content=body, headers=headers, auth=world.signer())


def valid(response: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/fhir+json"
    document: dict[str, Any] = response.json()
    model_of("R4", document["resourceType"]).model_validate(document)
    return document


def test_a_claim_is_queued_under_its_claim_id_and_is_the_settlement_it_was(world: World) -> None:
    stay = native()
    answered = valid(post(world, SUBMIT, encoded(claim_alone(stay))))
    assert (answered["resourceType"], answered["outcome"]) == ("ClaimResponse", "queued")
    with world.http(OURS) as http:
        view = http.get(f"/v1/settlements/{stay['setlinfo']['setl_id']}").json()
    assert view["claim_id"] == answered["identifier"][0]["value"]
    assert valid(post(world, SUBMIT, encoded(claim_alone(stay)))) == answered


def test_a_bundle_is_answered_claim_by_claim_with_the_rules_that_are_broken(world: World) -> None:
    stay = native()
    stay["setlinfo"]["dscg_way"] = "no such way"
    bundle = valid(post(world, BUNDLES, encoded(bundle_of(stay))))
    (answered,) = [entry["resource"] for entry in bundle["entry"]]
    assert answered["outcome"] == "error"
    rules = [error["code"]["coding"][0]["code"] for error in answered["error"]]
    assert rules == ["source.code.unmapped"]
    again = valid(post(world, BUNDLES, encoded(bundle_of(stay))))
    assert again == bundle, "a repeat is told the same"


def test_what_is_no_fhir_is_answered_by_an_operation_outcome(world: World) -> None:
    outcome = valid(post(world, SUBMIT, b"[" * 10_000), 422)
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["severity"] == "error"


def test_a_source_that_speaks_otherwise_is_sent_elsewhere(world: World) -> None:
    version = "version: {number: 1, holds_from: 2024-01-01}"
    text = f"source: calls\nhospital: {OURS}\nformat: national\n{version}\n"
    with world.http("operator") as http:
        headers = {"Content-Type": "application/yaml"}
        assert http.post("/v1/sources", content=text.encode(), headers=headers).status_code == 201
    response = post(world, SUBMIT, b"{}", source="calls")
    assert (response.status_code, response.json()["code"]) == (422, "source.other_format")
    assert response.json()["detail"].endswith("POST /v1/deliveries")
