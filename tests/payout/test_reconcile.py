"""Reconciliation names every difference and invents none."""

from datetime import UTC, datetime
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.money import Fen
from engine.payout.port import StatementLine, TransferStatus
from engine.payout.reconcile import Discrepancy, DiscrepancyKind, PayoutRecord, reconcile
from tests.payout.bank_process import BankProcess, eventually, final, order, whole_statement

WHEN = datetime(2026, 7, 1, tzinfo=UTC)
K = DiscrepancyKind
S = TransferStatus


def ours(status: TransferStatus = S.SETTLED, amount: int = 100) -> list[PayoutRecord]:
    return [PayoutRecord("p", Fen(amount), status)]


def line(
    kind: Literal["payment", "return"] = "payment", amount: int = 100, payout_id: str = "p"
) -> StatementLine:
    direction: Literal["debit", "credit"] = "debit" if kind == "payment" else "credit"
    return StatementLine("ref-" + kind, payout_id, direction, Fen(amount), WHEN, kind)


@pytest.mark.parametrize(
    ("payouts", "statement", "kinds"),
    [
        ([], [], []),
        (ours(), [line()], []),
        (ours(S.RETURNED), [line(), line("return")], []),
        (ours(S.REFUSED), [], []),
        (ours(S.ACCEPTED), [], []),
        (ours(S.UNKNOWN), [], []),
        (ours(), [], [K.MISSING_AT_BANK]),
        ([], [line()], [K.MISSING_AT_US]),
        (ours(amount=101), [line()], [K.AMOUNT_DIFFERS]),
        (ours(), [line(), line()], [K.PAID_TWICE]),
        ([], [line(), line()], [K.MISSING_AT_US, K.PAID_TWICE]),
        (ours(), [line(), line("return")], [K.RETURNED]),
        (ours(S.RETURNED), [line()], [K.RETURN_MISSING]),
        (ours(S.RETURNED), [line(), line("return"), line("return")], [K.RETURNED_TWICE]),
        (ours(S.RETURNED), [line(), line("return", 99)], [K.AMOUNT_DIFFERS]),
        (ours(S.REFUSED), [line()], [K.PAID_UNCONFIRMED]),
        (ours(S.UNKNOWN), [line()], [K.PAID_UNCONFIRMED]),
        (ours(S.ACCEPTED), [line(amount=1), line()], [K.AMOUNT_DIFFERS, K.PAID_TWICE, K.PAID_UNCONFIRMED]),
    ],
)
def test_each_difference_has_its_name(
    payouts: list[PayoutRecord], statement: list[StatementLine], kinds: list[DiscrepancyKind]
) -> None:
    assert [found.kind for found in reconcile(payouts, statement)] == kinds


def test_a_difference_carries_both_sides() -> None:
    (found,) = reconcile(ours(amount=70), [line()])
    assert found == Discrepancy(K.AMOUNT_DIFFERS, "p", Fen(70), Fen(100), ("ref-payment",))
    assert str(found) == "amount_differs p: ours 70 fen, bank 100 fen, bank refs ref-payment"


def test_our_own_table_may_not_name_a_payout_twice() -> None:
    with pytest.raises(ValueError, match="stands twice"):
        reconcile(ours() + ours(), [])


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.tuples(st.integers(1, 9), st.sampled_from(S)))
)
def test_without_differences_both_sides_move_the_same_money(
    book: dict[str, tuple[int, TransferStatus]],
) -> None:
    payouts = [PayoutRecord(payout_id, Fen(amount), status) for payout_id, (amount, status) in book.items()]
    statement = [
        line("payment", p.amount_fen, p.payout_id) for p in payouts if p.status in (S.SETTLED, S.RETURNED)
    ]
    statement += [line("return", p.amount_fen, p.payout_id) for p in payouts if p.status is S.RETURNED]
    assert reconcile(payouts, statement) == []
    for index in range(len(statement)):
        assert reconcile(payouts, statement[:index] + statement[index + 1 :])
        assert reconcile(payouts, [*statement, statement[index]])


def test_a_day_at_the_real_bank_reconciles_and_a_forged_ledger_does_not(process: BankProcess) -> None:
    process.faults({"fault": "refuse", "nth": 2}, {"fault": "return_payment", "nth": 3, "delay_ms": 0})
    with process.client() as bank:
        for payout_id in ("paid", "refused", "back"):
            bank.submit(order(payout_id))
            final(bank, payout_id)
        eventually(lambda: bank.query("back").status is S.RETURNED)
        results = [bank.query(payout_id) for payout_id in ("paid", "refused", "back")]
        statement = whole_statement(bank)
    told = [PayoutRecord(result.payout_id, order().amount_fen, result.status) for result in results]
    assert [record.status for record in told] == [S.SETTLED, S.REFUSED, S.RETURNED]
    assert reconcile(told, statement) == []
    assert [found.kind for found in reconcile(told[1:], statement)] == [K.MISSING_AT_US]
