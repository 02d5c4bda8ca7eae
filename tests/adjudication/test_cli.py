"""`adjudicate` as a user runs it: files in, a decision out, each input error with its field."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from api.cli.trace import render
from api.cli.trace_words import FACTS, RULES
from engine.adjudication.messages import REASONS, STEPS
from engine.settlement.model import Settlement
from tests.adjudication.builder import decide, line, stay

ROOT = Path(__file__).resolve().parents[2]
PRODUCTS = ROOT / "seeds" / "products"
EXAMPLE = PRODUCTS / "examples"


def run(
    module: str, *arguments: object, lang: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    language = ["--lang", lang] if lang else []
    return subprocess.run(
        [sys.executable, "-m", f"api.cli.{module}", *map(str, arguments), *language],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def published(**changes: Path) -> list[object]:
    files = {
        "product": PRODUCTS / "zhaohuibao-liaocheng.yaml",
        **{
            name: EXAMPLE / f"liaocheng-published.{name}.json"
            for name in ("coverage", "settlement", "history")
        },
        **changes,
    }
    return [part for name, path in files.items() for part in (f"--{name}", path)]


def changed(tmp_path: Path, name: str, **changes: Any) -> Path:
    document = json.loads((EXAMPLE / f"liaocheng-published.{name}.json").read_text(encoding="utf-8"))
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(document | changes), encoding="utf-8")
    return path


def wording(tmp_path: Path, number: int, known_from: str, ratio: str) -> Path:
    text = (PRODUCTS / "zhaohuibao-liaocheng.yaml").read_text(encoding="utf-8")
    version = f"version: {{number: {number}, holds_from: 2020-01-01, known_from: {known_from}}}\nbenefits:"
    path = tmp_path / f"wording-{number}.yaml"
    changed_text = text.replace("benefits:", version, 1).replace('standard: "0.80"', f'standard: "{ratio}"')
    path.write_text(changed_text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("known_on", "expected"),
    [
        (["--known-on", "2025-11-30"], 944_000_00),
        (["--known-on", "2025-12-01"], 1_062_000_00),
        ([], 1_062_000_00),
    ],
)
def test_of_several_wordings_the_one_known_on_the_day_decides(
    tmp_path: Path, known_on: list[str], expected: int
) -> None:
    widened = ["--product", wording(tmp_path, 2, "2025-12-01", "0.90")]
    first = wording(tmp_path, 1, "2020-01-01", "0.80")
    done = run("main", "adjudicate", *published(product=first), *widened, *known_on, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["payable_fen"] == expected


def test_a_stay_that_no_known_wording_holds_for_is_told(tmp_path: Path) -> None:
    only = wording(tmp_path, 1, "2025-12-01", "0.80")
    done = run("main", "adjudicate", *published(product=only), "--known-on", "2025-01-01")
    assert done.returncode == 2
    assert "no wording known on 2025-01-01" in done.stderr
    assert "[book.no_wording]" in done.stderr


def test_liaochengs_published_example_pays_944_000_yuan() -> None:
    done = run("adjudicate", *published(), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    decision = json.loads(done.stdout)
    assert decision["decision"] == "pay"
    # (1,200,000 - 20,000) x 80 % = 944,000
    assert decision["payable_fen"] == 94_400_000
    (benefit,) = decision["benefits"]
    assert benefit["eligible_fen"] == 120_000_000
    assert benefit["deductible_fen"] == 2_000_000
    assert benefit["ratio"] == "0.80"


def test_a_decision_fed_back_as_history_counts(tmp_path: Path) -> None:
    first = json.loads(run("adjudicate", *published(), "--json").stdout)
    history = changed(tmp_path, "history", decisions=[first])
    again = json.loads(run("adjudicate", *published(history=history), "--json").stdout)
    assert (again["decision"], again["reasons"][0]["code"]) == ("refuse", "history.already_decided")


@pytest.mark.parametrize("columns", [80, 120])
def test_the_trace_is_a_table_within_the_width_that_cuts_no_amount_off(columns: int) -> None:
    trace = json.loads(run("adjudicate", *published(), "--json").stdout)["trace"]
    done = run("adjudicate", *published(), COLUMNS=str(columns))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(cell_len, lines)) <= columns
    assert not re.search("…|\x1b", done.stdout), "cut off, or coloured where there is no terminal"
    rows = table_rows(lines)
    assert len(rows) == len(trace)
    for (rule, given, found), step in zip(rows, trace, strict=True):
        assert rule
        for cell, facts in ((given, step["in"]), (found, step["out"])):
            amounts = [value for key, value in facts.items() if key.endswith("_fen")]
            assert [value for value in amounts if f"{value // 100:,}.{value % 100:02d}" not in cell] == []


def table_rows(lines: list[str]) -> list[list[str]]:
    """The cells of each numbered row: rule, what went in, what came out."""
    rows: list[list[str]] = []
    for text in lines:
        number, *cells = [cell.strip() for cell in text.split("│")[1:-1]] or [""]
        if number == str(len(rows) + 1):
            rows.append([""] * 3)
        if len(cells) == 3:
            rows[-1] = [f"{said} {cell}" for said, cell in zip(rows[-1], cells, strict=True)]
    return rows


def test_a_step_stands_under_its_clause_in_the_clauses_own_words_said_once() -> None:
    printed = "".join(run("adjudicate", *published(), COLUMNS="120", lang="zh").stdout.split())
    clause = "住院费用扣除2万元年度免赔额后按80%给付。"
    assert printed.count("以公开理赔示例为限。") == printed.count(clause) == 1
    assert printed.index("总则") < printed.index(clause) < printed.index("免赔额20,000.00元")


def test_the_printed_decision_names_nobody() -> None:
    assert "11010519491231002X" not in run("adjudicate", *published()).stdout


def test_one_language_can_be_asked_for_and_leaves_the_document_as_it_is() -> None:
    chinese, english = (run("adjudicate", *published(), lang=lang).stdout for lang in ("zh", "en"))
    both = run("adjudicate", *published()).stdout
    assert not re.search("[\u3000-\u9fff]", english)
    assert not re.search("[a-z]{3}", chinese.replace("published-example", ""))
    for said in ("免赔额", "deductible", "944,000.00元", "944,000.00 yuan"):
        assert said in both
    documents = {run("adjudicate", *published(), "--json", lang=lang).stdout for lang in ("zh", "en", "both")}
    assert len(documents) == 1


def test_every_step_and_every_fact_of_a_wording_has_a_word_in_the_table() -> None:
    assert set(RULES) == set(STEPS)
    for text in (*STEPS.values(), *REASONS.values()):
        for fact in re.findall(r"{(\w+)}", text.zh + text.en):
            key = re.sub("_(zh|en)$", "", fact)
            assert key in ("name", "code") or {key, f"{key}_fen"} & set(FACTS), f"{key} in: {text.en}"


def test_codes_are_shown_with_what_they_stand_for() -> None:
    printed = show(stay([line(50_000)], visit_type="28"))
    assert "医疗类别 日间手术（28）" in printed
    assert "医疗类别“日间手术（28）”" in printed
    assert "visit type 'day surgery (28)'" in printed
    assert "gate." not in printed
    assert "西药费（09）" in show(stay([line(50_000)]))


def test_a_limit_is_shown_with_the_name_of_the_drug_that_it_cut() -> None:
    printed = show(stay([line(1_000_000, name="示例单抗注射液")]))
    assert "单品药品费" in printed
    assert "示例单抗注射液" in printed


def test_a_printed_condition_says_in_words_why_it_is_not_met() -> None:
    printed = show(stay([line(50_000)], hospital_grade=1))
    assert "要求2级及以上医院" in printed
    assert "要求的最低等级 二级" in printed


def show(bill: Settlement) -> str:
    """What is printed of a decision, without its line breaks and borders."""
    console = Console(file=io.StringIO(), width=120)
    render(decide(bill), bill, console, ("zh", "en"))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    cells = [cell for text in printed.splitlines() for cell in text.split("│")]
    return " ".join(" ".join(cells).split())


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("coverage", {"pre_existing": None}, "/pre_existing"),
        ("coverage", {"premium": 129}, "[coverage.unknown_key]"),
        ("history", {"decisions": [{}]}, "/decisions/0/decision"),
        ("settlement", {"feedetail": []}, "/feedetail"),
    ],
)
def test_a_wrong_input_names_its_file_field_and_rule(
    tmp_path: Path, name: str, changes: dict[str, Any], expected: str
) -> None:
    path = changed(tmp_path, name, **changes)
    done = run("adjudicate", *published(**{name: path}), "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert str(path) in done.stderr
    assert expected in done.stderr


@pytest.mark.parametrize("content", ["", "[]", "{", "\ud800".encode("utf-8", "surrogatepass")])
def test_a_file_that_is_no_json_object_is_an_error_and_no_traceback(
    tmp_path: Path, content: str | bytes
) -> None:
    path = tmp_path / "coverage.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run("adjudicate", *published(coverage=path))
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_file_is_named() -> None:
    done = run("adjudicate", *published(product=Path("nowhere.yaml")))
    assert done.returncode == 2
    assert "nowhere.yaml" in done.stderr
