"""A sandbox bank and a client of it."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.payout.http_bank import HttpBank
from tests.payout.bank_process import BankProcess, CallbackReceiver


@pytest.fixture
def start_bank(tmp_path: Path) -> Iterator[Callable[..., BankProcess]]:
    """Starts a bank with the given flags; ends it with the test."""
    started: list[BankProcess] = []

    def start(*flags: str) -> BankProcess:
        started.append(BankProcess(tmp_path, *flags))
        return started[-1]

    yield start
    for process in started:
        process.end()


@pytest.fixture(scope="session")
def shared_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BankProcess]:
    process = BankProcess(tmp_path_factory.mktemp("shared-bank"), "--settle-after-ms", "1")
    yield process
    process.end()


@pytest.fixture
def shared(shared_process: BankProcess) -> BankProcess:
    """One bank for all tests that look only at their own `payout_id`; every switch is off."""
    shared_process.faults()
    return shared_process


@pytest.fixture
def shared_bank(shared: BankProcess) -> Iterator[HttpBank]:
    with shared.client() as client:
        yield client


@pytest.fixture
def payout_id(request: pytest.FixtureRequest) -> str:
    """A payout id of this test's own."""
    return "p-" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]


@pytest.fixture
def process(start_bank: Callable[..., BankProcess]) -> BankProcess:
    return start_bank("--settle-after-ms", "1")


@pytest.fixture
def bank(process: BankProcess) -> Iterator[HttpBank]:
    with process.client() as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[CallbackReceiver]:
    listening = CallbackReceiver()
    yield listening
    listening.close()
