"""One deployed world a module; every test starts from its snapshot."""

from collections.abc import Iterator

import pytest

from tests.contracts.world import World


@pytest.fixture(scope="module")
def deployed_world() -> World:
    return World()


@pytest.fixture
def world(deployed_world: World) -> Iterator[World]:
    with deployed_world.undone():
        yield deployed_world
