"""One home has one engine; a second one is told so and changes nothing."""

from typing import Any

import pytest

from engine.chain.errors import ChainLocked
from engine.errors import Unavailable
from engine.pipeline.context import Context
from engine.pipeline.settings import Settings
from engine.store.ownership import Ownership
from tests.pipeline.world import World


def test_a_second_engine_on_the_same_home_is_told_who_holds_it(world: World) -> None:
    home = world.ctx.settings.home
    with pytest.raises(ChainLocked) as refused:
        Context.open(Settings(home=home))
    assert str(home / "chain.db") in str(refused.value)
    claim = world.accepted(0)
    world.confirmed(claim)
    assert world.state(claim) == "confirmed"


def test_a_second_engine_on_the_same_database_is_refused_until_the_first_is_gone(either: World) -> None:
    waits: list[float] = []
    first = Ownership.take(either.ctx.database)
    with pytest.raises(Unavailable) as refused:
        Ownership.take(either.ctx.database, sleep=waits.append)
    assert refused.value.code == "engine.already_running"
    assert waits, "it was given time to end"
    first.release()
    Ownership.take(either.ctx.database, sleep=waits.append).release()


def test_opening_that_fails_lets_go_of_what_it_took(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    home = world.ctx.settings.home
    world.ctx.close()
    (home / "bank.secret").rename(home / "bank.secret.away")
    with pytest.raises(Exception, match=r"bank\.secret"):
        Context.open(Settings(home=home))
    (home / "bank.secret.away").rename(home / "bank.secret")
    opened: Any = Context.open(Settings(home=home))
    opened.close()
