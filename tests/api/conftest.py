"""One engine for the room; tests keep apart by settlement numbers of their own."""

from collections.abc import Iterator

import pytest

from tests.api.world import World, opened, serving


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("engine")) as (ctx, clock):
        world = World(ctx, clock)
        with serving(world.app) as world.url:
            yield world
