"""A decision as a person reads it: the outcome, why, what each benefit pays, and every step in a table.

A step stands under the clause that it comes from, in the clause's own words, with what went in and what came
out. Widths follow the terminal; nothing is cut off, and what is no terminal gets no colour.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, groupby
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from api.cli.trace_words import FACTS, RESULTS, RULES, reason_in_words, value_in_words
from engine.adjudication.decision import BenefitResult, Decision, Outcome, Reason, Step
from engine.adjudication.history import ALL_ITEMS
from engine.adjudication.messages import WORDS, format_ratio, grouped_yuan, told
from engine.settlement.model import Settlement
from engine.terms.model import Text

Languages = Sequence[Literal["zh", "en"]]
_GENERAL = Text("总则", "General terms")
_COLOURS = {Outcome.PAY: "green", Outcome.NOTHING: "yellow", Outcome.REVIEW: "cyan", Outcome.REFUSE: "red"}


def render(decision: Decision, bill: Settlement, console: Console, languages: Languages) -> None:
    """Print the decision on `bill`, in one language or in both."""
    terms = decision.terms
    outcome = _line(WORDS["decision"][decision.outcome.value], languages)
    payable = _line(value_in_words("payable_fen", decision.payable_fen), languages)
    answer = f"[bold {_COLOURS[decision.outcome]}]{outcome}[/]  {payable}"
    title = f"{_line(terms.name, languages)} {escape(terms.edition)}"
    console.print(title, style="bold")
    console.print(Panel(answer, expand=False))
    for reason in decision.reasons:
        console.print(_lines([reason_in_words(reason)], languages))
    if decision.results:
        console.print(_benefits(decision.results, languages))
    numbers, said = count(1), set[str]()
    for benefit, steps in groupby(decision.steps, key=lambda step: step.benefit and step.benefit.code):
        under = list(steps)
        of = under[0].benefit
        name, clause = (of.name, of.clause) if of else (_GENERAL, terms.clause)
        heading = f"{benefit or ''} {_line(name, languages)}".lstrip()
        console.print(f"\n[bold]{heading}[/]")
        if clause.zh not in said:
            console.print(_lines([clause], languages))
        said.add(clause.zh)
        console.print(_steps(under, numbers, bill, languages))


def _benefits(results: Iterable[BenefitResult], languages: Languages) -> Table:
    table = Table()
    table.add_column(_lines([Text("责任", "benefit")], languages), overflow="fold")
    for heading in (
        Text("计入的费用", "costs that count"),
        Text("扣除免赔额", "deductible"),
        Text("比例", "ratio"),
        Text("赔付（元）", "payable, yuan"),
    ):
        table.add_column(_lines([heading], languages), justify="right", overflow="fold")
    for result in results:
        ratio = value_in_words("ratio", format_ratio(result.ratio_bp))
        amounts = (result.eligible_fen, result.deductible_fen, result.payable_fen)
        eligible, deductible, payable = map(grouped_yuan, amounts)
        name = _lines([result.benefit.name], languages)
        table.add_row(name, eligible, deductible, ratio.zh, payable)
    return table


def _steps(steps: Iterable[Step], numbers: Iterator[int], bill: Settlement, languages: Languages) -> Table:
    table = Table(expand=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column(_line(Text("规则", "rule"), languages), ratio=3, overflow="fold")
    table.add_column(_line(Text("依据", "what went in"), languages), ratio=5, overflow="fold")
    table.add_column(_line(Text("结果", "what came out"), languages), ratio=5, overflow="fold")
    for step in steps:
        given, found = _facts(step.given, bill), _found(step, bill)
        row = (_lines(part, languages) for part in ([_rule(step)], given, found))
        table.add_row(str(next(numbers)), *row, end_section=True)
    return table


def _rule(step: Step) -> Text:
    rule = RULES[step.code]
    return Text(f"{rule.zh}：{step.label.zh}", f"{rule.en}: {step.label.en}") if step.label else rule


def _found(step: Step, bill: Settlement) -> list[Text]:
    """What came out; of a condition that is not met, the reason in words."""
    code = step.found.get("code")
    if code is not None:
        return [reason_in_words(Reason(code, step.benefit, step.given))]
    return _facts(step.found, bill) or ([RESULTS[step.code]] if step.code in RESULTS else [])


def _facts(facts: Mapping[str, Any], bill: Settlement) -> list[Text]:
    """Facts with their labels; without the parts of a proposal, of which a reader gets the amount."""
    spoken: list[Text] = []
    for key, value in told(facts).items():
        if label := FACTS.get(key):
            word = _item(value, bill) if key == "item" else value_in_words(key, value)
            spoken.append(Text(f"{label.zh} {word.zh}", f"{label.en} {word.en}"))
    return spoken


def _item(code: str, bill: Settlement) -> Text:
    """What a limit counts apart, by its name in the bill."""
    if code == ALL_ITEMS:
        return Text("全部", "all together")
    name = next((line.name for line in bill.lines if line.code.startswith(code)), "")
    return Text(f"{name}（{code}）", f"{name} ({code})") if name else Text(code, code)


def _line(text: Text, languages: Languages) -> str:
    return escape(" ".join(dict.fromkeys(getattr(text, language) for language in languages)))


def _lines(texts: Sequence[Text], languages: Languages) -> str:
    """All in the first language, then all in the second."""
    said = (getattr(text, language) for language in languages for text in texts)
    return escape("\n".join(dict.fromkeys(said)))
