"""X12: claims in 837I come to the settlement they were written from; what was paid goes out as 835."""

import io
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyx12.params import params
from pyx12.x12n_document import x12n_document

from engine.money import Fen
from engine.sandbox.population import generate
from engine.settlement import Settlement
from engine.settlement.sources.record import Raw, Record, SourceRefused
from engine.settlement.sources.verdict import errors_of
from engine.settlement.sources.x12 import MAX_SEGMENT_CHARACTERS, read_x12
from engine.settlement.sources.x12_remittance import Adjustment, ClaimPayment, Party, Remittance, remittance
from tests.settlement.conftest import PLAIN
from tests.settlement.sources.claims import interchange
from tests.settlement.sources.parts import records, seed_mapping
from tests.settlement.sources.test_national import Endless

Native = dict[str, Any]
SEED = seed_mapping("example-x12")
_BROKEN = ("identity_failure", "needs_review")
NATIVES = [d.body for d in generate(120, 40).settlements() if d.scenario not in _BROKEN]
AT = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)


def read(delivery: str | bytes, **layout: Any) -> list[Raw]:
    data = delivery.encode() if isinstance(delivery, str) else delivery
    return list(read_x12(io.BytesIO(data), layout))


def standard(raws: list[Raw], native: Native) -> list[Record]:
    return records(raws, replace(SEED, hospital=native["setlinfo"]["fixmedins_code"]))


def refused(delivery: str | bytes) -> str:
    with pytest.raises(SourceRefused) as error:
        read(delivery)
    return error.value.violations[0].rule


def what_the_guide_says(interchange: str) -> set[str]:
    """Everything pyx12's own validator finds, but letters that X12 does not have."""
    found = io.StringIO()
    x12n_document(params(), io.StringIO(interchange), None, None, fd_json=found)

    def texts(node: Any) -> set[str]:
        if isinstance(node, list):
            return set().union(*map(texts, node))
        if not isinstance(node, dict):
            return set()
        own = {node["err_str"]} if node.get("err_cde", "6") != "6" else set()
        return own.union(*map(texts, node.values()))

    return texts(json.loads(found.getvalue()))


def comparable(settlement: Settlement) -> Settlement:
    """Without the unit price, which 837I leaves to charge by quantity."""
    lines = tuple(replace(line, unit_price=0) for line in settlement.lines)
    return replace(settlement, lines=lines, other_diagnoses=())


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(NATIVES), min_size=1, max_size=3), st.sampled_from(["utf-8", "gb18030"]))
def test_claims_come_to_the_settlements_they_were_written_from(natives: list[Native], charset: str) -> None:
    code = natives[0]["setlinfo"]["fixmedins_code"]
    natives = [{**native, "setlinfo": {**native["setlinfo"], "fixmedins_code": code}} for native in natives]
    found = standard(read(interchange(natives).encode(charset), charset=charset), natives[0])
    assert [record.kind for record in found] == ["settlement"] * len(natives)
    for native, record in zip(natives, found, strict=True):
        assert errors_of(record) == []
        assert comparable(Settlement.parse(record.body)) == comparable(Settlement.parse(native))
        assert record.body["setlinfo"].items() <= native["setlinfo"].items()


def test_what_is_written_for_these_tests_is_837i() -> None:
    assert what_the_guide_says(interchange([PLAIN])) == set()


def test_a_refund_line_stays_negative(native: Native) -> None:
    row = native["feedetail"][3]
    amounts = {name: f"-{value}" for name, value in row.items() if name.endswith("amt") and value != "0.00"}
    native["feedetail"].append({**row, **amounts, "cnt": f"-{row['cnt']}", "feedetl_sn": "9999"})
    (record,) = standard(read(interchange([native])), native)
    line = next(row for row in record.body["feedetail"] if row["feedetl_sn"] == "9999")
    assert (line["cnt"], line["det_item_fee_sumamt"]) == (f"-{row['cnt']}", f"-{row['det_item_fee_sumamt']}")
    assert line["pric"] == row["pric"].rstrip("0").rstrip(".")


def test_nobody_inherits_what_was_said_of_the_insured_before(native: Native) -> None:
    nameless = {**native["setlinfo"], "psn_name": "", "certno": "", "brdy": ""}
    first, second = standard(read(interchange([native, {**native, "setlinfo": nameless}])), native)
    assert {"psn_name", "certno", "brdy"} <= first.body["setlinfo"].keys()
    assert not {"psn_name", "certno", "brdy"} & second.body["setlinfo"].keys()


