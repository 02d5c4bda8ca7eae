"""A native settlement as a hospital would send it in our FHIR profile (docs/fhir.md), in R4 or R5.

Written from the profile and not from the reader: the two share no code, so that they can contradict.
"""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from engine.settlement.checks import SHANGHAI

Version = Literal["R4", "R5"]
Json = dict[str, Any]

OWN = "urn:autoclaim"
SERVER = "https://his.example/fhir"
HL7 = "http://terminology.hl7.org/CodeSystem"
EXTENDED = {
    "ExplanationOfBenefit": ("hi_paymtd",),
    "Encounter": ("ipt_med_type", "ward_type"),
    "Patient": ("ntly", "age", "nwb_age"),
}
TOTALS = (
    *("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt", "fund_pay_sumamt"),
    *("hosp_part_amt", "psn_part_amt", "acct_pay", "acct_mulaid_pay", "psn_cash_pay"),
    *("psn_selfpay", "psn_ownpay", "oth_comp_amt"),
)
LINE_COLUMNS = ("fulamt_ownpay_amt", "overlmt_amt", "preselfpay_amt", "inscp_scp_amt")
ITEM_COLUMNS = ("claa_sumfee", "clab_amt", "fulamt_ownpay_amt", "oth_amt")
GENDERS = {"0": "unknown", "1": "male", "2": "female", "9": "other"}


def bundle_of(native: Json, version: Version = "R4", kind: str = "collection", offset_hours: int = 8) -> Json:
    """offset_hours: the time zone in which the sender writes its times."""
    writer = _Writer(native, version, timedelta(hours=offset_hours))
    number = native["setlinfo"]["setl_id"]
    entries = []
    for resource in writer.resources():
        entry = {"fullUrl": f"{SERVER}/{resource['resourceType']}/{resource['id']}", "resource": resource}
        if kind == "transaction":
            entry["request"] = {"method": "POST", "url": resource["resourceType"]}
        elif kind == "searchset":
            entry["search"] = {"mode": "match"}
        entries.append(entry)
    return {"resourceType": "Bundle", "id": f"bundle-{number}", "type": kind, "entry": entries}


def claim_alone(native: Json, version: Version = "R4") -> Json:
    """The same as one Claim that contains the rest, as `$submit` may carry it."""
    claim, *rest = _Writer(native, version, timedelta(hours=8)).resources()
    inside = {f"{resource['resourceType']}/{resource['id']}": f"#{resource['id']}" for resource in rest}
    inside[f"Claim/{claim['id']}"] = "#"
    document: Json = _renamed({**claim, "contained": rest}, inside)
    return document


def encoded(document: Json) -> bytes:
    """JSON bytes. json writes no Decimal, so a number goes through marked, and loses its quotes."""
    text = json.dumps(document, ensure_ascii=False, default=lambda number: f"\ue000{number:f}\ue000")
    return text.replace('"\ue000', "").replace('\ue000"', "").encode()


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: names.get(member, member) if key == "reference" else _renamed(member, names)
            for key, member in value.items()
        }
    return [_renamed(member, names) for member in value] if isinstance(value, list) else value


