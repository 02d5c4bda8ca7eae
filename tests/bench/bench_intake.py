"""How many settlements are durably accepted a second: over HTTP, and by the service inside it.

Over HTTP the engine is a process of its own, and the clients another; every request is signed (RFC 9421)
before the clock starts. Nobody in these settlements is insured, so that of the line behind the intake
only the match runs beside it. Group commit is measured against one transaction a call, in one process.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from engine.money import format_yuan, parse_yuan
from engine.pipeline import intake, parties
from engine.pipeline.context import Context
from engine.sandbox.population import PAYING_HOSPITALS, generate
from engine.settlement import load_register
from engine.settlement.totals import LINE_PARTS
from engine.store.database import Database
from engine.store.writer import GroupCommit, Keep
from tests.api.world import opened
from tests.bench import Row
from tests.bench.hospital import Hospital
from tests.bench.http_clients import Answers
from tests.bench.sampling import Measure, interleaved, processor_s
from tests.bench.stage import folder, staged

HOSPITAL = PAYING_HOSPITALS[0]
_LINES = 6
_ITEM_COLUMNS = {
    "amt": ("det_item_fee_sumamt",),
    "clab_amt": ("preselfpay_amt", "inscp_scp_amt"),
    "fulamt_ownpay_amt": ("fulamt_ownpay_amt",),
    "oth_amt": ("overlmt_amt",),
}
"""Column of iteminfo -> the parts of a detail line that it sums."""
_CALLERS = 32
_FEW, _MANY, _BATCH = 30, 400, 4_000
"""Settlements a round: of one caller, of many, and of a batch."""
_ROUNDS = 3
_RATE = "settlements/s"


def run() -> list[Row]:
    bodies = native_bodies()
    return [*_over_http(bodies), *_in_process(bodies), _disk()]


def native_bodies() -> Iterator[bytes]:
    """Native settlements without end, of some 3.7 KB, each with a number of its own."""
    for discharge in generate(40, 1_000_000).settlements():
        if discharge.outcome in ("paid", "nothing"):
            native = _short(discharge.body)
            native["setlinfo"]["fixmedins_code"] = HOSPITAL
            yield json.dumps(native, ensure_ascii=False, separators=(",", ":")).encode()


def _short(native: dict[str, Any]) -> dict[str, Any]:
    """The stay with its first detail lines only, paid for in cash; every identity holds of it again."""
    lines = native["feedetail"][:_LINES]
    items: dict[str, dict[str, int]] = {}
    sums: Counter[str] = Counter()
    for line in lines:
        fen = {name: parse_yuan(line[name]) for name in (*LINE_PARTS.values(), "det_item_fee_sumamt")}
        sums.update(fen)
        item = items.setdefault(line["med_chrgitm_type"], dict.fromkeys(_ITEM_COLUMNS, 0))
        for column, parts in _ITEM_COLUMNS.items():
            item[column] += sum(fen[part] for part in parts)
    total = sums["det_item_fee_sumamt"]
    amounts = {name: sums[column] for name, column in LINE_PARTS.items()}
    amounts |= {"medfee_sumamt": total, "psn_part_amt": total, "psn_cash_pay": total}
    amounts |= dict.fromkeys(("fund_pay_sumamt", "hosp_part_amt", "acct_pay", "acct_mulaid_pay"), 0)
    amounts |= {"psn_ownpay": sums["fulamt_ownpay_amt"], "psn_selfpay": total - sums["fulamt_ownpay_amt"]}
    return native | {
        "setlinfo": native["setlinfo"] | {name: format_yuan(fen) for name, fen in amounts.items()},
        "iteminfo": [
            {"med_chrgitm": category, **{name: format_yuan(fen) for name, fen in columns.items()}}
            for category, columns in items.items()
        ],
        "payinfo": [],
        "feedetail": lines,
    }


def _over_http(bodies: Iterator[bytes]) -> list[Row]:
    latencies_ms: list[float] = []
    processor_ms: list[float] = []
    alone = staged("alone", AUTOCLAIM_COMMIT_GROUP="1")
    with (
        staged("intake") as stage,
        Hospital(stage, HOSPITAL) as hospital,
        alone as ungrouped,
        Hospital(ungrouped, HOSPITAL) as peer,
    ):

        def posted(to: Hospital, number: int, clients: int) -> Answers:
            answers = to.post(list(islice(bodies, number)), clients)
            to.wait_for_the_line()
            return answers

        def one() -> float:
            return _FEW / posted(hospital, _FEW, 1).elapsed_s

        def many() -> float:
            before_s = processor_s(stage.engine.pid)
            answers = posted(hospital, _MANY, _CALLERS)
            processor_ms.append((processor_s(stage.engine.pid) - before_s) * 1000 / _MANY)
            latencies_ms.extend(answers.latencies_ms)
            return _MANY / answers.elapsed_s

        def many_alone() -> float:
            return _MANY / posted(peer, _MANY, _CALLERS).elapsed_s

        def batch(to: Hospital) -> float:
            answers = to.post_batch(list(islice(bodies, _BATCH)))
            to.wait_for_the_line()
            return _BATCH / answers.elapsed_s

        rates = interleaved(
            {
                "one": one,
                "many": many,
                "many alone": many_alone,
                "batch": partial(batch, hospital),
                "batch alone": partial(batch, peer),
            },
            _ROUNDS,
        )
    by_many = f"posted one a request by {_CALLERS} clients"
    by_batch = f"posted {_BATCH:,} a request"
    peer_name = "the same with a session and a transaction each, this run"
    return [
        Row("posted one a request by 1 client", _RATE, rates["one"]),
        Row(by_many, _RATE, rates["many"], rates["many alone"], peer_name),
        Row(f"{by_many}: p50", "ms", median(latencies_ms)),
        Row(f"{by_many}: p99", "ms", quantiles(latencies_ms, n=100, method="inclusive")[-1]),
        Row(f"{by_many}: the engine's processor time", "ms a settlement", median(processor_ms)),
        Row(by_batch, _RATE, rates["batch"], rates["batch alone"], peer_name, "≥ 2000"),
    ]


def _in_process(bodies: Iterator[bytes]) -> list[Row]:
    """`accept_settlement` without HTTP: the same calls into a group, and each into its own transaction."""
    with folder("intake") as home, opened(home / "engine") as (grouped, _):
        parties.register_hospital(grouped, load_register().hospitals[HOSPITAL], None, None)
        alone = replace(grouped, writer=_OneCommitACall(grouped.database))
        figures = interleaved(
            {
                "one grouped": _accepting(grouped, bodies, _FEW, 1),
                "one alone": _accepting(alone, bodies, _FEW, 1),
                "many grouped": _accepting(grouped, bodies, _MANY, _CALLERS),
                "many alone": _accepting(alone, bodies, _MANY, _CALLERS),
            },
            _ROUNDS,
        )
    peer = "one transaction a call, this run"
    return [
        Row(
            f"service called by {who}, group commit",
            _RATE,
            figures[f"{n} grouped"],
            figures[f"{n} alone"],
            peer,
        )
        for n, who in (("one", "1 thread"), ("many", f"{_CALLERS} threads"))
    ]


def _accepting(ctx: Context, bodies: Iterator[bytes], number: int, callers: int) -> Measure:
    def measure() -> float:
        raws = list(islice(bodies, number))
        with ThreadPoolExecutor(callers) as pool:
            started = time.perf_counter()
            accepted = list(pool.map(partial(intake.accept_settlement, ctx, HOSPITAL), raws))
            return len(accepted) / (time.perf_counter() - started)

    return measure


class _OneCommitACall(GroupCommit):
    """What group commit is measured against: one session and transaction a call, in the caller's thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def submit_to(self, keep: Keep, item: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        with self._database.transaction() as session:
            (outcome,) = keep(session, [item])
        future.set_result(outcome)
        return future


def _disk() -> Row:
    """What every durable commit waits for at least: it says how far figures of two machines compare."""
    samples_ms = []
    with folder("intake") as home, Path(home / "probe").open("wb", buffering=0) as probe:
        for _ in range(100):
            started = time.perf_counter()
            probe.write(bytes(4096))
            os.fsync(probe.fileno())
            samples_ms.append((time.perf_counter() - started) * 1000)
    return Row("4 KiB written and fsynced on this disk: p50", "ms", median(samples_ms))
