"""One chain for the whole room: a deployment costs seconds, a claim costs milliseconds."""

from collections.abc import Iterator

import pytest

from tests.evidence.world import Paid, World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("evidence"))
    yield world
    world.client.close()


@pytest.fixture(scope="session")
def paid(world: World) -> Paid:
    return world.pay()


@pytest.fixture(scope="session")
def raw(world: World, paid: Paid) -> bytes:
    return world.bundle(paid)