class _Writer:
    def __init__(self, native: Json, version: Version, offset: timedelta) -> None:
        self._native = native
        self._info = native["setlinfo"]
        self._r5 = version == "R5"
        self._offset = offset

    def resources(self) -> list[Json]:
        return [
            self._claim(),
            self._benefit(),
            self._encounter(),
            self._patient(),
            self._coverage(),
            self._hospital(),
        ]

    def _claim(self) -> Json:
        return _filled(
            {
                "resourceType": "Claim",
                "id": self._id("Claim"),
                "identifier": [self._identifier("setl_id")],
                "status": "active",
                "type": concept(f"{HL7}/claim-type", "institutional"),
                "use": "claim",
                "patient": self._refer("Patient"),
                "created": self._moment(self._info.get("setl_time") or self._info["setl_end_date"]),
                "provider": self._refer("Organization"),
                "priority": concept(f"{HL7}/processpriority", "normal"),
                "insurance": [{"sequence": 1, "focal": True, "coverage": self._refer("Coverage")}],
                "total": money(self._info["medfee_sumamt"]),
            }
        )

    def _benefit(self) -> Json:
        info = self._info
        return _filled(
            {
                "resourceType": "ExplanationOfBenefit",
                "id": self._id("ExplanationOfBenefit"),
                "extension": self._extensions("ExplanationOfBenefit"),
                "identifier": [
                    self._identifier(name)
                    for name in ("bill_code", "bill_no", "bill_chk_code", "biz_sn")
                    if name in info
                ],
                "status": "active",
                "type": concept(f"{HL7}/claim-type", "institutional"),
                "use": "claim",
                "patient": self._refer("Patient"),
                "billablePeriod": _filled(
                    {
                        "start": self._moment(info.get("setl_begn_date")),
                        "end": self._moment(info["setl_end_date"]),
                    }
                ),
                "created": self._moment(info.get("setl_time") or info["setl_end_date"]),
                "insurer": {"display": "基本医疗保险"},
                "provider": self._refer("Organization"),
                "claim": self._refer("Claim"),
                "outcome": "complete",
                "diagnosis": [self._diagnosis(*row) for row in enumerate(self._native["diseinfo"], 1)],
                "procedure": [self._procedure(*row) for row in enumerate(self._native["oprninfo"], 1)],
                "insurance": [{"focal": True, "coverage": self._refer("Coverage")}],
                "item": self._items(),
                "total": self._totals(),
            }
        )

    def _totals(self) -> list[Json]:
        info = self._info
        stated = [(f"{HL7}/adjudication", "submitted", info["medfee_sumamt"])]
        stated += [(dictionary("settlement_amount"), name, info[name]) for name in TOTALS if name in info]
        stated += [
            (dictionary("fund_type"), row["fund_pay_type"], row["fund_payamt"])
            for row in self._native["payinfo"]
        ]
        return [{"category": concept(system, code), "amount": money(yuan)} for system, code, yuan in stated]

    def _items(self) -> list[Json]:
        lines = self._native["feedetail"]
        groups = self._native.get("iteminfo") or []
        items: list[Json] = []
        for group in groups:
            details = [line for line in lines if line["med_chrgitm_type"] == group["med_chrgitm"]]
            items.append(
                {
                    "sequence": len(items) + 1,
                    "category": concept(dictionary("fee_category"), group["med_chrgitm"]),
                    "productOrService": {"text": "费用类别"},
                    "net": money(group["amt"]),
                    "adjudication": _columns(group, ITEM_COLUMNS),
                    "detail": [self._line(number, line) for number, line in enumerate(details, 1)],
                }
            )
        if not groups:
            items = [self._line(number, line) for number, line in enumerate(lines, 1)]
        items[0]["encounter"] = [self._refer("Encounter")]
        return items

    def _line(self, sequence: int, line: Json) -> Json:
        return _filled(
            {
                "extension": [
                    {"url": f"{OWN}:extension:feedetl_sn", "valueString": line["feedetl_sn"]},
                    *self._moment_extension("fee_ocur_time", line),
                ],
                "sequence": sequence,
                "category": concept(dictionary("fee_category"), line["med_chrgitm_type"]),
                "productOrService": concept(
                    dictionary("med_list"), line["med_list_codg"], line.get("hilist_name")
                ),
                "quantity": {"value": Decimal(line["cnt"])},
                "unitPrice": money(line["pric"]),
                "net": money(line["det_item_fee_sumamt"]),
                "adjudication": _columns(line, LINE_COLUMNS),
            }
        )

    def _diagnosis(self, sequence: int, row: Json) -> Json:
        principal = "principal" if row.get("maindiag_flag") == "1" else "secondary"
        kinds = [concept(f"{HL7}/ex-diagnosistype", principal)]
        if "diag_type" in row:
            kinds.append(concept(dictionary("diagnosis_type"), row["diag_type"]))
        return _filled(
            {
                "sequence": sequence,
                "diagnosisCodeableConcept": concept(
                    dictionary("icd10"), row["diag_code"], row.get("diag_name")
                ),
                "type": kinds,
                "onAdmission": concept(dictionary("condition_on_admission"), row["adm_cond_type"])
                if "adm_cond_type" in row
                else None,
            }
        )

    def _procedure(self, sequence: int, row: Json) -> Json:
        return {
            "sequence": sequence,
            "type": [concept(dictionary("operation_type"), row["oprn_oprt_type"])],
            "date": self._moment(row["oprn_oprt_date"]),
            "procedureCodeableConcept": concept(
                dictionary("icd9cm3"), row["oprn_oprt_code"], row["oprn_oprt_name"]
            ),
        }

    def _encounter(self) -> Json:
        info = self._info
        kind = {"system": f"{HL7}/v3-ActCode", "code": "IMP"}
        leaving = {"dischargeDisposition": concept(dictionary("discharge_way"), info["dscg_way"])}
        period = {"start": self._moment(info["adm_time"]), "end": self._moment(info["dscg_time"])}
        return _filled(
            {
                "resourceType": "Encounter",
                "id": self._id("Encounter"),
                "extension": self._extensions("Encounter"),
                "identifier": [self._identifier("mdtrt_id")],
                "status": "completed" if self._r5 else "finished",
                "class": [{"coding": [kind]}] if self._r5 else kind,
                "type": [concept(dictionary("visit_type"), info["med_type"])],
                "subject": self._refer("Patient"),
                "actualPeriod" if self._r5 else "period": period,
                "length": {
                    "value": Decimal(info["act_ipt_days"]),
                    "unit": "d",
                    "system": "http://unitsofmeasure.org",
                    "code": "d",
                },
                "admission" if self._r5 else "hospitalization": leaving,
                "serviceProvider": self._refer("Organization"),
            }
        )

    def _patient(self) -> Json:
        info = self._info
        identifiers = [
            {
                "type": concept(f"{HL7}/v2-0203", "MR"),
                "system": f"{OWN}:identifier:medcasno",
                "value": info["medcasno"],
            }
        ]
        if info.get("certno"):
            identifiers.append(
                {"system": f"{OWN}:certificate:{info['patn_cert_type']}", "value": info["certno"]}
            )
        return {
            "resourceType": "Patient",
            "id": self._id("Patient"),
            "extension": self._extensions("Patient"),
            "identifier": identifiers,
            "name": [{"use": "official", "text": info["psn_name"]}],
            "telecom": [{"system": "phone", "value": info["coner_tel"]}],
            "gender": GENDERS[info["gend"]],
            "birthDate": info["brdy"],
            "address": [{"text": info["curr_addr"]}],
        }

    def _coverage(self) -> Json:
        info = self._info
        insurer = {"identifier": {"system": f"{OWN}:identifier:insuplc", "value": info["insuplc"]}}
        shared = {
            "resourceType": "Coverage",
            "id": self._id("Coverage"),
            "status": "active",
            "type": concept(dictionary("insurance_type"), info["hi_type"]),
            "beneficiary": self._refer("Patient"),
        }
        if self._r5:
            subscriber = [{"value": info["hi_no"]}]
            return {**shared, "kind": "insurance", "subscriberId": subscriber, "insurer": insurer}
        return {**shared, "subscriberId": info["hi_no"], "payor": [insurer]}

    def _hospital(self) -> Json:
        return {
            "resourceType": "Organization",
            "id": self._id("Organization"),
            "identifier": [self._identifier("fixmedins_code")],
            "name": "示例医院（虚构）",
        }

    def _id(self, kind: str) -> str:
        return f"{kind.lower()}-{self._info['setl_id']}"

    def _refer(self, kind: str) -> Json:
        return {"reference": f"{kind}/{self._id(kind)}"}

    def _identifier(self, name: str) -> Json:
        return {"system": f"{OWN}:identifier:{name}", "value": self._info[name]}

    def _extensions(self, kind: str) -> list[Json]:
        return [
            {"url": f"{OWN}:extension:{name}", "valueCode": self._info[name]}
            for name in EXTENDED[kind]
            if name in self._info
        ]

    def _moment_extension(self, name: str, row: Json) -> list[Json]:
        if name not in row:
            return []
        return [{"url": f"{OWN}:extension:{name}", "valueDateTime": self._moment(row[name])}]

    def _moment(self, stated: str | None) -> str | None:
        """A day stays a day; a Shanghai time becomes the sender's."""
        if stated is None or len(stated) == 10:
            return stated
        there = datetime.fromisoformat(stated).replace(tzinfo=SHANGHAI) - timedelta(hours=8) + self._offset
        sign = "-" if self._offset < timedelta(0) else "+"
        hours = abs(int(self._offset.total_seconds())) // 3600
        return f"{there:%Y-%m-%dT%H:%M:%S}{sign}{hours:02d}:00"


def _columns(row: Json, names: tuple[str, ...]) -> list[Json]:
    return [
        {"category": concept(dictionary("settlement_amount"), name), "amount": money(row[name])}
        for name in names
        if name in row
    ]


def dictionary(name: str) -> str:
    return f"{OWN}:dictionary:{name}"


def concept(system: str, code: str, words: str | None = None) -> Json:
    return {"coding": [_filled({"system": system, "code": code, "display": words})]}


def money(yuan: str) -> Json:
    return {"value": Decimal(yuan), "currency": "CNY"}


def _filled(row: Json) -> Json:
    return {name: value for name, value in row.items() if value not in (None, [], {})}
