"""A settlement as the profile writes it, and a way to spoil it at one place."""

import io
from collections.abc import Callable
from typing import Any

import pytest

from engine.settlement.sources.fhir import read_fhir
from engine.settlement.sources.record import Raw
from engine.settlement.sources.rules import SOURCE_RULES
from tests.settlement.conftest import PLAIN
from tests.settlement.sources.fhir.bundles import bundle_of, encoded

Json = dict[str, Any]
CLAIM, BENEFIT, ENCOUNTER, PATIENT, COVERAGE, HOSPITAL = range(6)
"""Where `bundle_of` puts them."""


@pytest.fixture(params=["R4", "R5"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bundle(version: str) -> Json:
    return bundle_of(PLAIN, version)  # type: ignore[arg-type]


@pytest.fixture
def of(bundle: Json) -> Callable[[int], Json]:
    """The resource at a place of the bundle, to be changed."""
    return lambda index: bundle["entry"][index]["resource"]


def read(document: Json, layout: Json | None = None) -> list[Raw]:
    return list(read_fhir(io.BytesIO(encoded(document)), layout or {}))


def rules(document: Json, layout: Json | None = None) -> dict[str, str]:
    """Rule -> place, of the one record that the document holds."""
    (record,) = read(document, layout)
    assert SOURCE_RULES.keys() >= {violation.rule for violation in record.violations}
    return {violation.rule.removeprefix("source.fhir."): violation.field for violation in record.violations}
