"""The words of a trace's table: what each step is called, what each of its facts is, and codes in words.

PIPL 24 asks for an explanation that the person can understand: no name of a field, no code without a word.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.adjudication.decision import Reason
from engine.adjudication.messages import REASONS, WORDS, fill, grouped_yuan, told
from engine.settlement.dictionaries import dictionary
from engine.terms.model import Text

RULES: Final[Mapping[str, Text]] = {
    "policy.period": Text("保险期间", "policy period"),
    "policy.tail": Text("期满后延长期", "cover after the last day"),
    "policy.own_days": Text("跨年度住院", "a stay across two years"),
    "history.year": Text("本年度此前的理算", "earlier this policy year"),
    "benefit.not_met": Text("给付条件", "condition"),
    "benefit.undecided": Text("给付条件", "condition"),
    "benefit.eligible": Text("计入的费用", "costs that count"),
    "benefit.eligible_total": Text("计入的费用", "costs that count"),
    "benefit.fixed": Text("定额给付", "fixed amount"),
    "benefit.occasions": Text("次数限制", "number of occasions"),
    "benefit.deductible": Text("免赔额", "deductible"),
    "benefit.ratio": Text("给付比例", "ratio"),
    "benefit.tier": Text("分段给付比例", "ratio of a tier"),
    "benefit.limit": Text("分项限额", "limit"),
    "benefit.rounded": Text("四舍五入到分", "rounding to the fen"),
    "benefit.rounded_year": Text("按年度累计四舍五入到分", "rounding of the year's sum"),
    "benefit.stay_cap": Text("每次住院限额", "cap of a stay"),
    "benefit.cap": Text("年度限额", "cap of the year"),
    "total.shared_cap": Text("共用限额", "shared cap"),
    "total.aggregate_cap": Text("年度总限额", "cap on all benefits"),
    "total.elsewhere": Text("其他保单的赔付", "paid by other policies"),
    "total.indemnity": Text("损失补偿原则", "indemnity"),
    "review.proposed": Text("人工审核", "review by a person"),
    "decision": Text("结论", "decision"),
}

RESULTS: Final[Mapping[str, Text]] = {
    "policy.period": Text("住院归属本保单", "the stay belongs to this policy"),
    "total.elsewhere": Text("不重复赔付已获赔付的部分", "what others have paid is not paid again"),
}
"""What comes out of a step that finds no number."""

FACTS: Final[Mapping[str, Text]] = {
    "effective": Text("保单生效日", "policy from"),
    "expires": Text("保单期满日", "policy to"),
    "first_day": Text("本版首日", "edition from"),
    "last_day": Text("本版末日", "edition to"),
    "holds_from": Text("条款适用起日", "terms hold from"),
    "admitted_on": Text("入院", "admitted"),
    "discharged_on": Text("出院", "discharged"),
    "day": Text("归属日", "day of the stay"),
    "covered_on": Text("就诊日", "day of treatment"),
    "covered_from": Text("计费首日", "first day covered"),
    "covered_to": Text("计费末日", "last day covered"),
    "waiting_days": Text("等待期天数", "waiting period, days"),
    "lines": Text("费用项数", "lines of the bill"),
    "lines_left_out": Text("不计的费用项数", "lines left out"),
    "base": Text("计入的部分", "part of the cost"),
    "categories": Text("费用类别", "kinds of cost"),
    "eligible_fen": Text("计入的费用", "costs that count"),
    "left_out_fen": Text("未计入", "left out"),
    "earlier": Text("此前理算次数", "earlier decisions"),
    "paid_fen": Text("此前已赔付", "paid before"),
    "occasions_max": Text("每年次数上限", "occasions a year"),
    "occasions_before": Text("此前已赔次数", "paid before"),
    "within": Text("计算范围", "counted over"),
    "deductible_whole_fen": Text("免赔额", "deductible"),
    "used_before_fen": Text("此前已用", "used before"),
    "deductible_fen": Text("本次扣除", "borne now"),
    "after_fen": Text("扣除后余额", "left after it"),
    "ratio": Text("比例", "ratio"),
    "status": Text("健康状况", "status"),
    "above_fen": Text("超过", "above"),
    "part_fen": Text("此段费用", "cost in the tier"),
    "calculated_yuan": Text("计算金额", "comes to"),
    "carried_yuan": Text("此前未入账余数", "kept back before"),
    "per": Text("计算单位", "paid a"),
    "amount_fen": Text("定额", "fixed amount"),
    "days": Text("住院天数", "days in hospital"),
    "days_after": Text("免给付天数", "days not paid for"),
    "counted": Text("计入次数", "counted"),
    "item": Text("项目", "item"),
    "paid_max_fen": Text("限额", "limit"),
    "limited_fen": Text("限额内金额", "within the limit"),
    "cap_fen": Text("限额", "cap"),
    "cost_left_fen": Text("剩余费用", "cost left"),
    "elsewhere_fen": Text("其他保单已赔", "paid elsewhere"),
    "payable_fen": Text("赔付", "payable"),
    "proposed_fen": Text("按现有资料计算", "by what is known"),
    "decision": Text("结论", "decision"),
    "product": Text("产品", "product"),
    "edition": Text("版本", "edition"),
    "classes": Text("既往症类别", "pre-existing classes"),
    "visit_type": Text("医疗类别", "kind of visit"),
    "ward_type": Text("病房", "ward"),
    "hospital": Text("医院编码", "hospital code"),
    "grade": Text("医院等级", "grade of the hospital"),
    "grade_min": Text("要求的最低等级", "grade asked for"),
    "insured_area": Text("参保地", "insured in"),
    "main_diagnosis": Text("主要诊断（ICD-10）", "main diagnosis (ICD-10)"),
}

_COLUMNS: Final[Mapping[str, Text]] = {
    "own_pay": Text("自费", "self-paid"),
    "over_limit": Text("超支付标准", "above the payment standard"),
    "pre_self_pay": Text("先行自付", "co-pay"),
    "self_pay": Text("自付", "self-pay"),
}
_UNKNOWN: Final = Text("不详", "not known")
_GRADES: Final[Mapping[int, Text]] = {
    0: _UNKNOWN,
    1: Text("一级", "one"),
    2: Text("二级", "two"),
    3: Text("三级", "three"),
}


def reason_in_words(reason: Reason) -> Text:
    """A reason's wording, its codes by what they stand for."""
    name = reason.benefit.name if reason.benefit else None
    facts = told(reason.facts)
    coded = {key: _SPOKEN[key](facts[key]) for key in _CODED if key in facts}
    zh = facts | {key: word.zh for key, word in coded.items()}
    en = facts | {key: word.en for key, word in coded.items()}
    return Text(fill(REASONS[reason.code], zh, name).zh, fill(REASONS[reason.code], en, name).en)


