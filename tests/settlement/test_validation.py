"""Each rule on single fields, codes, dates and rows is named when it alone is broken."""

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from engine.settlement import RULES, Settlement, SettlementInvalid, check, validate
from engine.settlement.checks import BadValue, money

Native = dict[str, Any]


def broken(native: Native) -> list[tuple[str, str]]:
    return [(v.field, v.rule) for v in validate(native)]


def test_a_valid_settlement_breaks_no_rule_and_draws_no_warning(native: Native) -> None:
    checked = check(native)
    assert checked.errors == []
    assert checked.warnings == []


@pytest.mark.parametrize(
    "name", ["setl_id", "fixmedins_code", "insuplc", "adm_time", "dscg_time", "dscg_way"]
)
@pytest.mark.parametrize("absent", [None, "", ...])
def test_a_required_field_is_missed(native: Native, name: str, absent: object) -> None:
    if absent is ...:
        del native["setlinfo"][name]
    else:
        native["setlinfo"][name] = absent
    assert (f"/setlinfo/{name}", "settlement.field.required") in broken(native)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("setl_id", "a b", "settlement.code.identifier"),
        ("setl_id", "x" * 41, "settlement.code.identifier"),
        ("fixmedins_code", "H3101010001", "settlement.code.hospital"),
        ("fixmedins_code", "D31010100001", "settlement.code.hospital"),
        ("fixmedins_code", "H３１０１０１００００１", "settlement.code.hospital"),
        ("insuplc", "31000", "settlement.code.area"),
        ("dscg_way", "6", "settlement.code.dictionary"),
        ("med_type", "00", "settlement.code.dictionary"),
        ("ward_type", "vip", "settlement.code.dictionary"),
        ("hosp_lv", "12", "settlement.code.dictionary"),
        ("patn_cert_type", "02", "settlement.code.dictionary"),
        ("certno", "110105194912310021", "settlement.code.certificate"),
        ("certno", "110105194902310028", "settlement.code.certificate"),
        ("certno", "1101051949", "settlement.code.certificate"),
        ("psn_name", "a\nb", "settlement.field.characters"),
        ("psn_name", 5, "settlement.field.type"),
        ("psn_name", "名" * 101, "settlement.field.length"),
        ("age", "151", "settlement.field.range"),
        ("age", -1, "settlement.field.range"),
        ("adm_time", "2024-02-30 10:00:00", "settlement.date.format"),
        ("adm_time", "2024/02/03", "settlement.date.format"),
        ("adm_time", "20240203", "settlement.date.format"),
        ("brdy", "1990-01-01 00:00:00", "settlement.date.format"),
        ("brdy", "1890-01-01", "settlement.date.format"),
        ("psn_cash_pay", True, "settlement.field.type"),
        ("psn_cash_pay", {}, "settlement.field.type"),
        ("oth_comp_amt", "1.005", "settlement.money.precision"),
        ("oth_comp_amt", 1.005, "settlement.money.precision"),
        ("oth_comp_amt", "1e2", "settlement.money.precision"),
        ("oth_comp_amt", "100000000000000.00", "settlement.money.precision"),
        ("oth_comp_amt", "１２.50", "settlement.money.precision"),
        ("oth_comp_amt", "-0.01", "settlement.sign.total"),
    ],
)
def test_a_value_against_its_rule_is_named(native: Native, name: str, value: object, rule: str) -> None:
    native["setlinfo"][name] = value
    assert broken(native) == [(f"/setlinfo/{name}", rule)]


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("feedetl_sn", "", "settlement.field.required"),
        ("med_list_codg", "XL01EXA301A00101010145", "settlement.code.list_item"),
        ("med_list_codg", "ZA04BAD01020101002310", "settlement.code.list_item"),
        ("med_list_codg", "C01010100100010001", "settlement.code.list_item"),
        ("med_list_codg", "T60012", "settlement.code.list_item"),
        ("med_list_codg", "a-b", "settlement.code.list_item"),
        ("med_list_codg", 7, "settlement.field.type"),
        ("med_chrgitm_type", "15", "settlement.code.dictionary"),
        ("cnt", "1.00001", "settlement.quantity.precision"),
        ("pric", "1.0000001", "settlement.price.precision"),
        ("pric", "-1", "settlement.price.precision"),
        ("det_item_fee_sumamt", None, "settlement.field.required"),
        ("inscp_scp_amt", "a", "settlement.money.precision"),
    ],
)
def test_a_value_of_a_line_against_its_rule_is_named(
    native: Native, name: str, value: object, rule: str
) -> None:
    native["feedetail"][4][name] = value
    assert (f"/feedetail/4/{name}", rule) in broken(native)


