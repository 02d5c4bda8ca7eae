"""One deployed world a module; every test starts from its snapshot."""

from collections.abc import Iterator

import pytest

from tests.contracts.world import World


@pytest.fixture(scope="module")
def deployed_world() -> World:
    return World()


@pytest.fixture
def world(deployed_world: World) -> Iterator[World]:
    snapshot = deployed_world.tester.take_snapshot()
    yield deployed_world
    deployed_world.tester.revert_to_snapshot(snapshot)
