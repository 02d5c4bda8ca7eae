"""The hospital register: what the insurer pool knows of a hospital, whatever it says of itself."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_REGISTER = Path(__file__).resolve().parents[2] / "seeds" / "hospitals" / "hospitals.csv"
PHARMACY = "P"
"""What the fixmedins_code of a designated pharmacy begins with; a hospital's begins with H."""
KINDS = frozenset({"ordinary", "proton", "pharmacy"})


@dataclass(frozen=True, slots=True)
class Hospital:
    """One designated hospital; grade 1..3, 0 unknown; wards are codes of the dictionary ward_type.

    Or one designated pharmacy (code P and 11 digits), which has neither grade (0) nor ward (none).
    """

    code: str
    name: str
    grade: int
    area: str
    kind: str
    wards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HospitalRegister:
    """Hospitals by fixmedins_code."""

    hospitals: Mapping[str, Hospital]

    def get(self, code: str) -> Hospital | None:
        return self.hospitals.get(code)

    def only(self, code: str) -> "HospitalRegister":
        """What is known of one hospital."""
        return HospitalRegister({code: self.hospitals[code]} if code in self.hospitals else {})

    @classmethod
    def of(cls, hospitals: Iterable[Hospital]) -> "HospitalRegister":
        """Raises ValueError when a code is registered twice."""
        by_code: dict[str, Hospital] = {}
        for hospital in hospitals:
            if hospital.code in by_code:
                raise ValueError(f"hospital {hospital.code} is registered twice")
            by_code[hospital.code] = hospital
        return cls(by_code)


def load_register(path: Path = DEFAULT_REGISTER) -> HospitalRegister:
    """Read a register: CSV with the columns fixmedins_code, name, grade, area, kind, wards (a|b|c).

    Raises FileNotFoundError, and ValueError naming the line and what is wrong with it.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        return HospitalRegister.of(_hospital(row, path, number) for number, row in enumerate(rows, start=2))


def _hospital(row: Mapping[str, str], path: Path, line: int) -> Hospital:
    try:
        hospital = Hospital(
            code=row["fixmedins_code"],
            name=row["name"],
            grade=int(row["grade"]),
            area=row["area"],
            kind=row["kind"],
            wards=tuple(row["wards"].split("|")) if row["wards"] else (),
        )
    except (KeyError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}:{line}: not a hospital: {error}") from error
    if hospital.grade not in range(4) or hospital.kind not in KINDS:
        raise ValueError(f"{path}:{line}: grade is 0 to 3 and kind one of {sorted(KINDS)}")
    pharmacy = hospital.kind == "pharmacy"
    if pharmacy != hospital.code.startswith(PHARMACY) or pharmacy == bool(hospital.wards):
        raise ValueError(f"{path}:{line}: a pharmacy's code begins with P, and it has no ward")
    return hospital
