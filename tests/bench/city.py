"""A made-up city's year of settlements as a book: the same bytes' worth for the same seed, part by part."""

import json
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.adjudication.replay.columns import day_number
from engine.books import schema
from engine.terms import Terms

LINES_EACH = 25
_KINDS = 30_000
_CATEGORIES = ("01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "14")
_SHARES = (0.06, 0.04, 0.08, 0.16, 0.1, 0.02, 0.1, 0.1, 0.26, 0.02, 0.05, 0.01)
_LETTER = {"08": "C", "09": "X", "10": "T", "11": "Z"}
_HOSPITALS, _DIAGNOSES = 300, 4_000
_MICROSECONDS_A_DAY = 86_400_000_000

Column = NDArray[Any]


def write_city(
    folder: Path, terms: Terms, settlements: int, parts: int, *, seed: int, lines_each: int
) -> None:
    """A book of so many settlements, three for every two policies; all under the terms' edition."""
    folder.mkdir(parents=True)
    pq.write_table(_kinds(np.random.default_rng([seed, 0])), folder / schema.KINDS_FILE)
    write = partial(_part, folder, terms.canonical, settlements // parts, seed, lines_each)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(write, range(parts)))
    manifest = {"format": schema.FORMAT, "parts": parts}
    (folder / schema.MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def _kinds(rng: np.random.Generator) -> pa.Table:
    category = rng.choice(len(_CATEGORIES), _KINDS, p=_SHARES).astype(np.int32)
    category[:4] = _CATEGORIES.index("03")
    codes = [f"{_LETTER.get(_CATEGORIES[c], '0')}{number:022d}" for number, c in enumerate(category)]
    names = ["PET-CT全身显像"] * 4 + [f"示例项目{number}" for number in range(4, _KINDS)]
    words = pa.DictionaryArray.from_arrays(category, list(_CATEGORIES))
    return pa.table({"code": codes, "name": names, "category": words}, schema=schema.KINDS)


def _part(folder: Path, canonical: str, settlements: int, seed: int, lines_each: int, number: int) -> None:
    rng = np.random.default_rng([seed, number + 1])
    terms = json.loads(canonical)
    policies = settlements * 2 // 3
    where = folder / schema.part_name(number)
    where.mkdir()
    period = terms.get("period", {"from": "2025-07-01", "to": "2026-06-30"})
    days = day_number(date.fromisoformat(period["from"])), day_number(date.fromisoformat(period["to"]))
    _write(where / schema.POLICIES_FILE, schema.POLICIES, _policies(rng, policies, terms, days, number))
    lines = _lines(rng, settlements, lines_each, days)
    bills = _settlements(rng, settlements, policies, lines, days, number)
    if lines_each:
        shift = np.repeat(bills["admitted_on"], lines_each)
        lines["occurred_on"] = lines["occurred_on"] + shift
    _write(where / schema.SETTLEMENTS_FILE, schema.SETTLEMENTS, bills)
    _write(where / schema.LINES_FILE, schema.LINES, lines)


def _policies(
    rng: np.random.Generator, count: int, terms: dict[str, Any], days: tuple[int, int], part: int
) -> dict[str, Any]:
    classes = rng.random(count) < 0.15
    continuous = rng.integers(0, 5, count, dtype=np.int32)
    return {
        "policy_no": [f"P{part:04d}{number:08d}" for number in range(count)],
        "product": _words(np.zeros(count, dtype=np.int32), [terms["product"]]),
        "edition": _words(np.zeros(count, dtype=np.int32), [terms["edition"]]),
        "effective": np.full(count, days[0], dtype=np.int32),
        "expires": np.full(count, days[1], dtype=np.int32),
        "pre_existing": [["tumour"] if one else [] for one in classes],
        "continuous_years": continuous,
        "claim_free_years": (continuous * rng.random(count)).astype(np.int32),
        "renewed": rng.random(count) < 0.7,
    }


def _lines(rng: np.random.Generator, settlements: int, each: int, days: tuple[int, int]) -> dict[str, Column]:
    """Most lines are within the catalogue; a quarter has a part that the patient pays alone."""
    count = settlements * each
    amount = np.minimum(rng.lognormal(9.6, 1.6, count), 5e7).astype(np.int64) + 100
    own = np.where(rng.random(count) < 0.18, amount, 0)
    over = np.where((rng.random(count) < 0.08) & (own == 0), amount * 3 // 10, 0)
    pre = np.where(rng.random(count) < 0.2, (amount - own - over) // 10, 0)
    return {
        "settlement": np.repeat(np.arange(settlements, dtype=np.int32), each),
        "kind": rng.integers(0, _KINDS, count, dtype=np.int32),
        "occurred_on": rng.integers(0, 8, count, dtype=np.int32),
        "amount_fen": amount,
        "own_pay_fen": own,
        "over_limit_fen": over,
        "pre_self_pay_fen": pre,
        "in_scope_fen": amount - own - over - pre,
    }


def _settlements(
    rng: np.random.Generator,
    count: int,
    policies: int,
    lines: dict[str, Column],
    days: tuple[int, int],
    part: int,
) -> dict[str, Column]:
    sums = {
        name: lines[name].reshape(count, -1).sum(axis=1)
        if lines[name].size
        else rng.lognormal(12, 1.5, count).astype(np.int64)
        for name in schema.LINE_AMOUNTS
        if name != "amount_fen"
    }
    total = np.sum(list(sums.values()), axis=0)
    fund = sums["in_scope_fen"] * 7 // 10
    admitted = rng.integers(days[0] - 3, days[1] - 5, count, dtype=np.int32)
    discharged = admitted + rng.integers(1, 15, count, dtype=np.int32)
    moment = discharged.astype(np.int64) * _MICROSECONDS_A_DAY + rng.integers(0, _MICROSECONDS_A_DAY, count)
    hospital = rng.integers(0, _HOSPITALS, count, dtype=np.int32)
    return {
        "policy": np.sort(rng.integers(0, policies, count, dtype=np.int32)),
        "setl_id": [f"310000S{part:04d}{number:08d}" for number in range(count)],
        "hospital_code": _words(hospital, [f"H3101{number:07d}" for number in range(_HOSPITALS)]),
        "hospital_grade": (1 + (hospital % 20 > 0) + (hospital % 3 > 0)).astype(np.int32),
        "insured_area": _words((rng.random(count) < 0.02).astype(np.int32), ["310000", "320500"]),
        "visit_type": _words((rng.random(count) < 0.12).astype(np.int32), ["21", "11"]),
        "ward_type": _words(
            np.where(rng.random(count) < 0.03, 1, 0).astype(np.int32), ["ordinary", "special"]
        ),
        "admitted_on": admitted,
        "discharged_on": discharged,
        "settled_at": moment,
        "discharge_way": _words((rng.random(count) < 0.01).astype(np.int32), ["1", "5"]),
        "main_diagnosis": _words(
            rng.integers(0, _DIAGNOSES, count, dtype=np.int32),
            [f"{chr(65 + n % 26)}{n % 100:02d}.{n:04d}" for n in range(_DIAGNOSES)],
        ),
        "other_diagnoses": pa.array([[]] * count, type=pa.list_(pa.string())),
        "total_fen": total,
        **sums,
        "fund_fen": fund,
        "account_fen": np.zeros(count, dtype=np.int64),
        "cash_fen": total - fund,
        "other_compensation_fen": np.where(rng.random(count) < 0.03, total // 5, 0),
    }


def _words(codes: Column, values: list[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(codes, values)


def _write(path: Path, wanted: pa.Schema, columns: dict[str, Any]) -> None:
    pq.write_table(_table(wanted, columns), path, **schema.written(wanted))


def _table(wanted: pa.Schema, columns: dict[str, Any]) -> pa.Table:
    arrays = []
    for one in wanted:
        column = columns[one.name]
        if not isinstance(column, pa.Array):
            plain = pa.int32() if pa.types.is_date(one.type) else pa.int64()
            plain = plain if pa.types.is_temporal(one.type) else one.type
            column = pa.array(column, type=plain).cast(one.type)
        arrays.append(column)
    return pa.table(arrays, schema=wanted)