def test_a_void_claim_takes_its_settlement_back(native: Native) -> None:
    (record,) = standard(read(interchange([native], frequency="8")), native)
    assert (record.kind, errors_of(record)) == ("reversal", [])
    assert record.body["setl_id"] == native["setlinfo"]["setl_id"]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (":A:1*", ":A:7*", "source.x12.frequency"),
        ("CL1*1*1*01~", "XX1*1~", "source.x12.segment"),
        ("CL1*1*1*01~", "", "source.x12.segment"),
        ("HI*ABK", "QQ*ABK", "source.x12.segment"),
        ("SBR*S*18*******CI~", "", "source.x12.segment"),
    ],
)
def test_a_claim_that_is_not_as_the_guide_has_it_is_quarantined(
    native: Native, old: str, new: str, rule: str
) -> None:
    raws = read(interchange([native]).replace(old, new, 1))
    assert rule in {violation.rule for raw in raws for violation in raw.violations}


def test_a_fault_repeats_nothing_of_what_the_claim_says(native: Native) -> None:
    raws = read(interchange([native]).replace("HI*ABK", "QQ*SECRET", 1).replace("NM1*IL*1*", "NM1*XX*1*", 1))
    told = [violation.message for raw in raws for violation in raw.violations]
    assert len(told) > 1
    assert not [text for text in told if "SECRET" in text or native["setlinfo"]["psn_name"][:1] in text]


_WHOLE = interchange([PLAIN])


@pytest.mark.parametrize(
    ("delivery", "rule"),
    [
        ("", "source.x12.unreadable"),
        ("ISA*", "source.x12.unreadable"),
        ("{}" * 100, "source.x12.unreadable"),
        (_WHOLE.replace("GS*", "IEA*1*000000001~SE*1*1~GS*"), "source.x12.unreadable"),
        (_WHOLE.replace("00501", "00401", 1), "source.x12.unreadable"),
        (_WHOLE.replace("X223A2", "X222A1"), "source.x12.guide"),
        (_WHOLE.replace("X223A2", "X999"), "source.x12.unreadable"),
        (_WHOLE.replace("IEA*1*000000001~\n", ""), "source.x12.truncated"),
        (_WHOLE[: len(_WHOLE) // 2], "source.x12.truncated"),
        (_WHOLE.replace("CL1*", "~CL1*"), "source.x12.truncated"),
        (_WHOLE + "GS*HC", "source.x12.truncated"),
        (_WHOLE.replace("ROAD", "RO\0AD"), "source.encoding"),
        (_WHOLE.encode().replace(b"ROAD", b"\xff"), "source.encoding"),
    ],
)
def test_a_delivery_that_is_no_whole_interchange_is_refused(delivery: str | bytes, rule: str) -> None:
    assert refused(delivery) == rule


def test_a_segment_of_two_gigabytes_is_refused_at_once() -> None:
    delivery = Endless(_WHOLE[:200].encode(), b"x")
    with pytest.raises(SourceRefused) as error:
        list(read_x12(delivery, {}))
    assert error.value.violations[0].rule == "source.x12.too_large"
    assert delivery.given < 4 * MAX_SEGMENT_CHARACTERS


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_bytes_changed_anywhere_end_as_records_or_refused(data: st.DataObject) -> None:
    short = {**PLAIN, "feedetail": PLAIN["feedetail"][:2]}
    broken = bytearray(interchange([short]).encode())
    signs = [
        b"",
        b"*",
        b"~",
        b":",
        b"^",
        b"\n",
        b"\x00",
        b"\xff",
        b"ISA*",
        b"~HL*3*2*22*0",
        b"~ST*837*1",
        b"~~",
    ]
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(broken) - 1))
        cut = data.draw(st.sampled_from([0, 1, 3, 40]))
        broken[at : at + cut] = data.draw(st.sampled_from(signs))
    with suppress(SourceRefused):
        standard(read(bytes(broken)), PLAIN)


PAYER = Party("SHANGHAI POOL", "310101001", "1 ROAD", "SHANGHAI", "200000000")
PAYEE = Party("EXAMPLE HOSPITAL", "310101002", "2 ROAD", "SHANGHAI", "200000000")
STAY = (date(2025, 12, 5), date(2025, 12, 19))


