"""The description of the API is true: it is valid, its examples fit, and its problems are problems."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from api.http.examples import CALLBACK, POLICY_CSV, POLICY_LINE, PRODUCT, REVERSAL, SETTLEMENT
from engine.payout.answers import TransferAnswer, parse
from engine.rolls import RowError, read_roll
from engine.settlement import validate, validate_reversal
from engine.terms import load_product_text
from tests.api.test_keys_and_roles import MATRIX
from tests.api.world import World

_OPERATIONS = [route for route in MATRIX if "/v1/" in route or "/chain/" in route]


@pytest.fixture(scope="module")
def document(world: World) -> dict[str, Any]:
    with world.http() as http:
        served: dict[str, Any] = http.get("/openapi.json").json()
    return served


def _operation(document: dict[str, Any], route: str) -> dict[str, Any]:
    method, path = route.split(" ")
    operation: dict[str, Any] = document["paths"][path][method.lower()]
    return operation


def _schemas(node: Any) -> list[dict[str, Any]]:
    """Every schema in the document, wherever it stands."""
    if isinstance(node, list):
        return [found for item in node for found in _schemas(item)]
    if not isinstance(node, dict):
        return []
    here = [node["schema"]] if isinstance(node.get("schema"), dict) else []
    return here + [found for value in node.values() for found in _schemas(value)]


def test_it_is_openapi_3_1_with_valid_schemas(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    components = document["components"]["schemas"]
    schemas = _schemas(document["paths"]) + list(components.values())
    assert len(schemas) > 50
    for schema in schemas:
        Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = {part.split('"')[0] for part in json.dumps(document).split('"$ref": "')[1:]}
    names = {reference.removeprefix("#/components/schemas/") for reference in references}
    assert names <= set(document["components"]["schemas"])
    assert "Problem" in names


def test_no_two_operations_share_an_id(document: dict[str, Any]) -> None:
    ids = [op["operationId"] for methods in document["paths"].values() for op in methods.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("route", _OPERATIONS)
def test_every_operation_says_what_it_is_and_documents_its_problems(
    document: dict[str, Any], route: str
) -> None:
    operation = _operation(document, route)
    assert operation["description"]
    assert operation["tags"]
    errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
    assert {"500", "503"} <= set(errors)
    for answer in errors.values():
        assert list(answer["content"]) == ["application/problem+json"]


@pytest.mark.parametrize("route", [route for route in _OPERATIONS if route.startswith("POST")])
def test_every_body_has_an_example_or_examples_in_its_fields(document: dict[str, Any], route: str) -> None:
    if route.endswith(
        (
            ":trigger",
            "}:revoke",
            "}:read",
            "}:cancel",
            "/match/epochs",
            "/match/updates",
            "/disclosures/{claim_id}",
        )
    ):
        return  # takes no body
    for content in _operation(document, route)["requestBody"]["content"].values():
        assert "example" in content or "examples" in json.dumps(_resolved(document, content["schema"]))


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    text = json.dumps(schema)
    for name, component in document["components"]["schemas"].items():
        if f"#/components/schemas/{name}" in text:
            text += json.dumps(component)
    return text


def test_every_example_of_a_field_fits_its_schema(document: dict[str, Any]) -> None:
    checked = 0
    definitions = {"components": document["components"]}
    for component in document["components"]["schemas"].values():
        for schema in component.get("properties", {}).values():
            for example in schema.get("examples", []):
                Draft202012Validator({**schema, **definitions}).validate(example)
                checked += 1
    assert checked > 20


def test_the_examples_pass_the_rules_of_the_rooms_that_read_them() -> None:
    assert validate(SETTLEMENT) == []
    assert validate_reversal(REVERSAL) == []
    parse(TransferAnswer, json.dumps(CALLBACK).encode())
    from_json, from_csv = (
        read_roll([POLICY_LINE.encode()], "ndjson"),
        read_roll([line.encode() for line in POLICY_CSV.splitlines()], "csv"),
    )
    rows = [*from_json, *from_csv]
    assert len(rows) == 2
    assert not [row for row in rows if isinstance(row, RowError)]
    assert load_product_text(PRODUCT.encode(), "example").product == "zhaohuibao-liaocheng"


def test_a_problem_as_it_is_sent_fits_the_schema_that_is_documented(
    world: World, document: dict[str, Any]
) -> None:
    schema = {**document["components"]["schemas"]["Problem"], "components": document["components"]}
    with world.http("insurer") as http:
        for response in (http.get("/v1/none"), http.get("/v1/claims?limit=0"), http.get("/v1/claims/clm_0")):
            assert response.is_error
            Draft202012Validator(schema).validate(response.json())


def test_the_documentation_page_is_served(world: World) -> None:
    with world.http() as http:
        page = http.get("/docs")
    assert page.status_code == 200
    assert "openapi.json" in page.text
