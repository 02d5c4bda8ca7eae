"""The identities of the national list, and the signs; numbers in brackets as in the table of rules."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from engine.settlement.findings import Findings
from engine.settlement.totals import LINE_PARTS, Totals, paid_by_side

Row = Mapping[str, Any]

_HUNDRED = Decimal(100)
_ONE = Decimal(1)


def check_identities(
    setlinfo: Row, rows: Mapping[str, Sequence[Row]], totals: Totals, found: Findings
) -> None:
    """All of them, each by itself. Needs every row readable."""
    _check_totals(setlinfo, rows["payinfo"], totals, found)
    _check_items(rows["iteminfo"], totals, found)
    _check_lines(rows["feedetail"], found)
    _check_columns(rows["feedetail"], totals, found)
    _check_refunds(rows["feedetail"], found)


def _check_totals(setlinfo: Row, payinfo: Sequence[Row], totals: Totals, found: Findings) -> None:
    for name in _AMOUNTS:
        if setlinfo.get(name, 0) < 0:
            found.add(f"/setlinfo/{name}", "settlement.sign.total", "must not be negative")
    if totals.medfee < 0:
        found.add("/feedetail", "settlement.sign.total", "must not add up to a negative total")
    if (totals.cash < 0 and "psn_cash_pay" not in setlinfo) or (
        totals.fund < 0 and "fund_pay_sumamt" not in setlinfo
    ):
        found.add("/setlinfo", "settlement.sign.total", "more is paid than the settlement costs")
    found.equal(
        "/setlinfo/medfee_sumamt",
        "settlement.identity.cost_split",
        totals.medfee,
        sum(totals.parts.values()),
        "fulamt_ownpay_amt + overlmt_selfpay + preselfpay_amt + inscp_scp_amt",
    )
    found.equal(
        "/setlinfo/medfee_sumamt",
        "settlement.identity.payer_split",
        totals.medfee,
        totals.fund + totals.personal + totals.hospital,
        "fund_pay_sumamt + psn_part_amt + hosp_part_amt",
    )
    found.equal(
        "/setlinfo/psn_part_amt",
        "settlement.identity.personal_split",
        totals.personal,
        totals.account + totals.shared_account + totals.cash,
        "acct_pay + acct_mulaid_pay + psn_cash_pay",
    )
    if payinfo:
        found.equal(
            "/setlinfo/fund_pay_sumamt",
            "settlement.identity.fund_sum",
            totals.fund,
            paid_by_side(payinfo).get("fund", 0),
            "the sum of payinfo over the funds",
        )
    if "psn_selfpay" in setlinfo and "psn_ownpay" in setlinfo:
        found.equal(
            "/setlinfo/psn_selfpay",
            "settlement.identity.burden",
            setlinfo["psn_selfpay"] + setlinfo["psn_ownpay"],
            totals.account + totals.shared_account + totals.cash,
            "acct_pay + acct_mulaid_pay + psn_cash_pay",
        )


_AMOUNTS = (
    *("medfee_sumamt", *LINE_PARTS, "fund_pay_sumamt", "hosp_part_amt", "psn_part_amt"),
    *("acct_pay", "acct_mulaid_pay", "psn_cash_pay", "psn_selfpay", "psn_ownpay", "oth_comp_amt"),
)


def _check_items(iteminfo: Sequence[Row], totals: Totals, found: Findings) -> None:
    if not iteminfo:
        return
    for index, item in enumerate(iteminfo):
        split = [item[name] for name in _ITEM_PARTS if name in item]
        # A row that states no split at all has nothing to contradict.
        if split:
            found.equal(
                f"/iteminfo/{index}/amt",
                "settlement.identity.item_row",
                item["amt"],
                sum(split),
                "claa_sumfee + clab_amt + fulamt_ownpay_amt + oth_amt",
            )
    found.equal(
        "/iteminfo",
        "settlement.identity.item_total",
        sum(item["amt"] for item in iteminfo),
        totals.medfee,
        "medfee_sumamt",
    )


_ITEM_PARTS = ("claa_sumfee", "clab_amt", "fulamt_ownpay_amt", "oth_amt")


def _check_lines(lines: Sequence[Row], found: Findings) -> None:
    for index, line in enumerate(lines):
        amount = line["det_item_fee_sumamt"]
        own, over = line["fulamt_ownpay_amt"], line["overlmt_amt"]
        pre, inside = line["preselfpay_amt"], line["inscp_scp_amt"]
        quantity = line["cnt"]
        expected = int((quantity * line["pric"] * _HUNDRED).quantize(_ONE, ROUND_HALF_UP))
        if amount != expected:
            found.equal(
                f"/feedetail/{index}/det_item_fee_sumamt",
                "settlement.identity.line_amount",
                amount,
                expected,
                "cnt x pric",
            )
        if amount != own + over + pre + inside:
            found.equal(
                f"/feedetail/{index}/det_item_fee_sumamt",
                "settlement.identity.line_split",
                amount,
                own + over + pre + inside,
                "fulamt_ownpay_amt + overlmt_amt + preselfpay_amt + inscp_scp_amt",
            )
        if quantity < 0:
            wrong = max(amount, own, over, pre, inside) > 0
        else:
            wrong = min(amount, own, over, pre, inside) < 0
        if wrong:
            found.add(
                f"/feedetail/{index}",
                "settlement.sign.line",
                "every amount must carry the sign of cnt: a refund is negative throughout",
            )


def _check_columns(lines: Sequence[Row], totals: Totals, found: Findings) -> None:
    found.equal(
        "/setlinfo/medfee_sumamt",
        "settlement.identity.line_total",
        totals.medfee,
        sum(line["det_item_fee_sumamt"] for line in lines),
        "the sum of feedetail",
    )
    for name, column in LINE_PARTS.items():
        found.equal(
            f"/setlinfo/{name}",
            "settlement.identity.line_columns",
            totals.parts[name],
            sum(line[column] for line in lines),
            f"the sum of feedetail.{column}",
        )


def _check_refunds(lines: Sequence[Row], found: Findings) -> None:
    """A refund inside the bill takes back what the same bill charged for the same code, not more."""
    if all(line["cnt"] >= 0 for line in lines):
        return
    net: dict[str, int] = {}
    last: dict[str, int] = {}
    for index, line in enumerate(lines):
        code = line["med_list_codg"]
        net[code] = net.get(code, 0) + line["det_item_fee_sumamt"]
        if line["cnt"] < 0:
            last[code] = index
    for code, index in last.items():
        if net[code] < 0:
            found.add(
                f"/feedetail/{index}", "settlement.sign.refund", "must not refund more than was charged"
            )