@pytest.mark.parametrize(
    "code",
    [
        *("XL01EXA301A001010101458", "ZA04BAD0102010100231", "C0101010010001000101"),
        *("C01010100100010001010000123", "T000600123", "001101000010000-110100001", "HX310101000012"),
    ],
)
def test_every_form_of_a_catalogue_code_is_known(native: Native, code: str) -> None:
    native["feedetail"][0]["med_list_codg"] = code
    assert broken(native) == []


@pytest.mark.parametrize("code", ["C34.900", "I63.900x001", "A01", "M8140/3", "BNS090", "K35.8"])
def test_every_form_of_a_diagnosis_is_known(native: Native, code: str) -> None:
    native["diseinfo"][0]["diag_code"] = code
    assert broken(native) == []


def test_malformed_diagnoses_operations_and_funds_are_named(native: Native) -> None:
    native["diseinfo"][0]["diag_code"] = "34.9"
    native["oprninfo"] = [{"oprn_oprt_code": "39.95y"}]
    native["payinfo"][0]["fund_pay_type"] = "31010"
    assert broken(native) == [
        ("/diseinfo/0/diag_code", "settlement.code.diagnosis"),
        ("/oprninfo/0/oprn_oprt_code", "settlement.code.operation"),
        ("/payinfo/0/fund_pay_type", "settlement.code.dictionary"),
    ]


def test_all_violations_are_reported_not_the_first(native: Native) -> None:
    native["setlinfo"]["fixmedins_code"] = "x"
    native["setlinfo"]["dscg_way"] = "x"
    native["feedetail"][0]["cnt"] = "x"
    native["feedetail"][1]["feedetl_sn"] = native["feedetail"][2]["feedetl_sn"]
    assert {field for field, _ in broken(native)} == {
        *("/setlinfo/fixmedins_code", "/setlinfo/dscg_way", "/feedetail/0/cnt", "/feedetail/2/feedetl_sn")
    }


@pytest.mark.parametrize(
    ("node", "value", "rule"),
    [
        ("setlinfo", ..., "settlement.field.required"),
        ("setlinfo", [], "settlement.field.type"),
        ("feedetail", ..., "settlement.field.required"),
        ("feedetail", [], "settlement.list.length"),
        ("feedetail", {}, "settlement.field.type"),
        ("payinfo", [{}] * 501, "settlement.list.length"),
    ],
)
def test_a_node_of_another_shape_is_named(native: Native, node: str, value: object, rule: str) -> None:
    if value is ...:
        del native[node]
    else:
        native[node] = value
    assert (f"/{node}", rule) in broken(native)


def test_a_row_that_is_no_object_is_named(native: Native) -> None:
    native["feedetail"][3] = "x"
    assert broken(native) == [("/feedetail/3", "settlement.field.type")]


