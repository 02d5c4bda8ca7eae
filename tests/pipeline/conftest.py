"""A world a test: a copy of a home that is built once, beside a real sandbox bank."""

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.payout.bank_process import BankProcess
from tests.pipeline.world import World, build_home, copy_rows, opened
from tests.support.anvil import FREE, running_anvil

OpenWorld = Callable[..., World]
_settlement_numbers = count(1, 100)


@pytest.fixture(scope="package", autouse=True)
def quiet() -> Iterator[None]:
    """What goes wrong here goes wrong on purpose; drawing each traceback for the log takes seconds."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def slow_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BankProcess]:
    """Takes orders and sits on them: what becomes of one is for the test to say."""
    process = BankProcess(tmp_path_factory.mktemp("slow-bank"), "--settle-after-ms", "3600000")
    yield process
    process.end()


@pytest.fixture(scope="session")
def quick_process(
    tmp_path_factory: pytest.TempPathFactory, slow_process: BankProcess
) -> Iterator[BankProcess]:
    """Settles at once."""
    # One secret for both: every test's home is a copy of one.
    secrets = ("--secret-file", slow_process.ready["secret_file"])
    process = BankProcess(tmp_path_factory.mktemp("quick-bank"), "--settle-after-ms", "1", *secrets)
    yield process
    process.end()


@pytest.fixture
def slow_bank(slow_process: BankProcess) -> BankProcess:
    slow_process.faults()
    return slow_process


@pytest.fixture
def quick_bank(quick_process: BankProcess) -> BankProcess:
    quick_process.faults()
    return quick_process


@pytest.fixture(scope="session")
def built_home(tmp_path_factory: pytest.TempPathFactory, slow_process: BankProcess) -> Path:
    home = tmp_path_factory.mktemp("built") / "home"
    build_home(home, slow_process)
    return home


@pytest.fixture
def open_world(tmp_path: Path, built_home: Path) -> Iterator[OpenWorld]:
    """Opens the test's own copy of the home, by a bank and with settings of the test's choice."""
    with ExitStack() as stack:

        def open_one(bank: BankProcess, **settings: Any) -> World:
            home = tmp_path / "home"
            if not home.exists():
                shutil.copytree(built_home, home)
            return stack.enter_context(opened(home, bank, **settings))

        yield open_one


@pytest.fixture
def world(open_world: OpenWorld, slow_bank: BankProcess) -> World:
    """On SQLite, with a bank that sits on its orders."""
    return open_world(slow_bank)


@pytest.fixture
def paying(open_world: OpenWorld, quick_bank: BankProcess) -> World:
    """On SQLite, with a bank that settles at once."""
    return open_world(quick_bank)


@pytest.fixture
def alone(
    open_world: OpenWorld, slow_process: BankProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """With a bank of its own, that settles at once: every line of its statement is this world's."""
    secrets = ("--secret-file", slow_process.ready["secret_file"])
    bank = BankProcess(tmp_path_factory.mktemp("own-bank"), "--settle-after-ms", "1", *secrets)
    yield open_world(bank)
    bank.end()


@pytest.fixture(params=["sqlite", "postgres"])
def either(
    request: pytest.FixtureRequest, open_world: OpenWorld, built_home: Path, slow_bank: BankProcess
) -> World:
    """The same world on each database."""
    if request.param == "sqlite":
        return open_world(slow_bank)
    return _on_postgres(request, open_world, built_home, slow_bank)


@pytest.fixture
def on_postgres(
    request: pytest.FixtureRequest, open_world: OpenWorld, built_home: Path, slow_bank: BankProcess
) -> World:
    return _on_postgres(request, open_world, built_home, slow_bank)


def _on_postgres(
    request: pytest.FixtureRequest, open_world: OpenWorld, built_home: Path, bank: BankProcess
) -> World:
    url: str = request.getfixturevalue("postgres_url")
    copy_rows(built_home, url)
    return open_world(bank, database_url=url)


@pytest.fixture(scope="module")
def node_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_anvil(tmp_path_factory.mktemp("anvil") / "anvil.log", *FREE) as url:
        yield url


@pytest.fixture(scope="module")
def home_on_node(node_url: str, slow_process: BankProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("on-node") / "home"
    build_home(home, slow_process, chain_rpc_url=node_url, chain_gas_price_wei=0)
    return home


@pytest.fixture
def start_on_node(home_on_node: Path, node_url: str, slow_bank: BankProcess) -> Iterator[OpenWorld]:
    """Opens the module's home, on a real node; again as after a crash, with nothing remembered.

    Every test goes on with what the one before left, so each takes people of its own.
    """
    with ExitStack() as stack:

        def open_one(**settings: Any) -> World:
            on_node = {"chain_rpc_url": node_url, "chain_gas_price_wei": 0} | settings
            return stack.enter_context(opened(home_on_node, slow_bank, next(_settlement_numbers), **on_node))

        yield open_one
