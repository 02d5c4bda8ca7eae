"""One book for the tests that only read: random lives under one edition of the seeds, in twelve parts."""

from pathlib import Path

import pytest

from tests.adjudication.builder import terms
from tests.adjudication.replay.lives import Life, compiled
from tests.books.making import Claims, write_book

__all__ = ["compiled"]
EDITION = "huhuibao-2023"
PARTS = 12


def lives(parts: int, policies: int) -> list[Claims]:
    life, by = Life(20230701, 0.05), terms(EDITION)
    return [[life.policy(by) for _ in range(policies)] for _ in range(parts)]


@pytest.fixture(scope="session")
def claims() -> list[Claims]:
    found = lives(PARTS, 6)
    own = {"huhuibao", EDITION}
    return [[one for one in part if one[0].edition == "2023" and one[0].product in own] for part in found]


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory, claims: list[Claims]) -> Path:
    return write_book(tmp_path_factory.mktemp("lives") / "book", claims)
