"""Dictionaries, the hospital register and the table of rules are sound data."""

import hashlib
import re
from datetime import date
from pathlib import Path

import pytest

from engine.settlement import RULES, Hospital, HospitalRegister, load_register
from engine.settlement.dictionaries import FOLDER, dictionary, operator_dictionary
from engine.settlement.fields import ALIASES, LISTS, SETLINFO

ROOM = Path(__file__).resolve().parents[2] / "engine" / "settlement"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_every_entry_of_a_dictionary_is_named_in_both_languages(name: str) -> None:
    entries = dictionary(name).entries
    assert entries
    assert all(entry["zh"] and entry["en"] for entry in entries.values())


def test_every_dictionary_is_used() -> None:
    source = "".join(path.read_text("utf-8") for path in ROOM.glob("*.py"))
    for path in FOLDER.glob("*.json"):
        assert f'"{path.stem}"' in source, f"nothing reads {path.name}"


def test_a_dictionary_that_repeats_a_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "twice.json").write_text('{"entries": [{"code": "1"}, {"code": "1"}]}', "utf-8")
    with pytest.raises(ValueError, match="code 1 twice"):
        dictionary("twice", tmp_path)


def test_every_rule_is_used_and_every_rule_used_is_in_the_table() -> None:
    source = "".join(path.read_text("utf-8") for path in ROOM.glob("*.py") if path.name != "rules.py")
    used = set(re.findall(r'"(settlement\.[a-z]+\.[a-z_]+)"', source))
    assert used == set(RULES)


def test_the_register_of_the_seeds_is_sound() -> None:
    register = load_register()
    wards = dictionary("ward_type").codes
    assert {h.kind for h in register.hospitals.values()} == {"ordinary", "proton", "pharmacy"}
    for hospital in register.hospitals.values():
        assert re.fullmatch(r"[HP][0-9]{11}", hospital.code)
        assert hospital.name.startswith("示例")
        assert hospital.name.endswith("（虚构）")
        assert set(hospital.wards) <= wards


def test_a_register_names_the_line_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "hospitals.csv"
    header = "fixmedins_code,name,grade,area,kind,wards\n"
    path.write_text(header + "H1,a,3,310000,ordinary,ordinary\nH2,b,9,310000,ordinary,ordinary\n", "utf-8")
    with pytest.raises(ValueError, match=":3: grade"):
        load_register(path)
    path.write_text(header + "H1,a,three,310000,ordinary,ordinary\n", "utf-8")
    with pytest.raises(ValueError, match=":2: not a hospital"):
        load_register(path)


def test_a_hospital_is_registered_once() -> None:
    hospital = Hospital("H1", "a", 3, "310000", "ordinary", ("ordinary",))
    with pytest.raises(ValueError, match="registered twice"):
        HospitalRegister.of([hospital, hospital])


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_a_dictionary_says_which_version_it_is(name: str) -> None:
    read = dictionary(name)
    assert read.version >= 1
    assert read.holds_from.isoformat() == "2021-01-01"
    assert read.digest_hex == hashlib.sha256((FOLDER / f"{name}.json").read_bytes()).hexdigest()


def test_a_list_of_the_operators_is_read_with_its_days(tmp_path: Path) -> None:
    path = tmp_path / "icd10.csv"
    path.write_text(
        'code,name,from,to\nA00,"cholera,\nall",2024-01-01,\nA01,typhoid,,2024-06-30\n', "utf-8-sig"
    )
    read = operator_dictionary(path)
    assert (read.name, read.codes) == ("icd10", {"A00", "A01"})
    held = {day: sorted(c for c in read.codes if read.holds(c, date.fromisoformat(day))) for day in DAYS}
    assert held == {DAYS[0]: ["A01"], DAYS[1]: ["A00", "A01"], DAYS[2]: ["A00"]}


DAYS = ("2023-12-31", "2024-06-30", "2024-07-01")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("code,name,from,to\n,x,,\n", ":2: needs a code"),
        ("code,name,from,to\nA,x,,\nB,x,2024-02-30,\n", ":3: a day"),
        ("code,name,from,to\nA,x,2024-02-01,2024-01-01\n", ":2: needs"),
        ("code,name,from,to\nA,x,,\nA,y,,\n", "code A twice"),
        ("kode,name\nA,x\n", ":2: needs a code"),
    ],
)
def test_a_wrong_list_of_the_operators_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "icd10.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=re.escape(message)):
        operator_dictionary(path)


def test_a_vendors_name_stands_for_a_field_of_its_node() -> None:
    fields = {"setlinfo": SETLINFO, **{name: node.fields for name, node in LISTS.items()}}
    assert ALIASES["setlinfo"]["cash_payamt"] == "psn_cash_pay"
    for node, aliases in ALIASES.items():
        assert set(aliases.values()) <= {field.name for field in fields[node]}
        assert not aliases.keys() & {field.name for field in fields[node]}, "a national name stays itself"
