"""`products check` and `products list` as a user runs them."""

import json
from pathlib import Path

from typer.testing import CliRunner

from api.cli.products import app

PRODUCTS = Path(__file__).resolve().parents[2] / "seeds" / "products"
GOOD = PRODUCTS / "huhuibao-2024.yaml"


def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.yaml"
    path.write_text(GOOD.read_text(encoding="utf-8").replace('standard: "0.70"', 'standard: "7.00"', 1))
    return path


def test_right_files_exit_0_with_digest_and_what_is_uncertain() -> None:
    done = CliRunner().invoke(app, ["check", *map(str, sorted(PRODUCTS.glob("*.yaml"))), "--json"])
    assert done.exit_code == 0
    files = json.loads(done.stdout)["files"]
    assert len(files) == 10
    assert all(file["valid"] and len(file["terms_digest"]) == 64 for file in files)
    assert all(file["uncertain"] for file in files if "example-" not in file["path"])


def test_a_wrong_file_exits_1_and_says_what_is_wrong_with_the_line(tmp_path: Path) -> None:
    path = wrong(tmp_path)
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if '"7.00"' in text)
    done = CliRunner().invoke(app, ["check", str(GOOD), str(path)])
    assert done.exit_code == 1
    assert f"wrong.yaml:{line}:" in done.stdout
    assert "[ratio.above_one]" in done.stdout
    (report,) = json.loads(CliRunner().invoke(app, ["check", str(path), "--json"]).stdout)["files"]
    assert (report["problems"][0]["line"], report["problems"][0]["rule"]) == (line, "ratio.above_one")


def test_a_file_that_cannot_be_read_exits_2(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["check", str(tmp_path / "none.yaml"), str(wrong(tmp_path))])
    assert done.exit_code == 2
    assert "none.yaml" in done.stderr


def test_the_seeds_are_listed_with_edition_and_digest() -> None:
    done = CliRunner().invoke(app, ["list", "--json"])
    assert done.exit_code == 0
    products = json.loads(done.stdout)["products"]
    assert [(one["product"], one["edition"]) for one in products] == [
        ("example-hospital-allowance", "1"),
        *(("huhuibao", str(year)) for year in range(2021, 2026)),
        ("liuzhou", "published-facts"),
        ("puhui-beijing", "2025"),
        ("xihu-hangzhou", "published-facts"),
        ("zhaohuibao-liaocheng", "published-example"),
    ]
    assert "huhuibao-2021" in CliRunner().invoke(app, ["list"]).stdout
