"""One chain for the room; purposes, datasets, keys and a home of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.chain.client import ChainClient
from engine.provider.registration import register
from tests.chain.world import Clock, opened, settings
from tests.provider.site import OnChain, OwnInsurer, Site


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ChainClient, Path, Clock]]:
    folder, clock = tmp_path_factory.mktemp("chain"), Clock()
    with opened(settings(folder, clock)) as client:
        client.deploy_or_load(folder / "deployment.json")
        yield client, folder / "deployment.json", clock


@pytest.fixture
def site(tmp_path: Path, deployed: tuple[ChainClient, Path, Clock]) -> Iterator[Site]:
    chain = OnChain(*deployed)
    site = Site(tmp_path / "node", chain, OwnInsurer(chain, tmp_path))
    site.insurer.new_epoch()
    assert register(site.node)
    yield site
    site.node.close()