def _dates(**changes: str) -> Callable[[Native], None]:
    return lambda native: native["setlinfo"].update(changes)


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        (_dates(dscg_time="1999-01-01"), "/setlinfo/dscg_time", "settlement.dates.stay"),
        (_dates(setl_begn_date="2099-01-01"), "/setlinfo/setl_end_date", "settlement.dates.settlement"),
        (_dates(setl_time="1999-01-01 00:00:00"), "/setlinfo/setl_time", "settlement.dates.settlement"),
        (_dates(brdy="2099-01-01"), "/setlinfo/brdy", "settlement.dates.birth"),
        (
            lambda native: native["feedetail"][5].update(feedetl_sn=native["feedetail"][4]["feedetl_sn"]),
            "/feedetail/5/feedetl_sn",
            "settlement.line.duplicate",
        ),
        (
            lambda native: native["diseinfo"].append(dict(native["diseinfo"][0])),
            "/diseinfo/1/maindiag_flag",
            "settlement.diagnosis.main",
        ),
    ],
)
def test_fields_that_contradict_each_other_are_named(
    native: Native, change: Callable[[Native], None], field: str, rule: str
) -> None:
    change(native)
    assert (field, rule) in broken(native)


def test_what_only_looks_odd_warns_and_does_not_refuse(native: Native) -> None:
    native["setlinfo"]["brdy"] = "1980-01-01"
    native["setlinfo"]["setl_time"] = native["setlinfo"]["adm_time"]
    native["feedetail"][0]["fee_ocur_time"] = "2001-01-01"
    drug = next(line for line in native["feedetail"] if line["med_list_codg"][0] == "X")
    drug["med_chrgitm_type"] = "11"
    checked = check(native)
    assert checked.errors == []
    assert {v.rule for v in checked.warnings} == {
        *("settlement.person.birth_date", "settlement.dates.mid_stay", "settlement.dates.line"),
        "settlement.code.list_category",
    }


def test_a_vendors_name_of_a_field_is_read_and_named_as_sent(native: Native) -> None:
    expected = Settlement.parse(native)
    info = native["setlinfo"]
    info["psn_cashpay"] = info.pop("psn_cash_pay")
    info["medfee"] = info.pop("medfee_sumamt")
    for line in native["feedetail"]:
        line["overlmt_selfpay"] = line.pop("overlmt_amt")
    assert Settlement.parse(native) == expected
    native["feedetail"][1]["overlmt_selfpay"] = "x"
    assert broken(native) == [("/feedetail/1/overlmt_selfpay", "settlement.money.precision")]


def test_two_names_of_one_field_must_agree(native: Native) -> None:
    info = native["setlinfo"]
    info["psn_cashpay"] = Decimal(info["psn_cash_pay"])
    assert broken(native) == []
    info["psn_cashpay"] = "0.01"
    assert broken(native) == [("/setlinfo/psn_cashpay", "settlement.field.alias")]


def test_money_is_the_same_however_it_is_spelled() -> None:
    for spelling in ("12.5", "12.50", "12.500", Decimal("12.50"), 12.5):
        assert money(spelling) == 1250
    assert money("-0.00") == 0
    with pytest.raises(BadValue):
        money(float("nan"))


def test_no_message_repeats_a_personal_value(native: Native) -> None:
    native["setlinfo"]["certno"] = "310101199001011235"
    native["setlinfo"]["psn_name"] = "张\x00三丰"
    found = validate(native)
    assert len(found) == 2
    assert not any("199001" in v.message or "三丰" in v.message for v in found)


def test_parse_raises_with_every_violation(native: Native) -> None:
    native["setlinfo"]["dscg_way"] = "x"
    native["setlinfo"]["insuplc"] = "x"
    with pytest.raises(SettlementInvalid) as caught:
        Settlement.parse(native)
    assert [v.field for v in caught.value.violations] == ["/setlinfo/insuplc", "/setlinfo/dscg_way"]
    assert "settlement.code.area" in str(caught.value)


def test_a_city_can_change_severity_and_tolerance(native: Native) -> None:
    native["setlinfo"]["medfee_sumamt"] = money_plus(native["setlinfo"]["medfee_sumamt"], 1)
    assert broken(native)
    loose = {rule.id: dataclasses.replace(rule, tolerance_fen=1) for rule in RULES.values()}
    assert validate(native, loose) == []


def money_plus(text: str, fen: int) -> str:
    return str(Decimal(text) + Decimal(fen) / 100)
