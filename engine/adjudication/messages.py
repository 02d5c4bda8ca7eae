"""The wording of every reason and every step of a trace, in Chinese and English.

`{x}` of an amount `x_fen` is it in yuan; `{name}` is the benefit's, the limit's or the product's name.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from engine.terms.model import BASIS, Text

REASONS: Final[Mapping[str, Text]] = {
    # review: what the terms cannot decide
    "coverage.other_terms": Text(
        "保单属于{product} {edition}，与所用条款不符。",
        "The policy is of {product} {edition}, not of these terms.",
    ),
    "coverage.outside_period": Text(
        "保单起止日{effective}至{expires}超出本版保险期间{first_day}至{last_day}。",
        "The policy's days, {effective} to {expires}, exceed the edition's, {first_day} to {last_day}.",
    ),
    "settlement.negative": Text(
        "结算总额为负数，应按退费处理。", "The settlement's total is negative: it is a reversal, not a bill."
    ),
    "settlement.lines_missing": Text(
        "结算单没有费用明细，{name}须按明细计算。",
        "The settlement has no detail lines, and {name} is computed from them.",
    ),
    "settlement.refund_unmatched": Text(
        "退费明细超过其对应的收费。", "Refund lines exceed the charges that they take back."
    ),
    "stay.across_years": Text(
        "住院跨越保单起止日，条款未写明归属哪一年度。",
        "The stay reaches across the policy's days, and the terms do not say to which year it belongs.",
    ),
    "stay.past_expiry": Text(
        "住院延续到保单期满之后，条款未写明期满后的费用是否赔付。",
        "The stay runs past the policy's last day, and the terms do not say whether later costs count.",
    ),
    "stay.days_undecided": Text(
        "住院超出承保期间（自“{covered_from}”至“{covered_to}”），无法按明细区分期内费用。",
        "The stay reaches beyond the days covered (from '{covered_from}' to '{covered_to}'), and the bill"
        " does not tell the costs of those days apart.",
    ),
    "terms.not_yet_held": Text(
        "本版条款自{holds_from}起入院适用，不适用于本次住院。",
        "This wording of the terms holds for stays that begin on {holds_from} or later.",
    ),
    "reduction.class_unknown": Text(
        "{name}：既往症类别“{classes}”未在条款中定义，赔付比例不能确定。",
        "{name}: the terms do not define pre-existing class '{classes}', so the ratio is not known.",
    ),
    "reduction.diagnosis_unknown": Text(
        "{name}：主要诊断不详，是否因既往症住院不能确定。",
        "{name}: the main diagnosis is not known, nor whether a pre-existing condition reduces the ratio.",
    ),
    "history.later_decision": Text(
        "次序在后的结算已先行理算，须重新核定。",
        "A settlement later in order has been decided already: both have to be looked at again.",
    ),
    "history.earlier_undecided": Text(
        "次序在前的结算尚在人工审核，免赔额的使用情况未定。",
        "A settlement earlier in order is still in review, so what is left of the year is not known.",
    ),
    "gate.visit_type_unclear": Text(
        "条款未写明医疗类别“{visit_type}”是否属于{name}。",
        "The terms do not say whether visit type '{visit_type}' falls under {name}.",
    ),
    "gate.ward_type_unclear": Text(
        "病房类型“{ward_type}”是否属于普通病房不能确定。",
        "It is not known whether ward '{ward_type}' is one that the terms cover.",
    ),
    "gate.hospital_grade_unknown": Text("医院等级不详。", "The grade of the hospital is not known."),
    "gate.insured_area_unknown": Text("参保地不详。", "The area of the basic insurance is not known."),
    "gate.diagnosis_unclear": Text(
        "主要诊断“{main_diagnosis}”是否属于{name}的适应症不能确定。",
        "It is not known whether main diagnosis '{main_diagnosis}' is an indication of {name}.",
    ),
    "benefit.list_not_public": Text(
        "{name}的药品目录未公开，{lines}项费用须人工核定。",
        "The drug list of {name} is not public; {lines} lines have to be decided by a person.",
    ),
    "benefit.ratio_not_public": Text(
        "{name}的赔付比例未公开，须人工核定。",
        "What {name} pays is not public; a person has to decide it.",
    ),
    "benefit.indication_unclear": Text(
        "{name}：主要诊断“{main_diagnosis}”不在已知适应症内，{lines}项费用须人工核定。",
        "{name}: main diagnosis '{main_diagnosis}' is not a known indication; {lines} lines need a person.",
    ),
    "payee.estate": Text(
        "被保险人已身故，保险金应支付给继承人，须人工核定收款人。",
        "The insured person has died: the payment is due to the estate, and its payee has to be settled.",
    ),
    # refuse: what the terms do not cover
    "history.already_decided": Text("该结算已经理算。", "This settlement has been decided already."),
    "stay.before_effective": Text(
        "住院归属日{day}早于保单生效日{effective}。",
        "The stay belongs to {day}, before the policy took effect on {effective}.",
    ),
    "stay.after_expiry": Text(
        "住院归属日{day}晚于保单期满日{expires}。",
        "The stay belongs to {day}, after the policy's last day, {expires}.",
    ),
    "gate.ward_type": Text(
        "{name}不含“{ward_type}”病房的费用。", "{name} does not cover a stay in a ward of type '{ward_type}'."
    ),
    "gate.hospital_grade": Text(
        "{name}要求{grade_min}级及以上医院，就诊医院为{grade}级。",
        "{name} asks for a hospital of grade {grade_min} or above; this one is of grade {grade}.",
    ),
    "gate.insured_area": Text(
        "{name}要求由本地医保结算，本次参保地为{insured_area}。",
        "{name} asks for settlement by the local basic insurance; this one is of area {insured_area}.",
    ),
    "gate.waiting": Text(
        "{name}的等待期为{waiting_days}天，{covered_on}以前入院不赔付。",
        "{name} has a waiting period of {waiting_days} days: a stay that begins before {covered_on} is not"
        " covered.",
    ),
    "gate.hospital": Text(
        "就诊医院不在{name}的指定医院之列。", "The hospital is not a designated one of {name}."
    ),
    "benefit.none_applies": Text(
        "医疗类别“{visit_type}”的费用不属于任何保障责任。",
        "No benefit covers costs of visit type '{visit_type}' at this hospital.",
    ),
    # nothing: covered, and zero
    "settlement.zero": Text("结算总额为零。", "The settlement's total is zero."),
    "nothing.no_eligible_cost": Text(
        "没有属于保障责任的自费费用。", "No cost of this settlement counts under a benefit."
    ),
    "nothing.below_deductible": Text(
        "可保费用未超过剩余的年度免赔额。",
        "The costs that count do not exceed what is left of the deductible.",
    ),
    "nothing.cap_exhausted": Text("年度限额已用完。", "The limits of the year are used up."),
    "nothing.no_cost_left": Text(
        "扣除其他补偿后没有剩余费用。", "No cost is left after all other compensation."
    ),
}

STEPS: Final[Mapping[str, Text]] = {
    "policy.period": Text(
        "保单期间{effective}至{expires}；住院{admitted_on}至{discharged_on}，归属本保单。",
        "Policy from {effective} to {expires}; the stay, {admitted_on} to {discharged_on}, belongs to it.",
    ),
    "policy.tail": Text(
        "期满后延至{covered_to}，此后的{lines_left_out}项费用不计。",
        "Past the last day, cover runs to {covered_to}; {lines_left_out} later lines are left out.",
    ),
    "policy.own_days": Text(
        "跨年度住院按各年度自身日期计算，{covered_from}以前的费用属上一年度；期外{lines_left_out}项不计。",
        "A stay across two years, each on its own days: costs before {covered_from} are the year's before;"
        " {lines_left_out} lines of other days are left out.",
    ),
    "history.year": Text(
        "本年度此前已理算{earlier}次，已赔付{paid}元。",
        "Earlier this policy year: {earlier} decisions, {paid} yuan paid.",
    ),
    "benefit.not_met": Text("{name}：条件不符（{code}）。", "{name}: a condition is not met ({code})."),
    "benefit.undecided": Text("{name}：须人工核定（{code}）。", "{name}: a person has to decide ({code})."),
    "benefit.eligible": Text(
        "{name}：{lines}项费用计入，合计{eligible}元。",
        "{name}: {lines} lines count, together {eligible} yuan.",
    ),
    "benefit.eligible_total": Text(
        "{name}：按结算单合计计入{eligible}元。",
        "{name}: {eligible} yuan count, by the settlement's totals.",
    ),
    "benefit.occasions": Text(
        "{name}每年限{occasions_max}次，此前已赔{occasions_before}次；未计入{left_out}元。",
        "{name}: {occasions_max} a year, {occasions_before} paid before; {left_out} yuan are left out.",
    ),
    "benefit.deductible": Text(
        "{within_zh}免赔额{deductible_whole}元，此前已扣{used_before}元，本次扣{deductible}元，余{after}元。",
        "Deductible of {within_en} {deductible_whole} yuan, {used_before} borne before, {deductible} now;"
        " {after} yuan remain.",
    ),
    "benefit.ratio": Text(
        "按{ratio}比例（{status_zh}）计{calculated_yuan}元。",
        "At {ratio} ({status_en}) this comes to {calculated_yuan} yuan.",
    ),
    "benefit.tier": Text(
        "超过{above}元部分{part}元，按{ratio}比例（{status_zh}）计{calculated_yuan}元。",
        "{part} yuan above {above} yuan at {ratio} ({status_en}) come to {calculated_yuan} yuan.",
    ),
    "benefit.fixed": Text(
        "{name}：定额每{per_zh}{amount}元；住院{days}天，免给付{days_after}天，计{counted}{per_zh}，合{eligible}元。",
        "{name}: {amount} yuan a {per_en}; {days} days in hospital, {days_after} of them not paid for;"
        " {counted} count, together {eligible} yuan.",
    ),
    "benefit.limit": Text(
        "{name}（{item}）限额{paid_max}元，此前已赔{used_before}元，由{calculated_yuan}元减为{limited}元。",
        "{name} ({item}): limit {paid_max} yuan, {used_before} paid before;"
        " {calculated_yuan} becomes {limited} yuan.",
    ),
    "benefit.rounded": Text("四舍五入到分：{payable}元。", "Rounded half-up to the fen: {payable} yuan."),
    "benefit.rounded_year": Text(
        "按年度累计四舍五入到分，此前结余{carried_yuan}元：{payable}元。",
        "Rounded half-up to the fen over the year, {carried_yuan} yuan kept back before: {payable} yuan.",
    ),
    "benefit.stay_cap": Text(
        "{name}每次住院限额{cap}元，本次住院此前已赔{used_before}元，减为{payable}元。",
        "{name}: {cap} yuan a stay, {used_before} paid for it before; this becomes {payable} yuan.",
    ),
    "benefit.cap": Text(
        "{name}年度限额{cap}元，此前已赔{used_before}元，减为{payable}元。",
        "{name}: {cap} yuan a year, {used_before} paid before; this becomes {payable} yuan.",
    ),
    "total.shared_cap": Text(
        "{name}共用限额{cap}元，此前已赔{used_before}元，减为{payable}元。",
        "{name}: {cap} yuan together, {used_before} paid before; this becomes {payable} yuan.",
    ),
    "total.elsewhere": Text(
        "本次剩余费用{cost_left}元，其中{elsewhere}元已由其他保单赔付。",
        "Of {cost_left} yuan of cost left, other policies have paid {elsewhere} yuan.",
    ),
    "total.aggregate_cap": Text(
        "各项责任年度总限额{cap}元，此前已赔{used_before}元，减为{payable}元。",
        "All benefits together: {cap} yuan a year, {used_before} paid before; this becomes {payable} yuan.",
    ),
    "total.indemnity": Text(
        "扣除医保支付及其他补偿后剩余费用{cost_left}元，减为{payable}元。",
        "After the basic insurance and other compensation {cost_left} yuan of cost are left;"
        " this becomes {payable} yuan.",
    ),
    "decision": Text("结论：{decision_zh}，赔付{payable}元。", "Decision: {decision}, {payable} yuan."),
    "review.proposed": Text(
        "转人工审核；按现有资料计算为{proposed}元。",
        "To be decided by a person; by what is known it comes to {proposed} yuan.",
    ),
}

WORDS: Final[Mapping[str, Mapping[str, Text]]] = {
    "status": {
        "standard": Text("非既往症", "standard"),
        "pre_existing": Text("既往症", "pre-existing condition"),
    },
    "within": {"year": Text("年度", "the year"), "stay": Text("每次住院", "the stay")},
    "per": {"day": Text("天", "day"), "stay": Text("次", "stay")},
    "decision": {
        "pay": Text("赔付", "pay"),
        "nothing": Text("无可赔付", "nothing"),
        "review": Text("人工审核", "review"),
        "refuse": Text("不予赔付", "refuse"),
    },
}
"""Facts that are codes, in words: `{status_zh}`, `{status_en}`."""


def told(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as a document writes them, only when somebody reads: days as ISO dates, sets sorted, a ratio of
    basis points as a decimal, an exact amount (numerator and denominator of fen) in yuan."""
    return {key: _told(key, value) for key, value in facts.items()}


