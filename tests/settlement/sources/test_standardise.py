"""A record under its sender's names becomes a native settlement, or says why not."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engine.settlement.sources.codes import Dictionaries
from engine.settlement.sources.mapping import CodeRule, SourceMapping
from engine.settlement.sources.record import Raw, Record, UnmappedCode
from engine.settlement.sources.standardise import standardise
from engine.settlement.sources.verdict import errors_of

DAY = date(2024, 9, 10)
HOSPITAL = "H31010100001"


def mapping(**parts: Any) -> SourceMapping:
    stated: dict[str, Any] = {
        "source": "some-his",
        "hospital": HOSPITAL,
        "format": "national",
        "number": 1,
        "holds_from": date(2024, 1, 1),
    }
    return SourceMapping(**{**stated, **parts})


def raw(**nodes: Any) -> Raw:
    return Raw("settlement", "line 1", nodes)


def test_a_native_settlement_passes_through_with_what_the_purpose_lists(native: dict[str, Any]) -> None:
    record = standardise(raw(**native), mapping(), DAY)
    assert errors_of(record) == []
    assert record.dropped == {"setlinfo/curr_addr": 1, "setlinfo/coner_tel": 1}
    listed = {
        key: value for key, value in native["setlinfo"].items() if key not in ("curr_addr", "coner_tel")
    }
    plain = {name: rows for name, rows in record.body.items() if name != "feedetail"}
    assert plain == {**{k: v for k, v in native.items() if k != "feedetail"}, "setlinfo": listed}


def test_what_is_counted_of_dropped_names_is_bounded_and_names_nobody(native: dict[str, Any]) -> None:
    made_up = {f"名{number}": "1" for number in range(1_000)}
    long = {"x" * 4_000: "1", "310101198001011234": "1"}
    record = standardise(
        raw(**{**native, "setlinfo": {**native["setlinfo"], **long, **made_up}}), mapping(), DAY
    )
    assert errors_of(record) == []
    assert sum(record.dropped.values()) == 2 + len(long) + len(made_up)
    assert len(record.dropped) == 201
    assert {"setlinfo/" + "x" * 100, "setlinfo/(withheld: a long number)"} < set(record.dropped)
    assert record.dropped["setlinfo/(others)"] == 1_000 - 196


@pytest.mark.parametrize("kind", ["part", "report"])
def test_a_stay_has_a_name_that_one_can_keep_it_by(kind: Any) -> None:
    assert errors_of(Record(kind, "line 1", {}, key="x" * 200)) == []
    assert [one.rule for one in errors_of(Record(kind, "line 1", {}, key="x" * 201))] == ["source.part.key"]


def test_local_names_constants_and_codes_become_the_national_ones(native: dict[str, Any]) -> None:
    info = native["setlinfo"]
    for national, local in (
        ("setl_id", "结算号"),
        ("medfee_sumamt", "总费用"),
        ("psn_cash_pay", "cash_payamt"),
    ):
        info[local] = info.pop(national)
    info["gend"], info["离院"] = "女", "Z"
    del info["dscg_way"], info["insuplc"], info["fixmedins_code"]
    rules = mapping(
        names={"setlinfo": {"结算号": "setl_id", "总费用": "medfee_sumamt", "离院": "dscg_way"}},
        constants={"setlinfo": {"insuplc": "310000"}, "diseinfo": {"diag_type": "1"}},
        codes={"sex": (CodeRule("女", "2"),), "discharge_way": (CodeRule("Z", "1"),)},
    )
    record = standardise(raw(**native), rules, DAY)
    assert errors_of(record) == []
    read = record.body["setlinfo"]
    assert (read["gend"], read["dscg_way"], read["insuplc"]) == ("2", "1", "310000")
    assert read["fixmedins_code"] == HOSPITAL
    assert not {"结算号", "总费用", "cash_payamt", "离院"} & read.keys()


def test_a_code_that_is_not_mapped_is_listed_and_never_guessed(native: dict[str, Any]) -> None:
    native["setlinfo"]["dscg_way"] = "治愈"
    record = standardise(raw(**native), mapping(), DAY)
    assert record.unmapped == (UnmappedCode("discharge_way", "治愈", "/setlinfo/dscg_way"),)
    (violation,) = errors_of(record)
    assert (violation.field, violation.rule) == ("/setlinfo/dscg_way", "source.code.unmapped")
    assert "discharge_way" in violation.message
    assert "治愈" not in violation.message


@pytest.mark.parametrize(("day", "standard"), [(date(2024, 6, 30), "10"), (date(2024, 7, 1), None)])
def test_a_code_is_mapped_on_its_days_only(native: dict[str, Any], day: date, standard: str | None) -> None:
    native["feedetail"][0]["med_chrgitm_type"] = "草药"
    rules = mapping(codes={"fee_category": (CodeRule("草药", "10", last_day=date(2024, 6, 30)),)})
    record = standardise(raw(**native), rules, day)
    assert record.body["feedetail"][0]["med_chrgitm_type"] == (standard or "草药")
    assert [one.field for one in record.unmapped] == ([] if standard else ["/feedetail/0/med_chrgitm_type"])


def test_a_local_code_may_look_like_another_standard_one(native: dict[str, Any]) -> None:
    rules = mapping(codes={"discharge_way": (CodeRule("1", "9"),)})
    assert standardise(raw(**native), rules, DAY).body["setlinfo"]["dscg_way"] == "9"


def test_an_operators_list_decides_about_codes_of_which_we_know_the_form(
    native: dict[str, Any], tmp_path: Path
) -> None:
    code = native["diseinfo"][0]["diag_code"]
    (tmp_path / "icd10.csv").write_text(f"code,name,from,to\n{code},x,2024-01-01,2024-09-09\n", "utf-8")
    listed = Dictionaries.of_folder(tmp_path)
    assert errors_of(standardise(raw(**native), mapping(), DAY)) == []
    assert errors_of(standardise(raw(**native), mapping(), date(2024, 9, 9), listed)) == []
    (violation,) = errors_of(standardise(raw(**native), mapping(), DAY, listed))
    assert (violation.field, violation.rule) == ("/diseinfo/0/diag_code", "source.code.unmapped")
    assert listed.digests()["icd10"] != Dictionaries().digests().get("icd10")


def test_values_are_cleaned_and_what_cannot_be_is_refused_by_field_and_rule(native: dict[str, Any]) -> None:
    info = native["setlinfo"]
    info["medfee_sumamt"] = f"￥{float(info['medfee_sumamt']):,.2f}"
    info["adm_time"], info["hi_no"] = "2024年8月25日 11时16分", 310000000001.0
    assert errors_of(standardise(raw(**native), mapping(), DAY)) == []
    info["acct_pay"] = "0.045万元"
    (violation,) = errors_of(standardise(raw(**native), mapping(), DAY))
    assert (violation.field, violation.rule) == ("/setlinfo/acct_pay", "settlement.money.precision")


def test_two_names_of_one_field_may_agree_and_not_differ(native: dict[str, Any]) -> None:
    info = native["setlinfo"]
    info["cash_payamt"] = float(info["psn_cash_pay"])
    assert errors_of(standardise(raw(**native), mapping(), DAY)) == []
    info["cash_payamt"] = "1.00"
    (violation,) = errors_of(standardise(raw(**native), mapping(), DAY))
    assert (violation.field, violation.rule) == ("/setlinfo/psn_cash_pay", "source.name.disagree")


def test_a_mapping_reads_no_other_hospitals_record(native: dict[str, Any]) -> None:
    (violation,) = errors_of(standardise(raw(**native), mapping(hospital="H31010600003"), DAY))
    assert (violation.field, violation.rule) == ("/setlinfo/fixmedins_code", "source.hospital.other")


def test_a_number_whose_end_a_sheet_has_lost_is_not_taken_for_a_certificate(native: dict[str, Any]) -> None:
    native["setlinfo"]["certno"] = float(310104199611210002)
    (violation,) = errors_of(standardise(raw(**native), mapping(), DAY))
    assert (violation.field, violation.rule) == ("/setlinfo/certno", "source.value.precision")


def test_what_is_dropped_is_counted_and_a_blank_is_nothing(native: dict[str, Any]) -> None:
    for line, note in zip(native["feedetail"], ("x", "", None, "y"), strict=False):
        line["批号"] = note
    native["setlinfo"]["床号"] = "12"
    record = standardise(raw(**native), mapping(ignore={"setlinfo": frozenset({"床号"})}), DAY)
    assert record.dropped["feedetail/批号"] == 2
    assert record.dropped["setlinfo/床号"] == 1
    assert "批号" not in json.dumps(record.body, ensure_ascii=False)


def test_a_reversal_is_one_row_of_its_own_names() -> None:
    row = {"单号": "S-1", "reason": "wrong", "reversed_at": "20240910", "biz_sn": "R-1", "medfee_sumamt": -5}
    rules = mapping(names={"reversal": {"单号": "setl_id"}})
    record = standardise(Raw("reversal", "line 1", {"reversal": row}), rules, DAY)
    assert errors_of(record) == []
    assert record.body == {
        "setl_id": "S-1",
        "reason": "wrong",
        "reversed_at": "2024-09-10",
        "biz_sn": "R-1",
        "medfee_sumamt": "-5.00",
        "fixmedins_code": HOSPITAL,
    }


@pytest.mark.parametrize("nodes", [{}, {"setlinfo": 3}, {"feedetail": [1, None]}, {"other": {"a": 1}}])
def test_any_shape_becomes_a_record_that_the_rules_can_refuse(nodes: dict[str, Any]) -> None:
    assert errors_of(standardise(raw(**nodes), mapping(), DAY))


def test_a_settlement_of_which_nothing_came_is_still_the_hospitals() -> None:
    record = standardise(raw(), mapping(constants={"setlinfo": {"insuplc": "310000"}}), DAY)
    assert record.body == {"setlinfo": {"insuplc": "310000", "fixmedins_code": HOSPITAL}}
