"""List against list: an insurer's roll and a provider's people, by psi-scale and, beside it, by ECDH.

Both sides are processes on this machine and share its cores; ours speak mutual TLS. A time is from the start
of both to the end of both, with reading the lists. SIZES=10Mx1M,10Mx10M names other sizes (roll x people).
Where both lists together have more than PEER_MOST people, the peer is not run, and its columns are empty.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from engine.matching.scale.link import run_certificate
from engine.matching.scale.run import Side
from tests.bench import Row
from tests.bench.stage import folder
from tests.support.process import REPOSITORY, free_port

_SIZES = os.environ.get("SIZES", "1Mx10k,1Mx1M")
_PEER_MOST = int(os.environ.get("PEER_MOST", "2_000_000"))
_PEER = "openmined-psi"
_TARGETS_S = {"1Mx1M": "≤ 10", "10Mx10M": "≤ 150"}
_WITHIN_S = 7200
_MIB = 2**20
_RUN = "9a" * 32
_UNITS = {"": 1, "k": 1_000, "M": 1_000_000}
_OTHER = {Side.PROVIDER: Side.INSURER, Side.INSURER: Side.PROVIDER}


class Measured(NamedTuple):
    """One run: both sides' own figures, and how long it took."""

    elapsed_s: float
    sides: dict[Side, dict[str, Any]]


class Lists(NamedTuple):
    """Of people numbered through; half of the shorter list is in both."""

    roll: int
    people: int

    @classmethod
    def named(cls, size: str) -> "Lists":
        """`1Mx10k`. Raises ValueError."""
        roll, _, people = size.partition("x")
        return cls(_number(roll), _number(people))

    @property
    def both(self) -> int:
        return min(self) // 2

    def of(self, side: Side) -> dict[str, int]:
        start = self.people - self.both
        return (
            {"from": 0, "to": self.people}
            if side is Side.PROVIDER
            else {"from": start, "to": start + self.roll}
        )


def run() -> list[Row]:
    return [row for size in _SIZES.split(",") for row in _rows(size, Lists.named(size))]


def _number(text: str) -> int:
    match = re.fullmatch(r"([0-9]+)([kM]?)", text)
    if not match:
        raise ValueError(f"SIZES: a number like 10k or 1M, not {text!r}")
    return int(match[1]) * _UNITS[match[2]]


def _rows(size: str, lists: Lists) -> Iterator[Row]:
    with folder("psi") as home:
        ours = _measured(f"{size} by psi-scale", "tests.support.scale_side", _ours(home, lists), lists)
    peer = None
    if sum(lists) <= _PEER_MOST:
        with folder("psi") as home:
            peer = _measured(f"{size} by {_PEER}", "tests.bench.peer_ecdh", _theirs(home, lists), lists)
    what = size.replace("x", " × ") + ("" if peer else f" ({_PEER} not run)")

    def row(part: str, unit: str, of: str, target: str | None = None) -> Row:
        side, _, figure = of.partition(".")
        values = [None if one is None else _figure(one, side, figure) for one in (ours, peer)]
        assert values[0] is not None
        return Row(f"{what}: {part}", unit, values[0], values[1], peer and _PEER, target)

    yield row("all of it", "s", "", _TARGETS_S.get(size))
    for side in Side:
        yield row(f"processors, {side}", "CPU-s", f"{side}.cpu_s")
        yield row(f"sent by the {side}", "MiB", f"{side}.sent")
        yield row(f"memory at most, {side}", "MiB", f"{side}.peak_kib")


def _figure(measured: Measured, side: str, figure: str) -> float:
    if not side:
        return measured.elapsed_s
    value: float = measured.sides[Side(side)][figure]
    return value / {"cpu_s": 1, "sent": _MIB, "peak_kib": 1024}[figure]


def _ours(home: Path, lists: Lists) -> dict[Side, Path]:
    places = {side: f"127.0.0.1:{free_port()}" for side in Side}
    tls = {side: run_certificate(home / f"tls-{side}", datetime.now(UTC)) for side in Side}
    return {
        side: _written(
            home / f"{side}.json",
            side=side,
            own=places[side],
            peer=places[_OTHER[side]],
            run=_RUN,
            folder=str(home / side),
            tls=[str(path) for path in (*tls[side], tls[_OTHER[side]][0])],
            people=lists.of(side),
        )
        for side in Side
    }


def _theirs(home: Path, lists: Lists) -> dict[Side, Path]:
    port = free_port()
    return {
        side: _written(
            home / f"{side}.json", side=side, port=port, people=lists.of(side), peer_items=lists.people
        )
        for side in Side
    }


def _written(path: Path, **document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def _measured(what: str, module: str, documents: dict[Side, Path], lists: Lists) -> Measured:
    print(f"{what} …", file=sys.stderr, flush=True)
    began = time.perf_counter()
    both = {
        side: subprocess.Popen(
            [sys.executable, "-m", module, documents[side]],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=None if side is Side.PROVIDER else subprocess.DEVNULL,
            text=True,
        )
        for side in Side
    }
    try:
        said = {side: process.communicate(timeout=_WITHIN_S)[0] for side, process in both.items()}
    finally:
        for process in both.values():
            process.kill()
    measured = Measured(time.perf_counter() - began, {side: json.loads(text) for side, text in said.items()})
    found = measured.sides[Side.PROVIDER].get("matches")
    if found != lists.both:
        raise RuntimeError(f"{what}: {found} found, and {lists.both} are in both: {said}")
    print(f"{what}: {measured.elapsed_s:.1f} s", file=sys.stderr, flush=True)
    return measured
