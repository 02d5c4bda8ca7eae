"""Examples that stand in the OpenAPI document. Synthetic; the settlement and policy ones pass every rule."""

import json
from pathlib import Path
from typing import Any

from api.http.bodies import JSON, NDJSON


def _line(example: dict[str, Any]) -> str:
    return json.dumps(example, ensure_ascii=False, separators=(",", ":")) + "\n"


SETTLEMENT: dict[str, Any] = {
    "setlinfo": {
        "setl_id": "S20250301000017",
        "mdtrt_id": "M20250226000123",
        "fixmedins_code": "H31010100001",
        "ward_type": "ordinary",
        "psn_name": "测试甲",
        "gend": "1",
        "brdy": "1949-12-31",
        "age": 75,
        "patn_cert_type": "01",
        "certno": "11010519491231002X",
        "insuplc": "310000",
        "med_type": "21",
        "adm_time": "2025-02-26 09:30:00",
        "dscg_time": "2025-03-01 10:00:00",
        "act_ipt_days": 3,
        "dscg_way": "1",
        "setl_begn_date": "2025-02-26",
        "setl_end_date": "2025-03-01",
        "setl_time": "2025-03-01 10:20:00",
        "medfee_sumamt": "30000.00",
        "fulamt_ownpay_amt": "20000.00",
        "overlmt_selfpay": "0.00",
        "preselfpay_amt": "1000.00",
        "inscp_scp_amt": "9000.00",
        "fund_pay_sumamt": "8000.00",
        "hosp_part_amt": "0.00",
        "psn_part_amt": "22000.00",
        "acct_pay": "1000.00",
        "psn_cash_pay": "21000.00",
    },
    "diseinfo": [
        {"diag_type": "1", "diag_code": "C34.900", "diag_name": "支气管或肺恶性肿瘤", "maindiag_flag": "1"}
    ],
    "iteminfo": [
        {
            "med_chrgitm": "09",
            "amt": "30000.00",
            "claa_sumfee": "9000.00",
            "clab_amt": "1000.00",
            "fulamt_ownpay_amt": "20000.00",
            "oth_amt": "0.00",
        }
    ],
    "oprninfo": [],
    "payinfo": [{"fund_pay_type": "310100", "fund_payamt": "8000.00"}],
    "feedetail": [
        {
            "feedetl_sn": "1",
            "med_list_codg": "XL01XCA123B002010104567",
            "med_chrgitm_type": "09",
            "cnt": "4",
            "pric": "5000.00",
            "det_item_fee_sumamt": "20000.00",
            "fulamt_ownpay_amt": "20000.00",
            "overlmt_amt": "0.00",
            "preselfpay_amt": "0.00",
            "inscp_scp_amt": "0.00",
        },
        {
            "feedetl_sn": "2",
            "med_list_codg": "XL01XCA456B002010104568",
            "med_chrgitm_type": "09",
            "cnt": "10",
            "pric": "1000.00",
            "det_item_fee_sumamt": "10000.00",
            "fulamt_ownpay_amt": "0.00",
            "overlmt_amt": "0.00",
            "preselfpay_amt": "1000.00",
            "inscp_scp_amt": "9000.00",
        },
    ],
}
REVERSAL: dict[str, Any] = {
    "setl_id": "S20250301000017",
    "fixmedins_code": "H31010100001",
    "reason": "charged to the wrong patient's account",
    "reversed_at": "2025-03-01 15:00:00",
    "biz_sn": "R20250301000003",
    "medfee_sumamt": "-30000.00",
}
BATCH_ANSWER = (
    '{"line":1,"status":202,"setl_id":"S20250301000017","claim_id":"clm_4f1c9a0d27b35e6688aa01c2",'
    '"state":"accepted","received_at":"2025-03-01T02:21:07Z"}\n'
)
DELIVERY_ANSWER = (
    '{"delivery_id":"dlv_4f1c9a0d27b35e6688aa01c2","body_digest":"9f86…","size":48211,'
    '"received_at":"2025-03-01T02:21:07Z","created":true}\n'
    '{"ordinal":1,"place":"call 1","kind":"settlement","outcome":"accepted","setl_id":"S20250301000017",'
    '"claim_id":"clm_4f1c9a0d27b35e6688aa01c2"}\n'
    '{"records":{"accepted":1}}\n'
)
REMITTANCE = """\
ISA*00*          *00*          *ZZ*AUTOCLAIM      *ZZ*H31010100001   *250301*1022*^*00501*010671244*0*P*:~
GS*HP*AUTOCLAIM*H31010100001*20250301*1022*10671244*X*005010X221A1~
ST*835*0001~
BPR*H*0.00*C*NON************20250301~
TRN*1*po_383d84092dd48aa70757b23f1135c57d*1000000000~
CUR*PR*CNY~
DTM*405*20250301~
N1*PR*autoclaim insurer pool~
N3*not stated~
N4*Shanghai**200000*CN~
PER*BL*autoclaim insurer pool~
N1*PE*H31010100001*FI*H31010100001~
LX*1~
CLP*M20250226000123*2*30000.00*0.00*22000.00*15*clm_4f1c9a0d27b35e6688aa01c2-1~
CAS*OA*23*8000.00~
CAS*PR*100*5600.00**1*12000.00**2*2400.00**96*2000.00~
NM1*QC*1~
REF*F8*clm_4f1c9a0d27b35e6688aa01c2~
DTM*232*20250226~
DTM*233*20250301~
SE*19*0001~
GE*1*10671244~
IEA*1*010671244~
"""
FHIR_CLAIM: dict[str, Any] = {
    "resourceType": "Claim",
    "id": "c-1",
    "identifier": [{"system": "urn:autoclaim:identifier:setl_id", "value": "S20250301000017"}],
    "status": "active",
    "use": "claim",
    "contained": [{"resourceType": "Encounter", "id": "stay", "status": "finished"}],
}
CORRECTION: dict[str, Any] = {"setlinfo": {"dscg_way": "1"}, "feedetail": {"3": {"cnt": "2"}}}
SOURCE = (Path(__file__).parents[2] / "seeds" / "sources" / "example-vendor-json.yaml").read_text("utf-8")
POLICY: dict[str, Any] = {
    "policy_no": "SHB2024-000017",
    "product": "huhuibao",
    "edition": "2024",
    "person": {"cert_type": "01", "cert_no": "11010519491231002X", "name": "测试甲"},
    "effective": "2024-07-01",
    "expires": "2025-06-30",
    "pre_existing": [],
    "continuous_years": 3,
    "claim_free_years": 2,
    "payee": {"name": "测试甲", "account": "6222020000000000018", "bank": "测试银行"},
}
POLICY_LINE = _line(POLICY)
POLICY_CSV = """\
policy_no,product,edition,cert_type,cert_no,name,effective,expires,pre_existing,continuous_years,claim_free_years
SHB2024-000017,huhuibao,2024,01,11010519491231002X,测试甲,2024-07-01,2025-06-30,,3,2
"""
PRODUCT = (Path(__file__).parents[2] / "seeds" / "products" / "zhaohuibao-liaocheng.yaml").read_text("utf-8")
CALLBACK: dict[str, Any] = {
    "payout_id": "pay_4f1c9a0d27b35e6688aa01c2",
    "status": "settled",
    "bank_ref": "B0000000017",
    "amount_fen": 560000,
    "settled_at": "2025-03-01T02:22:41Z",
}
RPC_CALL: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
RPC_ANSWER: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "result": "0x11"}


def body(contents: dict[str, Any], description: str) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body itself: content type -> example."""
    content = {
        media: {"schema": {"type": "object" if media == JSON else "string"}, "example": example}
        for media, example in contents.items()
    }
    return {"requestBody": {"required": True, "description": description, "content": content}}


def json_body(description: str, example: dict[str, Any]) -> dict[str, Any]:
    return body({JSON: example}, description)


def ndjson_body(description: str, example: dict[str, Any]) -> dict[str, Any]:
    return body({NDJSON: _line(example)}, description)
