"""`book`, `replay` and `products simulate` as a user runs them, on what a new user starts from."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adjudication.replay.lives import COMPILES
from tests.support.process import REPOSITORY

pytestmark = COMPILES
SEEDS = REPOSITORY / "seeds"
PRODUCTS = SEEDS / "products"
EDITIONS = [PRODUCTS / f"huhuibao-{year}.yaml" for year in range(2021, 2026)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "api.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("seeds") / "book"
    sources = ("--policies", SEEDS / "policies/huhuibao.ndjson")
    claims = ("--settlements", SEEDS / "settlements/discharges.ndjson")
    register = ("--hospitals", SEEDS / "hospitals/hospitals.csv")
    return folder, run("book", *sources, *claims, *register, "--parts", 2, "--out", folder, "--json")


def replay(book: Path, out: Path, *options: object) -> subprocess.CompletedProcess[str]:
    products = [part for path in EDITIONS for part in ("--product", path)]
    return run("replay", *products, "--book", book, "--out", out, "--workers", 1, *options)


def test_the_seeds_become_a_book_and_what_is_no_claim_is_named(
    made: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = made
    assert done.returncode == 1, done.stderr
    counted = json.loads(done.stdout)
    refused = {json.loads(line)["line"] for line in (folder / "refused.ndjson").read_text().splitlines()}
    assert counted["refused"] == len(refused) > 0
    assert counted["settlements"] > 50
    assert str(folder / "refused.ndjson") in done.stderr


def test_replay_tells_the_totals_of_the_decisions_it_wrote(
    made: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    done = replay(made[0], tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    rows = [row for path in tmp_path.glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert told["settlements"] == len(rows) == json.loads(made[1].stdout)["settlements"]
    assert told["payable_fen"] == sum(row["payable_fen"] for row in rows) > 0
    assert told["decisions"] == {
        decision: sum(row["decision"] == decision for row in rows) for decision in told["decisions"]
    }
    paid = sum(figures["payable_fen"] for figures in told["benefits"].values())
    assert paid == told["payable_fen"]
    assert {"seconds", "reasons", "by_scalar", "lines", "out"} <= set(told)


def test_replay_prints_a_table_for_a_person(
    made: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = replay(made[0], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "settlements/s" in done.stdout
    assert "huhuibao-2021/B1" in done.stdout


def test_a_product_that_is_not_given_is_named(
    made: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = run("replay", "--product", EDITIONS[0], "--book", made[0], "--out", tmp_path, "--workers", 1)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "no such product is given" in done.stderr
    assert "[book.no_terms]" in done.stderr


def test_a_product_file_that_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        EDITIONS[0].read_text(encoding="utf-8").replace("cap_yuan", "cap_yaun"), encoding="utf-8"
    )
    done = run("replay", "--product", wrong, "--book", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "did you mean cap_yuan" in done.stderr


def test_simulate_shows_what_another_edition_would_have_paid(
    made: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    options = ("--book", made[0], "--now", EDITIONS[1], "--then", EDITIONS[4], "--workers", 1)
    done = run("products", "simulate", *options, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["difference_fen"] == told["then"]["payable_fen"] - told["now"]["payable_fen"]
    assert told["difference_fen"] == told["gain"]["sum_fen"] - told["lose"]["sum_fen"] > 0
    assert told["largest"][0]["setl_id"]
    shown = run("products", "simulate", *options)
    assert shown.returncode == 0
    assert told["largest"][0]["setl_id"] in shown.stdout


def test_a_missing_book_is_told_and_nothing_is_printed_as_data(tmp_path: Path) -> None:
    done = replay(tmp_path / "nowhere", tmp_path / "out", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nowhere" in done.stderr
    options = ("--policies", tmp_path / "none.ndjson", "--settlements", tmp_path / "none.ndjson")
    done = run("book", *options, "--out", tmp_path / "book")
    assert (done.returncode, done.stdout) == (2, "")
    assert "none.ndjson" in done.stderr