def _told(key: str, value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return exact_yuan(*value)
    return format_ratio(value) if key == "ratio" else value


def fill(template: Text, facts: Mapping[str, Any], name: Text | None) -> Text:
    """The wording with its facts: amounts in yuan, codes of a fact in words."""
    values: dict[str, Any] = dict(facts)
    for key, value in facts.items():
        if key.endswith("_fen"):
            values[key.removesuffix("_fen")] = grouped_yuan(value)
        elif key in WORDS:
            words = WORDS[key][value]
            values[f"{key}_zh"], values[f"{key}_en"] = words.zh, words.en
    zh = template.zh.format(**values, name=name.zh if name else "")
    en = template.en.format(**values, name=name.en if name else "")
    return Text(zh=zh, en=en)


class _Unsaid(dict[str, str]):
    def __missing__(self, fact: str) -> str:
        return "…"


def without_facts(template: Text, name: Text | None) -> Text:
    """The wording with no fact in it, where the facts are not for the reader."""
    zh = template.zh.format_map(_Unsaid(name=name.zh if name else ""))
    en = template.en.format_map(_Unsaid(name=name.en if name else ""))
    return Text(zh=zh, en=en)


def grouped_yuan(fen: int) -> str:
    """94400000 -> '944,000.00'."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def exact_yuan(numerator: int, denominator: int) -> str:
    """numerator/denominator fen as yuan for a reader: two decimals, six where the fen is not whole."""
    sign = "-" if numerator < 0 else ""
    whole, rest = divmod(abs(numerator), denominator)
    return sign + grouped_yuan(whole) + (f"{rest * 10**4 // denominator:04d}" if rest else "")


def format_ratio(basis_points: int) -> str:
    """7000 -> "0.70": a decimal string of at least two decimals."""
    text = f"{basis_points // BASIS}.{basis_points % BASIS:04d}"
    return text[:-2] + text[-2:].rstrip("0")
