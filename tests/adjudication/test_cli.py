"""`adjudicate` as a user runs it: files in, a decision out, each input error with its field."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCTS = ROOT / "seeds" / "products"
EXAMPLE = PRODUCTS / "examples"


def run(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"api.cli.{module}", *map(str, arguments)],
        cwd=ROOT,
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


def test_the_trace_is_readable_on_a_terminal_and_names_nobody() -> None:
    done = run("adjudicate", *published())
    assert done.returncode == 0
    assert "944,000.00" in done.stdout
    assert "年度免赔额" in done.stdout
    assert "11010519491231002X" not in done.stdout


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
