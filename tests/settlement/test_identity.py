"""One person, one spelling: whatever a hospital and an insurer typed."""

import copy
from typing import Any

import pytest

from engine.settlement import (
    CertificateInvalid,
    IdentityMissing,
    PersonIdentity,
    identity_of,
    normalise_certificate,
    normalise_name,
    validate,
)
from engine.settlement.dictionaries import dictionary


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("11010519491231002X", "11010519491231002X"),
        ("11010519491231002x", "11010519491231002X"),
        (" 110105 19491231 002x ", "11010519491231002X"),
        ("１１０１０５１９４９１２３１００２Ｘ", "11010519491231002X"),
        ("110105491231002", "11010519491231002X"),
        ("440524188001010014", "440524188001010014"),
    ],
)
def test_an_id_card_has_one_spelling(typed: str, expected: str) -> None:
    assert normalise_certificate("01", typed) == ("01", expected)


@pytest.mark.parametrize(
    "typed",
    [
        *("110105194912310021", "11010519490231002X", "1101054912310", "", "A1010519491231002X"),
        *("110105191302290017", "110105491331002"),
    ],
)
def test_a_wrong_id_card_is_refused_without_repeating_it(typed: str) -> None:
    with pytest.raises(CertificateInvalid) as caught:
        normalise_certificate("01", typed)
    assert not typed or typed not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "typed", "expected"),
    [
        ("04", "h 1234 5678", "H12345678"),
        ("06", "0123 4567", "01234567"),
        ("08", "e-1234 5678", "E12345678"),
        ("０８", "Ｅ12345678", "E12345678"),
        ("07", "usa310199001011", "USA310199001011"),
        ("990201", "t310123456", "T310123456"),
    ],
)
def test_other_certificates_have_one_spelling(kind: str, typed: str, expected: str) -> None:
    assert normalise_certificate(kind, typed)[1] == expected


def test_an_unknown_kind_of_certificate_is_refused() -> None:
    with pytest.raises(CertificateInvalid):
        normalise_certificate("02", "1234567890")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (" 张　三 ", "张三"),
        ("阿依努尔•买买提", "阿依努尔·买买提"),
        ("阿依努尔．买买提", "阿依努尔·买买提"),
        ("阿依努尔・买买提", "阿依努尔·买买提"),
        ("阿依努尔 · 买买提", "阿依努尔·买买提"),
        ("𣲗浩", "𣲗浩"),
        ("豈凡", "豈凡"),
        ("吳淸", "吴清"),
        ("張偉", "张伟"),
        ("龑鵬", "䶮鹏"),
        ("\ue863鹏", "䶮鹏"),
        ("Ｊｏｈｎ  smith", "JOHN SMITH"),
    ],
)
def test_a_name_has_one_spelling(typed: str, expected: str) -> None:
    assert normalise_name(typed) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("王喆", "王哲"),
        ("王堃", "王坤"),
        ("毕昇", "毕升"),
        ("萧红", "肖红"),
        ("傅三", "付三"),
        ("葉三", "叶三"),
    ],
)
def test_a_name_that_is_merely_alike_stays_another(one: str, other: str) -> None:
    assert normalise_name(one) != normalise_name(other)


def test_a_form_of_a_character_stands_for_one_other_and_no_other_form() -> None:
    entries = dictionary("name_variants").entries
    for form, entry in entries.items():
        assert len(form) == len(entry["zh"]) == 1
        assert entry["zh"] not in entries, "its own form, so that reading twice changes nothing"
        if entry["en"] == "GB 18030":
            assert "\ue000" <= form <= "\uf8ff"
        else:
            assert entry["en"] in ("kSimplifiedVariant", "kZVariant")


def test_a_private_code_point_stands_for_what_gb_18030_has_at_its_two_bytes() -> None:
    """Python's codec is the witness: the region 0xFE50 to 0xFEA0 maps to U+E815 and on."""
    entries = dictionary("name_variants").entries
    private = {form: entry["zh"] for form, entry in entries.items() if entry["en"] == "GB 18030"}
    trails = [trail for trail in range(0x50, 0xA1) if trail != 0x7F]
    for form, stands_for in private.items():
        trail = trails[ord(form) - 0xE815]
        assert bytes([0xFE, trail]).decode("gb18030") == stands_for


@pytest.mark.parametrize(
    ("mother", "wrong"),
    [
        ({"mother_certno": "11010519491231002X"}, ("mother_cert_type", "settlement.field.required")),
        ({"mother_cert_type": "01"}, ("mother_certno", "settlement.field.required")),
        (
            {"mother_cert_type": "01", "mother_certno": "110105194912310021"},
            ("mother_certno", "settlement.code.certificate"),
        ),
    ],
)
def test_a_mother_is_named_by_a_whole_and_valid_certificate(
    native: dict[str, Any], mother: dict[str, str], wrong: tuple[str, str]
) -> None:
    native["setlinfo"] |= mother
    assert [(v.field, v.rule) for v in validate(native)] == [(f"/setlinfo/{wrong[0]}", wrong[1])]


def test_the_identity_is_normalised_and_stays_out_of_repr(native: dict[str, Any]) -> None:
    native["setlinfo"].update(patn_cert_type="01", certno="11010519491231002x", psn_name="张 三")
    identity = identity_of(native)
    assert identity == PersonIdentity("01", "11010519491231002X", "张三")
    assert "1949" not in repr(identity)
    assert "张" not in repr(identity)


@pytest.mark.parametrize(
    "certificate",
    [{}, {"patn_cert_type": "990201"}, {"patn_cert_type": "990201", "certno": "T310123456"}],
)
def test_a_newborn_without_an_id_is_accepted_and_identifies_nobody(
    native: dict[str, Any], certificate: dict[str, str]
) -> None:
    info = native["setlinfo"]
    for name in ("patn_cert_type", "certno", "age"):
        info.pop(name)
    info.update(nwb_age="5", brdy=info["adm_time"][:10], **certificate)
    assert validate(native) == []
    with pytest.raises(IdentityMissing) as caught:
        identity_of(native)
    assert caught.value.reason == "newborn"


def test_a_newborn_who_has_an_id_card_already_is_identified(native: dict[str, Any]) -> None:
    born = copy.deepcopy(native)
    born["setlinfo"]["nwb_age"] = "300"
    assert identity_of(born) == identity_of(native)


@pytest.mark.parametrize("name", ["patn_cert_type", "certno", "psn_name"])
def test_anyone_else_must_be_named(native: dict[str, Any], name: str) -> None:
    del native["setlinfo"][name]
    assert [(v.field, v.rule) for v in validate(native)] == [
        (f"/setlinfo/{name}", "settlement.field.required")
    ]
