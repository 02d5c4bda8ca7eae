"""Fields against each other, money apart: dates in order, rows unique, codes in their category."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from engine.settlement.dictionaries import dictionary
from engine.settlement.findings import Findings
from engine.settlement.hospitals import PHARMACY

Row = Mapping[str, Any]

_LETTER_OF_CATEGORY = {
    code: str(entry["form"]) for code, entry in dictionary("fee_category").entries.items() if "form" in entry
}
_CATEGORY_OF_LETTER = {letter: code for code, letter in _LETTER_OF_CATEGORY.items()}
_ONE_DAY = timedelta(days=1)
_PURCHASE = "41"


def check_coherence(setlinfo: Row, rows: Mapping[str, Sequence[Row]], found: Findings) -> None:
    """Each rule looks only at values that could be read."""
    _check_dates(setlinfo, found)
    if setlinfo.get("fixmedins_code", "").startswith(PHARMACY) and setlinfo.get("med_type") != _PURCHASE:
        found.add("/setlinfo/med_type", "settlement.code.purchase", "must be 41: a pharmacy only sells")
    _check_lines(setlinfo, rows["feedetail"], found)
    main = [index for index, row in enumerate(rows["diseinfo"]) if row.get("maindiag_flag") == "1"]
    for index in main[1:]:
        found.add(
            f"/diseinfo/{index}/maindiag_flag",
            "settlement.diagnosis.main",
            "another diagnosis is the main one",
        )


def _check_dates(setlinfo: Row, found: Findings) -> None:
    admitted, discharged = setlinfo.get("adm_time"), setlinfo.get("dscg_time")
    begins, ends = setlinfo.get("setl_begn_date"), setlinfo.get("setl_end_date")
    settled, born = setlinfo.get("setl_time"), setlinfo.get("brdy")
    if admitted and discharged and admitted > discharged:
        found.add("/setlinfo/dscg_time", "settlement.dates.stay", "must not precede adm_time")
    if begins and ends and begins > ends:
        found.add("/setlinfo/setl_end_date", "settlement.dates.settlement", "must not precede setl_begn_date")
    for name, moment in (("setl_end_date", ends), ("setl_time", settled)):
        if moment and admitted and moment.date() < admitted.date():
            found.add(f"/setlinfo/{name}", "settlement.dates.settlement", "must not precede adm_time")
        if moment and discharged and moment.date() < discharged.date():
            found.add(f"/setlinfo/{name}", "settlement.dates.mid_stay", "precedes dscg_time")
    if born and admitted and born > admitted.date():
        found.add("/setlinfo/brdy", "settlement.dates.birth", "must not follow adm_time")


def _check_lines(setlinfo: Row, lines: Sequence[Row], found: Findings) -> None:
    admitted, discharged = setlinfo.get("adm_time"), setlinfo.get("dscg_time")
    # A day of slack: emergency care before admission and take-home drugs are billed to the stay.
    first = admitted.date() - _ONE_DAY if admitted else None
    last = discharged.date() + _ONE_DAY if discharged else None
    seen: set[str] = set()
    for index, line in enumerate(lines):
        sn = line.get("feedetl_sn")
        if sn is not None:
            if sn in seen:
                found.add(
                    f"/feedetail/{index}/feedetl_sn",
                    "settlement.line.duplicate",
                    "stands in another line too",
                )
            seen.add(sn)
        code, category = line.get("med_list_codg"), line.get("med_chrgitm_type")
        if code and category and _CATEGORY_OF_LETTER.get(code[0], category) != category:
            found.add(
                f"/feedetail/{index}/med_chrgitm_type",
                "settlement.code.list_category",
                "is not the category of this kind of code",
            )
        moment = line.get("fee_ocur_time")
        if moment and first and last and not first <= moment.date() <= last:
            found.add(f"/feedetail/{index}/fee_ocur_time", "settlement.dates.line", "lies outside the stay")
