"""What a new user starts from is right."""

from pathlib import Path

import pytest

from engine.terms import check_product
from tests.house.source import tracked_files
from tests.support.process import REPOSITORY

PRODUCTS = [path for path in tracked_files() if path.match("seeds/products/*.yaml")]


def test_there_are_products() -> None:
    assert {path.stem for path in PRODUCTS} >= {
        *(f"huhuibao-{year}" for year in range(2021, 2026)),
        "zhaohuibao-liaocheng",
    }


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda path: path.stem)
def test_a_seed_product_has_no_problem(product: Path) -> None:
    assert check_product(REPOSITORY / product) == []
