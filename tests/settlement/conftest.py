"""A valid settlement to break, one rule at a time."""

import copy
from typing import Any

import pytest

from engine.sandbox.population import generate
from engine.settlement import HospitalRegister, load_register

PLAIN = next(d.body for d in generate().settlements() if d.scenario == "plain_pay")


@pytest.fixture
def native() -> dict[str, Any]:
    return copy.deepcopy(PLAIN)


@pytest.fixture(scope="session")
def register() -> HospitalRegister:
    return load_register()
