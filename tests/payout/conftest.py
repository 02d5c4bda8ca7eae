"""A sandbox bank and a client of it."""

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
