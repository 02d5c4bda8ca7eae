"""One deployed chain of each kind for the whole room; a test that breaks things makes its own."""

from collections.abc import Iterator

import pytest

from engine.chain.client import ChainClient
from tests.chain.world import Clock, Consent, opened, settings
from tests.support.anvil import fund, running_anvil
from tests.support.bft import BftNetwork, running_bft_network


@pytest.fixture(scope="session")
def embedded_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainClient]:
    folder = tmp_path_factory.mktemp("embedded")
    with opened(settings(folder, Clock())) as client:
        client.deploy_or_load(folder / "deployment.json")
        yield client


@pytest.fixture(scope="session")
def consent(embedded_client: ChainClient) -> Consent:
    return Consent(embedded_client)


@pytest.fixture(scope="session")
def anvil_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_anvil(tmp_path_factory.mktemp("anvil") / "anvil.log") as url:
        yield url


@pytest.fixture(scope="session")
def anvil_client(anvil_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainClient]:
    folder = tmp_path_factory.mktemp("anvil-client")
    with opened(settings(folder, Clock(), anvil_url)) as client:
        fund(anvil_url, client.roles.values())
        client.deploy_or_load(folder / "deployment.json")
        yield client


@pytest.fixture(scope="session")
def bft_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BftNetwork]:
    with running_bft_network(tmp_path_factory.mktemp("bft")) as network:
        yield network


@pytest.fixture(scope="session")
def bft_client(bft_network: BftNetwork, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainClient]:
    folder = tmp_path_factory.mktemp("bft-client")
    with opened(settings(folder, Clock(), bft_network.validators[0].url)) as client:
        bft_network.fund(client.roles.values())
        client.deploy_or_load(folder / "deployment.json")
        yield client
