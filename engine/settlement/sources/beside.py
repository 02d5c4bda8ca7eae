"""What a source states beside settlements: a hospital's day in sums and lines, and reports of a stay.

Names of 3201, 3202 and 4501, 4502; of a report only what tells which examination it was, when and of what
result: enough to hold a bill against it.
"""

from typing import Final

from engine.settlement.checks import day, moment, money, text, whole
from engine.settlement.fields import SETLINFO, Field

_OF_SETLINFO: Final = {field.name: field.check for field in SETLINFO}
_MOST_A_DAY: Final = 999_999_999

RECONCILIATION: Final = (
    Field("infno", text(4), required=True),
    Field("fixmedins_code", _OF_SETLINFO["fixmedins_code"]),
    Field("insutype", text(10)),
    Field("clr_type", text(10)),
    Field("stmt_begndate", day),
    Field("stmt_enddate", day),
    Field("fixmedins_setl_cnt", whole(0, _MOST_A_DAY)),
    Field("medfee_sumamt", money),
    Field("fund_pay_sumamt", money),
    Field("acct_pay", money),
    Field("cash_payamt", money),
)
STATEMENT: Final = (
    Field("setl_id", _OF_SETLINFO["setl_id"], required=True),
    Field("mdtrt_id", _OF_SETLINFO["mdtrt_id"]),
    Field("medfee_sumamt", money, required=True),
    Field("fund_pay_sumamt", money),
    Field("acct_pay", money),
    Field("refd_setl_flag", text(3)),
)
REPORT: Final = (
    Field("infno", text(4)),
    Field("fixmedins_code", _OF_SETLINFO["fixmedins_code"]),
    Field("mdtrt_id", _OF_SETLINFO["mdtrt_id"]),
    Field("rpotc_no", text(40), required=True),
    Field("rpt_date", moment),
    Field("exam_item_code", text(50)),
    Field("exam_item_name", text(200)),
    Field("exam_ccls", text(2000)),
)
RESULT: Final = (
    Field("exam_item_detl_code", text(50)),
    Field("exam_item_detl_name", text(200)),
    Field("exam_rslt_val", text(200)),
    Field("exam_unt", text(40)),
    Field("ref_val", text(100)),
    Field("exam_rslt_abn", text(10)),
)
