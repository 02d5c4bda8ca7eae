"""The evidence's settlement document: nobody in it, and everything adjudication reads."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evidence.canonical import canonical_bytes
from engine.sandbox.population import UNGRADED_HOSPITAL, generate
from engine.settlement import (
    HospitalRegister,
    Settlement,
    SettlementInvalid,
    load_register,
    minimise,
    validate,
)
from engine.settlement.fields import PERSONAL_FIELDS

Native = dict[str, Any]
VALID = [d for d in generate().settlements() if d.outcome != "refused"]

PERSONAL = {
    **{name: f"SECRET-{name}" for name in PERSONAL_FIELDS},
    "patn_cert_type": "08",
    "certno": "SECRET12345",
    "brdy": "1987-06-05",
    "gend": "2",
    "nwb_age": None,
    "mother_cert_type": "08",
    "mother_certno": "SECRET01",
    "ntly": "SECRET-nat",
}


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for member in value.values() for key in keys(member)}
    if isinstance(value, list):
        return {key for member in value for key in keys(member)}
    return set()


def test_no_personal_field_survives(native: Native, register: HospitalRegister) -> None:
    native["setlinfo"].update(PERSONAL)
    native["setlinfo"]["unheard_of"] = "SECRET-new"
    native["opspdiseinfo"] = [{"psn_name": "SECRET-nested"}]
    native["feedetail"][0]["drord_dr_name"] = "SECRET-doctor"
    assert validate(native) == []
    document = minimise(native, register)
    assert keys(document).isdisjoint(PERSONAL_FIELDS)
    text = json.dumps(document, ensure_ascii=False)
    assert "SECRET" not in text
    assert "1987" not in text


@pytest.mark.parametrize("number", range(len(VALID)), ids=lambda n: f"{n}-{VALID[n].scenario}")
def test_adjudication_sees_the_same_settlement_in_both_documents(
    number: int, register: HospitalRegister
) -> None:
    native = VALID[number].body
    document = json.loads(canonical_bytes(minimise(native, register)))
    assert Settlement.parse(document) == Settlement.parse(native, register)
    assert minimise(document) == document


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(VALID),
    st.sets(
        st.sampled_from(["medfee_sumamt", "psn_part_amt", "psn_cash_pay", "acct_pay", "hosp_part_amt", "age"])
    ),
    st.booleans(),
)
def test_the_documents_agree_whatever_the_hospital_left_out(
    chosen: Any, absent: set[str], registered: bool
) -> None:
    native = {
        **chosen.body,
        "setlinfo": {k: v for k, v in chosen.body["setlinfo"].items() if k not in absent},
    }
    register = load_register() if registered else None
    if validate(native):
        return
    assert Settlement.parse(minimise(native, register)) == Settlement.parse(native, register)


def test_the_register_and_not_the_hospital_says_grade_and_ward(
    native: Native, register: HospitalRegister
) -> None:
    native["setlinfo"].update(hosp_lv="02", fixmedins_code=UNGRADED_HOSPITAL, ward_type="international")
    settlement = Settlement.parse(native, register)
    assert (settlement.hospital_grade, settlement.ward_type) == (0, "unknown")
    native["setlinfo"]["fixmedins_code"] = "H99999999999"
    assert Settlement.parse(native, register).hospital_grade == 0
    assert Settlement.parse(native).hospital_grade == 3


def test_a_ward_that_is_not_stated_is_the_hospitals_ordinary_one(
    native: Native, register: HospitalRegister
) -> None:
    del native["setlinfo"]["ward_type"]
    assert Settlement.parse(native, register).ward_type == "ordinary"
    native["setlinfo"]["fixmedins_code"] = "H31010500011"
    assert Settlement.parse(native, register).ward_type == "international"


def test_a_hospital_cannot_pass_a_native_settlement_off_as_minimised(
    native: Native, register: HospitalRegister
) -> None:
    native["schema"] = minimise(native, register)["schema"]
    native["setlinfo"]["hosp_lv"] = "02"
    native["setlinfo"]["fixmedins_code"] = UNGRADED_HOSPITAL
    assert Settlement.parse(native, register).hospital_grade == 0
    del native["setlinfo"]["psn_name"]
    assert [v.field for v in validate(native)] == ["/setlinfo/psn_name"]
    with pytest.raises(SettlementInvalid):
        Settlement.parse(native, register)


def test_age_is_whole_years_at_admission(native: Native) -> None:
    info = native["setlinfo"]
    info.update(adm_time="2025-02-28 08:00:00", patn_cert_type="08", certno="E12345678")
    info.update(
        dscg_time="2025-03-09", setl_begn_date="2025-02-28", setl_end_date="2025-03-09", setl_time=None
    )
    info["brdy"] = "2008-02-29"
    assert Settlement.parse(native).age_years == 16
    info["adm_time"] = "2025-03-01 08:00:00"
    assert Settlement.parse(native).age_years == 17
    info["brdy"] = None
    info["age"] = "44"
    assert Settlement.parse(native).age_years == 44
    info["nwb_age"] = 3
    assert Settlement.parse(native).age_years == 0


def test_times_are_read_as_shanghai_time(native: Native) -> None:
    info = native["setlinfo"]
    info["setl_time"] = f"{info['setl_end_date']}T20:00:00Z"
    settled = Settlement.parse(native).settled_at
    assert settled.utcoffset() is not None
    assert settled.isoformat().endswith("04:00:00+08:00")


def test_what_the_list_leaves_open_is_read_as_documented(native: Native) -> None:
    info = native["setlinfo"]
    del info["med_type"]
    assert Settlement.parse(native).visit_type == "21"
    info["ipt_med_type"] = "2"
    assert Settlement.parse(native).visit_type == "28"
    del native["diseinfo"]
    del native["feedetail"][0]["fee_ocur_time"]
    settlement = Settlement.parse(native)
    assert settlement.main_diagnosis is None
    assert settlement.lines[0].occurred_on == settlement.discharged_on
