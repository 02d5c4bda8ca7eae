"""`sources check` and `sources try` as a clerk runs them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.cli.sources import app
from tests.settlement.sources import calls
from tests.settlement.sources import hospital_files as files
from tests.settlement.sources.hospital_files import CSV, EXCEL
from tests.support.process import REPOSITORY

SEEDS = REPOSITORY / "seeds" / "sources"
CSV_MAPPING = SEEDS / "example-csv.yaml"
ON = ("--on", "2024-09-10")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def tried(*arguments: object) -> tuple[int, dict[str, Any]]:
    done = run("try", *arguments, "--json")
    return done.exit_code, json.loads(done.stdout)


def csv_of(tmp_path: Path, *, break_first: dict[str, str] | None = None, extra: bool = False) -> Path:
    made = files.bodies(3, CSV)
    made[0]["setlinfo"].update(break_first or {})
    data = files.csv_file(made, money="plain" if break_first else "thousands", title=True, total=True)
    if extra:
        data = data.replace("床号".encode("gb18030"), "新列".encode("gb18030"))
    path = tmp_path / "day.csv"
    path.write_bytes(data)
    return path


def test_right_mappings_exit_0_with_their_digests() -> None:
    names = ("example-csv", "example-excel", "example-vendor-json")
    done = run("check", *(SEEDS / f"{name}.yaml" for name in names), "--json")
    assert done.exit_code == 0
    reports = json.loads(done.stdout)["files"]
    assert tuple(one["source"] for one in reports) == names
    assert all(len(one["mapping_digest"]) == 64 for one in reports)
    assert "example-csv version 1 of H31010600003" in run("check", CSV_MAPPING).stdout


def test_a_wrong_mapping_exits_1_with_the_line_and_an_unreadable_one_2(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    text = CSV_MAPPING.read_text("utf-8").replace("总费用: medfee_sumamt", "总费用: medfee_sum")
    path.write_text(text, "utf-8")
    line = next(at for at, row in enumerate(text.splitlines(), 1) if "medfee_sum" in row)
    done = run("check", CSV_MAPPING, path)
    assert done.exit_code == 1
    assert f"wrong.yaml:{line}:" in done.stdout
    assert "[mapping.unknown_field]" in done.stdout
    assert run("check", path, tmp_path / "none.yaml").exit_code == 2


def test_a_file_that_would_be_accepted_exits_0_and_says_what_becomes_of_each_column(tmp_path: Path) -> None:
    code, report = tried(csv_of(tmp_path), "-m", CSV_MAPPING, *ON)
    assert code == 0
    assert (report["records"], report["accepted"], report["quarantined"]) == (3, 3, 0)
    columns = {(one["node"], one["name"]): one for one in report["columns"]}
    total = columns["setlinfo", "总费用"]
    assert (total["state"], total["becomes"], total["values"], total["kinds"]) == (
        *("mapped", "medfee_sumamt", 3),
        ["number"],
    )
    assert total["example"] == files.bodies(1, CSV)[0]["setlinfo"]["medfee_sumamt"]
    assert columns["setlinfo", "床号"]["state"] == "ignored"
    assert columns["setlinfo", "离院方式"]["example"] == "1"


def test_a_file_with_wrong_records_exits_1_and_tells_each_with_place_field_and_rule(tmp_path: Path) -> None:
    path = csv_of(tmp_path, break_first={"dscg_way": "好了", "medfee_sumamt": "0.045万元"}, extra=True)
    code, report = tried(path, "-m", CSV_MAPPING, *ON)
    assert code == 1
    assert (report["records"], report["accepted"], report["quarantined"]) == (3, 2, 1)
    (record,) = report["quarantine"]
    assert record["place"] == "line 5"
    assert [(one["field"], one["rule"]) for one in record["violations"]] == [
        ("/setlinfo/dscg_way", "source.code.unmapped"),
        ("/setlinfo/medfee_sumamt", "settlement.money.precision"),
    ]
    assert report["unmapped"] == [{"dictionary": "discharge_way", "local": "好了", "times": 1}]
    assert {(one["name"], one["state"]) for one in report["columns"]} >= {("新列", "unknown")}
    shown = run("try", path, "-m", CSV_MAPPING, *ON, "--show", "0").stdout
    assert "and 1 more" in shown
    assert "3 records: 2 accepted, 1 quarantined" in shown


def test_no_person_is_named_in_what_is_printed(tmp_path: Path) -> None:
    path = csv_of(tmp_path, break_first={"gend": "310104199611210002", "brdy": "someday"})
    printed = run("try", path, "-m", CSV_MAPPING, *ON).stdout
    printed += run("try", path, "-m", CSV_MAPPING, *ON, "--json").stdout
    for body in files.bodies(3, CSV):
        for name in ("psn_name", "certno", "brdy", "mdtrt_id"):
            assert body["setlinfo"][name] not in printed
    assert "310104199611210002" not in printed
    assert "someday" not in printed


def test_a_workbook_is_tried_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "lies-about-itself.csv"
    path.write_bytes(files.workbook(files.bodies(2, EXCEL)))
    code, report = tried(path, "-m", SEEDS / "example-excel.yaml", *ON)
    assert (code, report["accepted"]) == (0, 2)


def test_a_file_that_would_be_refused_exits_1_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    path.write_bytes(b"%PDF-1.7")
    code, report = tried(path, "-m", CSV_MAPPING, *ON)
    assert code == 1
    assert [one["rule"] for one in report["refused"]] == ["source.table.kind"]
    assert "the file would be refused" in run("try", path, "-m", CSV_MAPPING, *ON).stdout


def test_of_several_versions_the_one_of_the_day_reads(tmp_path: Path) -> None:
    second = tmp_path / "second.yaml"
    text = CSV_MAPPING.read_text("utf-8")
    second.write_text(
        text.replace("number: 1, holds_from: 2024-01-01", "number: 2, holds_from: 2024-09-01"), "utf-8"
    )
    path = csv_of(tmp_path)
    both = ("-m", CSV_MAPPING, "-m", second)
    assert tried(path, *both, "--on", "2024-08-31")[1]["mapping_version"] == 1
    assert tried(path, *both, "--on", "2024-09-01")[1]["mapping_version"] == 2


def test_an_operators_list_of_codes_is_enforced(tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "icd10.csv").write_text("code,name,from,to\nA00,cholera,,\n", "utf-8")
    code, report = tried(csv_of(tmp_path), "-m", CSV_MAPPING, *ON, "--dictionaries", lists)
    assert (code, report["quarantined"]) == (1, 3)
    assert {one["dictionary"] for one in report["unmapped"]} == {"icd10"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("none.csv", "-m", CSV_MAPPING),
        ("day.csv", "-m", "none.yaml"),
        ("day.csv", "-m", CSV_MAPPING, "--on", "2020-01-01"),
        ("day.csv", "-m", CSV_MAPPING, "--on", "someday"),
        ("day.csv", "-m", CSV_MAPPING, "--hospital", "H31010100001"),
        ("day.csv", "-m", CSV_MAPPING, "--dictionaries", "none"),
    ],
)
def test_what_cannot_be_tried_exits_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...]
) -> None:
    csv_of(tmp_path)
    monkeypatch.chdir(tmp_path)
    done = run("try", *arguments)
    assert done.exit_code == 2
    assert done.stderr
    assert not done.stdout


def test_the_linter_reports_every_rule_that_a_native_record_breaks(
    tmp_path: Path, native: dict[str, Any]
) -> None:
    path = tmp_path / "native.ndjson"
    good = json.dumps(native, ensure_ascii=False)
    native["setlinfo"].update(gend="7", medfee_sumamt="1,000.00", adm_time="20240825")
    path.write_text("\n".join([good, json.dumps(native), "", '{"setlinfo": }', good]), "utf-8")
    code, report = tried(path)
    assert code == 1
    assert (report["records"], report["accepted"], report["quarantined"]) == (4, 2, 2)
    second, third = report["quarantine"]
    assert second["place"] == "line 2"
    assert {(one["field"], one["rule"]) for one in second["violations"]} >= {
        ("/setlinfo/gend", "settlement.code.dictionary"),
        ("/setlinfo/medfee_sumamt", "settlement.money.precision"),
        ("/setlinfo/adm_time", "settlement.date.format"),
    }
    assert (third["place"], third["violations"][0]["rule"]) == ("line 4", "settlement.body.json")


def test_the_linter_reads_one_settlement_over_many_lines_and_holds_it_to_its_hospital(
    tmp_path: Path, native: dict[str, Any]
) -> None:
    path = tmp_path / "native.json"
    path.write_text(json.dumps(native, indent=2), "utf-8")
    assert tried(path)[0] == 0
    assert tried(path, "--hospital", native["setlinfo"]["fixmedins_code"])[0] == 0
    code, report = tried(path, "--hospital", "H31010600003")
    assert code == 1
    assert report["rules"] == [
        {"rule": "source.hospital.other", "field": "/setlinfo/fixmedins_code", "times": 1}
    ]


def test_the_linter_refuses_a_line_without_end_by_its_length(tmp_path: Path) -> None:
    path = tmp_path / "long.ndjson"
    path.write_bytes(b"{" + b" " * (5 << 20) + b"}\n{}\n")
    code, report = tried(path)
    assert (code, report["records"]) == (1, 2)
    assert report["quarantine"][0]["violations"][0]["rule"] == "settlement.body.too_large"
    assert report["quarantine"][1]["place"] == "line 2"


def test_a_mapping_names_what_nobody_sent(tmp_path: Path) -> None:
    columns = [name for name in files.csv_columns() if name != "病区类型"]
    path = tmp_path / "day.csv"
    path.write_bytes(files.csv_file(files.bodies(1, CSV), columns=columns))
    report = tried(path, "-m", CSV_MAPPING, *ON)[1]
    (missing,) = [one for one in report["columns"] if one["name"] == "病区类型"]
    assert (missing["state"], missing["values"]) == ("mapped", 0)


def test_the_parts_of_a_stay_come_to_one_record_and_half_a_stay_waits(
    tmp_path: Path, native: dict[str, Any]
) -> None:
    made = calls.of_settlement(native)
    path = tmp_path / "calls.ndjson"
    path.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in made), "utf-8")
    mapping = SEEDS / "example-national.yaml"
    code, report = tried(path, "-m", mapping, *ON)
    assert (code, report["records"], report["accepted"], report["waiting"]) == (0, 1, 1, 0)
    path.write_text("\n".join(json.dumps(one) for one in made[:2]), "utf-8")
    code, report = tried(path, "-m", mapping, *ON)
    assert (code, report["records"]) == (0, 0)
    assert report["waiting"] > 0
    assert "parts of stays whose rest is not in this file" in run("try", path, "-m", mapping, *ON).stdout


def test_the_linter_holds_codes_to_the_operators_lists(tmp_path: Path, native: dict[str, Any]) -> None:
    path, lists = tmp_path / "native.json", tmp_path / "lists"
    path.write_text(json.dumps(native), "utf-8")
    lists.mkdir()
    code = native["diseinfo"][0]["diag_code"]
    (lists / "icd10.csv").write_text(f"code,name,from,to\n{code},x,,2024-09-09\n", "utf-8")
    assert tried(path, "--dictionaries", lists, "--on", "2024-09-09")[0] == 0
    exit_code, report = tried(path, "--dictionaries", lists, "--on", "2024-09-10")
    assert exit_code == 1
    assert report["rules"] == [{"rule": "source.code.unmapped", "field": "/diseinfo/diag_code", "times": 1}]