def value_in_words(key: str, value: Any) -> Text:
    """A fact for a reader: amounts grouped, in yuan; a ratio in percent; a code by what it stands for."""
    if key in WORDS:
        return WORDS[key][value]
    if key in _SPOKEN:
        return _SPOKEN[key](value)
    if key.endswith("_fen"):
        return _amount(grouped_yuan(value))
    if key.endswith("_yuan"):
        return _amount(value)
    return Text(str(value), str(value))


def _amount(yuan: str) -> Text:
    return Text(f"{yuan}元", f"{yuan} yuan")


def _percent(ratio: str) -> Text:
    whole, _, decimals = ratio.partition(".")
    rest = decimals[2:].rstrip("0")
    text = f"{int(whole + decimals[:2])}{'.' + rest if rest else ''}"
    return Text(f"{text}%", f"{text} %")


def _coded(name: str) -> Callable[[str], Text]:
    """A code of a standard dictionary, with its word first; an unlisted one stays as it is."""

    def spoken(code: str) -> Text:
        entry = dictionary(name).entries.get(code)
        if entry is None:
            return Text(code, code) if code else _UNKNOWN
        return Text(f"{entry['zh']}（{code}）", f"{entry['en']} ({code})")

    return spoken


def _all_of(spoken: Callable[[str], Text]) -> Callable[[list[str]], Text]:
    def all_spoken(codes: list[str]) -> Text:
        words = [spoken(code) for code in codes]
        return Text("、".join(word.zh for word in words), ", ".join(word.en for word in words))

    return all_spoken


_CODED: Final = ("visit_type", "ward_type", "insured_area")
"""Codes of a dictionary that stand in the wording of a reason."""
_SPOKEN: Final[Mapping[str, Callable[[Any], Text]]] = {
    "ratio": _percent,
    "base": _all_of(_COLUMNS.__getitem__),
    "categories": _all_of(_coded("fee_category")),
    "visit_type": _coded("visit_type"),
    "ward_type": _coded("ward_type"),
    "insured_area": _coded("insured_area"),
    "grade": _GRADES.__getitem__,
    "grade_min": _GRADES.__getitem__,
    "main_diagnosis": lambda code: Text(code, code) if code else _UNKNOWN,
}
