"""Every fen that left the account is a payout's, once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from engine.fsck import CannotCheck
from tests.fsck.breaking import Log, Statement, detail_of, named
from tests.fsck.conftest import BankAt, Inspect
from tests.fsck.world import AMOUNT_FEN
from tests.payout.bank_process import BankProcess, eventually, final, order

SUM = ("sum.bank", "all payouts")


@pytest.fixture
def own_bank(home: Path) -> Iterator[BankProcess]:
    """The bank of this test's copy of the world."""
    process = BankProcess(home, "--settle-after-ms", "1")
    yield process
    process.end()


def test_a_second_payment_under_another_id_is_named(
    own_bank: BankProcess, bank_at: BankAt, inspect: Inspect
) -> None:
    with own_bank.client() as client:
        client.submit(order("po_confirmed_again", AMOUNT_FEN["confirmed"]))
        final(client, "po_confirmed_again")
    report = inspect(over_bank=bank_at(own_bank, None))
    assert named(report) == {("bank.unknown", "po_confirmed_again"), SUM}
    assert f"{AMOUNT_FEN['confirmed']:+d}" in detail_of(report, "sum.bank")


def about(payout_id: str, change: Callable[[Log], list[Log]]) -> Callable[[list[Log], int], list[Log]]:
    return lambda lines, _: [
        new for line in lines for new in (change(line) if line["payout_id"] == payout_id else [line])
    ]


def only(direction: str, payout_id: str) -> Callable[[list[Log], int], list[Log]]:
    return about(payout_id, lambda line: [line] if line["direction"] == direction else [])


LIES = {
    "a payment that the bank does not know": (
        about("po_confirmed", lambda line: []),
        {("bank.missing", "po_confirmed"), SUM},
    ),
    "another amount": (
        about("po_confirmed", lambda line: [line | {"amount_fen": line["amount_fen"] + 1}]),
        {("bank.amount", "po_confirmed"), SUM},
    ),
    "a payment made twice": (
        about("po_confirmed", lambda line: [line, line]),
        {("bank.twice", "po_confirmed"), SUM},
    ),
    "a return that the bank does not know": (
        only("debit", "po_returned"),
        {("bank.return_missing", "po_returned"), SUM},
    ),
    "a return that nobody noted": (
        about("po_confirmed", lambda line: [line, line | {"direction": "credit"}]),
        {("bank.return_unknown", "po_confirmed"), SUM},
    ),
    "a payment that was refused": (
        about("po_confirmed", lambda line: [line, line | {"payout_id": "po_again_1"}]),
        {("bank.unexpected", "po_again_1"), ("bank.amount", "po_again_1"), SUM},
    ),
}


@pytest.mark.parametrize("what", LIES)
def test_a_statement_that_differs_is_named(
    what: str, bank_process: BankProcess, bank_at: BankAt, inspect: Inspect
) -> None:
    change, expected = LIES[what]
    assert named(inspect(over_bank=bank_at(bank_process, Statement(change)))) == expected


def test_a_long_statement_is_read_to_its_end(
    own_bank: BankProcess, bank_at: BankAt, inspect: Inspect
) -> None:
    amounts = range(1, 502)  # a page has 500 lines
    with own_bank.client() as client:
        client.submit_many([order(f"po_{number}", number) for number in amounts])
    unsettled = "SELECT count(*) FROM transfers WHERE status = 'accepted'"
    eventually(lambda: own_bank.rows(unsettled) == [(0,)])
    report = inspect(over_bank=bank_at(own_bank, None))
    assert len([code for code, _ in named(report) if code == "bank.unknown"]) == len(amounts)
    assert f"{sum(amounts):+d}" in detail_of(report, "sum.bank")


def test_a_statement_that_contradicts_its_totals_is_not_compared(
    bank_process: BankProcess, bank_at: BankAt, inspect: Inspect
) -> None:
    class Miscounting(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = super().handle_request(request)
            body = response.read().replace(b'"line_count": ', b'"line_count": 1')
            return httpx.Response(200, content=body, request=request)

    with pytest.raises(CannotCheck, match="contradicts its own control totals"):
        inspect(over_bank=bank_at(bank_process, Miscounting()))


def test_a_wrong_secret_is_an_answer_and_no_difference(
    own_bank: BankProcess, bank_at: BankAt, inspect: Inspect
) -> None:
    secrets = Path(own_bank.ready["secret_file"])
    secrets.write_text(secrets.read_text().replace('"request_secret": "', '"request_secret": "00'))
    with pytest.raises(CannotCheck, match="401"):
        inspect(over_bank=bank_at(own_bank, None))
