"""An empty database of each kind: without a schema, and at its newest version."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store.database import Database


@pytest.fixture(params=["sqlite", "postgres"])
def unmigrated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    database = Database(url)
    yield database
    database.close()


@pytest.fixture
def database(unmigrated: Database) -> Database:
    unmigrated.migrate()
    return unmigrated
