"""A reversal undoes one settlement as a whole, or says what is wrong with it."""

from typing import Any

import pytest

from engine.sandbox.population import generate
from engine.settlement import Reversal, Settlement, SettlementInvalid, validate_reversal

BODY = next(generate().reversals()).body
ORIGINAL = Settlement.parse(
    next(d.body for d in generate().settlements() if d.body["setlinfo"]["setl_id"] == BODY["setl_id"])
)


def broken(body: object, original: Settlement | None = None) -> list[tuple[str, str]]:
    return [(v.field, v.rule) for v in validate_reversal(body, original)]


def test_a_reversal_of_its_settlement_is_read() -> None:
    reversal = Reversal.parse(BODY, ORIGINAL)
    assert reversal.setl_id == ORIGINAL.setl_id
    assert reversal.total_fen == -ORIGINAL.total_fen
    assert reversal.reversed_at.utcoffset() is not None


@pytest.mark.parametrize("name", ["setl_id", "fixmedins_code", "reason", "reversed_at", "biz_sn"])
def test_every_field_but_the_sum_is_required(name: str) -> None:
    body = {key: value for key, value in BODY.items() if key != name}
    assert broken(body, ORIGINAL) == [(f"/{name}", "settlement.field.required")]


def test_the_sum_may_be_left_out() -> None:
    body = {key: value for key, value in BODY.items() if key != "medfee_sumamt"}
    assert Reversal.parse(body, ORIGINAL).total_fen is None


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"medfee_sumamt": "-0.01"}, "/medfee_sumamt", "settlement.identity.reversal"),
        ({"medfee_sumamt": "x"}, "/medfee_sumamt", "settlement.money.precision"),
        ({"setl_id": "other"}, "/setl_id", "settlement.reversal.original"),
        ({"fixmedins_code": "H00000000000"}, "/fixmedins_code", "settlement.reversal.original"),
        ({"reversed_at": "2001-01-01"}, "/reversed_at", "settlement.reversal.original"),
        ({"reversed_at": "soon"}, "/reversed_at", "settlement.date.format"),
        ({"reason": "x" * 501}, "/reason", "settlement.field.length"),
        ({"biz_sn": "../x"}, "/biz_sn", "settlement.code.identifier"),
    ],
)
def test_a_reversal_that_does_not_fit_is_named(change: dict[str, Any], field: str, rule: str) -> None:
    assert broken({**BODY, **change}, ORIGINAL) == [(field, rule)]


def test_all_of_it_is_reported_at_once() -> None:
    with pytest.raises(SettlementInvalid) as caught:
        Reversal.parse({})
    assert len(caught.value.violations) == 5
    assert broken([]) == [("", "settlement.body.object")]
