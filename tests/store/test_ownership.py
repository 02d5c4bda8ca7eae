"""One engine a database."""

from pathlib import Path

import pytest

from engine.errors import Unavailable
from engine.store.database import Database
from engine.store.ownership import Ownership


def no_time(_seconds: float) -> None:
    """Give up at once."""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'engine.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


def test_a_second_engine_on_one_database_is_refused_until_the_first_ends(url: str) -> None:
    first, second = Database(url), Database(url)
    try:
        held = Ownership.take(first, no_time)
        with pytest.raises(Unavailable) as refused:
            Ownership.take(second, no_time)
        assert refused.value.code == "engine.already_running"
        held.release()
        Ownership.take(second, no_time).release()
    finally:
        first.close()
        second.close()
