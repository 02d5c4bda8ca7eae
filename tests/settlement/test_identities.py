"""Each identity of the national list, broken by itself, names its own rule; (n) as the list numbers them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from engine.settlement import Settlement, check, validate

Native = dict[str, Any]


def add(row: Native, name: str, yuan: str) -> None:
    row[name] = str(Decimal(row.get(name, "0")) + Decimal(yuan))


def rules(native: Native) -> set[str]:
    return {v.rule.removeprefix("settlement.identity.") for v in validate(native)}


def without_totals(native: Native, *names: str) -> None:
    for name in names:
        native["setlinfo"].pop(name)


PARTS = ("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")


def cost_split(native: Native) -> None:
    # The parts still follow their columns when one of those is off as well, which breaks line_split too.
    add(native["setlinfo"], "preselfpay_amt", "0.01")


def payer_split(native: Native) -> None:
    add(native["setlinfo"], "hosp_part_amt", "0.01")


def personal_split(native: Native) -> None:
    add(native["setlinfo"], "acct_pay", "0.01")


def fund_sum(native: Native) -> None:
    add(native["payinfo"][0], "fund_payamt", "0.01")


def item_row(native: Native) -> None:
    add(native["iteminfo"][0], "clab_amt", "0.01")


def item_total(native: Native) -> None:
    add(native["iteminfo"][0], "amt", "0.01")
    add(native["iteminfo"][0], "clab_amt", "0.01")


def line_amount(native: Native) -> None:
    add(native["feedetail"][0], "pric", "0.02")


def line_split(native: Native) -> None:
    # One line gives to another, so that the columns still add up.
    add(native["feedetail"][0], "inscp_scp_amt", "0.01")
    add(native["feedetail"][1], "inscp_scp_amt", "-0.01")


def line_total(native: Native) -> None:
    without_totals(native, *PARTS)
    native.pop("iteminfo")
    add(native["setlinfo"], "medfee_sumamt", "0.01")
    add(native["setlinfo"], "hosp_part_amt", "0.01")


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        (cost_split, {"cost_split", "line_columns"}),
        (payer_split, {"payer_split"}),
        (personal_split, {"personal_split"}),
        (fund_sum, {"fund_sum"}),
        (item_row, {"item_row"}),
        (item_total, {"item_total"}),
        (line_amount, {"line_amount"}),
        (line_split, {"line_split"}),
        (line_total, {"line_total", "cost_split"}),
    ],
)
def test_an_identity_that_fails_by_its_tolerance_names_its_rule(
    native: Native, break_it: Callable[[Native], None], expected: set[str]
) -> None:
    break_it(native)
    assert rules(native) == expected


def test_a_column_that_does_not_add_up_to_its_total_is_named(native: Native) -> None:
    add(native["setlinfo"], "preselfpay_amt", "0.01")
    add(native["setlinfo"], "inscp_scp_amt", "-0.01")
    found = validate(native)
    assert {v.rule for v in found} == {"settlement.identity.line_columns"}
    assert {v.field for v in found} == {"/setlinfo/preselfpay_amt", "/setlinfo/inscp_scp_amt"}


def test_a_line_may_be_a_fen_off_quantity_times_price(native: Native) -> None:
    line = next(line for line in native["feedetail"] if line["cnt"] == "1")
    add(line, "pric", "0.014")
    assert rules(native) == set()
    add(line, "pric", "0.001")
    assert rules(native) == {"line_amount"}


def test_the_patients_burden_warns_only(native: Native) -> None:
    add(native["setlinfo"], "psn_selfpay", "1")
    checked = check(native)
    assert checked.errors == []
    assert [v.rule for v in checked.warnings] == ["settlement.identity.burden"]


def test_the_message_states_both_sides_in_yuan(native: Native) -> None:
    add(native["payinfo"][0], "fund_payamt", "0.01")
    (found,) = validate(native)
    stated = native["setlinfo"]["fund_pay_sumamt"]
    assert found.field == "/setlinfo/fund_pay_sumamt"
    assert (
        f"is {stated} but the sum of payinfo over the funds is {Decimal(stated) + Decimal('0.01')}"
        == found.message
    )


def test_totals_that_are_not_stated_are_derived_from_the_rows(native: Native) -> None:
    expected = Settlement.parse(native)
    without_totals(
        native, *PARTS, "medfee_sumamt", "fund_pay_sumamt", "psn_part_amt", "psn_cash_pay", "hosp_part_amt"
    )
    assert Settlement.parse(native) == expected


def test_the_funds_part_is_what_the_patient_and_the_hospital_did_not_pay(native: Native) -> None:
    expected = Settlement.parse(native)
    native.pop("payinfo")
    without_totals(native, "fund_pay_sumamt")
    assert Settlement.parse(native) == expected


def test_more_paid_than_the_settlement_costs_is_refused(native: Native) -> None:
    native["payinfo"] = []
    without_totals(native, "fund_pay_sumamt", "psn_part_amt")
    native["setlinfo"]["psn_cash_pay"] = "99999999.00"
    assert ("/setlinfo", "settlement.sign.total") in [(v.field, v.rule) for v in validate(native)]


def test_a_shared_family_account_is_part_of_what_the_patient_paid(native: Native) -> None:
    info = native["setlinfo"]
    info["acct_mulaid_pay"] = "10.00"
    add(info, "psn_cash_pay", "-10.00")
    assert rules(native) == set()
    expected = Settlement.parse(native)
    assert expected.account_fen == 1000 + int(Decimal(info["acct_pay"]) * 100)
    without_totals(native, "psn_cash_pay")
    assert Settlement.parse(native) == expected


def refund_of(line: Native, share: str) -> Native:
    refund = {**line, "feedetl_sn": "R1", "cnt": share}
    for name in (
        "det_item_fee_sumamt",
        "fulamt_ownpay_amt",
        "overlmt_amt",
        "preselfpay_amt",
        "inscp_scp_amt",
    ):
        refund[name] = str(-Decimal(line[name]))
    return refund


def only_lines(native: Native) -> Native:
    native["iteminfo"], native["payinfo"] = [], []
    without_totals(
        native, *PARTS, "medfee_sumamt", "fund_pay_sumamt", "psn_part_amt", "psn_cash_pay", "psn_selfpay"
    )
    return native


def test_a_refund_inside_the_bill_is_a_negative_line(native: Native) -> None:
    line = native["feedetail"][-1]
    only_lines(native)["feedetail"].append(refund_of(line, f"-{line['cnt']}"))
    before = sum(Decimal(row["det_item_fee_sumamt"]) for row in native["feedetail"][:-2])
    assert validate(native) == []
    assert Settlement.parse(native).total_fen == int(before * 100)


def test_a_refund_beyond_what_was_charged_is_refused(native: Native) -> None:
    line = native["feedetail"][-1]
    refund = refund_of(line, f"-{line['cnt']}")
    only_lines(native)["feedetail"] += [refund, {**refund, "feedetl_sn": "R2"}]
    assert {v.rule for v in validate(native)} == {"settlement.sign.refund"}


def test_a_line_with_amounts_of_both_signs_is_refused(native: Native) -> None:
    line = native["feedetail"][0]
    refund = refund_of(line, f"-{line['cnt']}")
    native["feedetail"].append(refund)
    add(line, "fulamt_ownpay_amt", "-1")
    add(line, "inscp_scp_amt", "1")
    add(refund, "fulamt_ownpay_amt", "1")
    add(refund, "inscp_scp_amt", "-1")
    found = [v.field for v in validate(only_lines(native)) if v.rule == "settlement.sign.line"]
    assert found == ["/feedetail/0", f"/feedetail/{len(native['feedetail']) - 1}"]


def test_a_negative_total_is_refused(native: Native) -> None:
    native["feedetail"] = [refund_of(native["feedetail"][0], f"-{native['feedetail'][0]['cnt']}")]
    assert "settlement.sign.total" in {v.rule for v in validate(only_lines(native))}


def test_an_unreadable_amount_is_reported_once_and_not_as_a_wrong_sum(native: Native) -> None:
    native["feedetail"][0]["det_item_fee_sumamt"] = "abc"
    assert [v.rule for v in validate(native)] == ["settlement.money.precision"]