def payment(*claims: ClaimPayment) -> Remittance:
    return Remittance(PAYER, PAYEE, "POOL", "H31011500010", "po_123", date(2026, 1, 5), claims)


def claim(charge: int, paid: int, *adjustments: tuple[str, str, int]) -> ClaimPayment:
    reasons = tuple(Adjustment(group, reason, Fen(fen)) for group, reason, fen in adjustments)
    return ClaimPayment("310000V0000000001", "clm_1", 2, Fen(charge), Fen(paid), reasons, *STAY)


PAID = claim(765_670, 100_000, ("OA", "23", 600_000), ("PR", "1", 60_000), ("PR", "2", 5_670))
NOTHING = claim(100, 0, ("PR", "96", 100))
TAKEN_BACK = claim(-765_670, -100_000, ("OA", "23", -600_000), ("PR", "1", -65_670))
MANY = claim(800, 0, *(("PR", code, 100) for code in ("1", "2", "3", "45", "96", "119", "204", "27")))


@pytest.mark.parametrize("claims", [[PAID], [NOTHING], [TAKEN_BACK], [PAID, PAID, TAKEN_BACK], [MANY]])
def test_a_remittance_is_835_by_the_guide(claims: list[ClaimPayment]) -> None:
    assert what_the_guide_says(remittance([payment(*claims)], 7, AT).decode()) == set()


def test_a_remittance_says_what_was_paid_and_why_not_more() -> None:
    lines = remittance([payment(PAID, NOTHING)], 7, AT).decode().split("~\n")
    assert "BPR*I*1000.00*C*BOP************20260105" in lines
    assert "TRN*1*po_123*1310101001" in lines
    assert "CLP*310000V0000000001*2*7656.70*1000.00*656.70*15*clm_1-2" in lines
    assert "REF*F8*clm_1" in lines
    assert "CAS*PR*1*600.00**2*56.70" in lines
    assert "CLP*310000V0000000001*2*1.00*0.00*1.00*15*clm_1-2" in lines
    assert lines[-4:] == [f"SE*{len(lines) - 5}*0001", "GE*1*7", "IEA*1*000000007", ""]


def test_each_payment_of_a_remittance_is_a_transaction_of_its_own() -> None:
    other = replace(payment(NOTHING), trace="po_124", payee=replace(PAYEE, street=""))
    written = remittance([payment(PAID), other], 7, AT).decode()
    assert what_the_guide_says(written) == set()
    lines = written.split("~\n")
    assert [line for line in lines if line.startswith(("ST", "TRN", "GE"))] == [
        *("ST*835*0001", "TRN*1*po_123*1310101001"),
        *("ST*835*0002", "TRN*1*po_124*1310101001", "GE*2*7"),
    ]


def test_every_reason_is_stated_however_many_there_are() -> None:
    lines = remittance([payment(MANY)], 7, AT).decode().split("~\n")
    stated = [line.split("*")[2:] for line in lines if line.startswith("CAS*PR*")]
    assert [code for line in stated for code in line[::3]] == [one.reason for one in MANY.adjustments]
    assert all(len(line) <= 18 for line in stated)


def test_a_recovery_pays_nothing_and_carries_its_balance_forward() -> None:
    lines = remittance([payment(TAKEN_BACK)], 7, AT).decode().split("~\n")
    assert any(line.startswith("BPR*H*0.00*C*NON") for line in lines)
    assert "PLB*310101002*20261231*FB*-1000.00" in lines


def test_a_remittance_that_does_not_balance_is_not_written() -> None:
    with pytest.raises(ValueError, match="paid"):
        remittance([payment(replace(PAID, paid_fen=Fen(1)))], 7, AT)
    with pytest.raises(ValueError, match="at least one"):
        remittance([payment(PAID), payment()], 7, AT)


@pytest.mark.parametrize("name", ["A*B", "A~B", "A:B", "A^B", "示例医院", "A\nB"])
def test_a_text_that_x12_has_no_letters_for_is_not_written(name: str) -> None:
    with pytest.raises(ValueError, match="N1 holds"):
        remittance([replace(payment(PAID), payee=replace(PAYEE, name=name))], 7, AT)
