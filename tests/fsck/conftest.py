"""One consistent world for the room. A test breaks a copy of its database, chain or bank."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from engine.fsck import Bank, BankKey, Report, Sources, Transport, check
from tests.fsck.world import Built, build, chain_file, read_only
from tests.payout.bank_process import BankProcess


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("fsck") / "home of the engine")


@pytest.fixture(scope="session")
def chain(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Transport]:
    """The world's chain, for reading."""
    home = tmp_path_factory.mktemp("chain")
    shutil.copy(built.home / "chain.db", home)
    with chain_file(home) as opened:
        yield read_only(opened).handle


@pytest.fixture(scope="session")
def bank_process(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BankProcess]:
    """The world's bank, for reading."""
    process = BankProcess(shutil.copytree(built.home, tmp_path_factory.mktemp("bank") / "home"))
    yield process
    process.end()


BankAt = Callable[[BankProcess, httpx.BaseTransport | None], Bank]


@pytest.fixture
def bank_at() -> Iterator[BankAt]:
    """A statement reader of a running bank, over any HTTP transport."""
    clients: list[httpx.Client] = []

    def at(process: BankProcess, transport: httpx.BaseTransport | None = None) -> Bank:
        clients.append(httpx.Client(transport=transport, trust_env=False))
        key = BankKey.load(Path(process.ready["secret_file"]))
        return Bank(process.url, key, clients[-1], lambda: datetime.now(UTC))

    yield at
    for client in clients:
        client.close()


@pytest.fixture
def bank(bank_process: BankProcess, bank_at: BankAt) -> Bank:
    return bank_at(bank_process, None)


@pytest.fixture
def home(built: Built, tmp_path: Path) -> Path:
    """A copy of the whole world, to break."""
    return shutil.copytree(built.home, tmp_path / "home")


Inspect = Callable[..., Report]


@pytest.fixture
def inspect(built: Built, home: Path, chain: Transport, bank: Bank) -> Inspect:
    """fsck over this test's database and, unless it brings its own, the world's chain and bank."""

    def run(
        *,
        database_url: str | None = None,
        over_chain: Transport = chain,
        over_bank: Bank = bank,
        settled: bool = True,
    ) -> Report:
        url = database_url or f"sqlite:///{home / 'engine.db'}"
        sources = Sources(url, over_chain, home / "deployment.json", over_bank)
        return check(sources, lambda: datetime.now(UTC), settled=settled)

    return run
