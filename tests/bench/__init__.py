"""Measurements, run by `make bench [ONLY=name]`.

A bench is a module `tests/bench/bench_<name>.py` with `def run() -> list[Row]`. It measures what
it reports in that very run; a peer that cannot be run here is left out (`peer=None`) or named in
`peer_name` as somebody's published figure. Each one's result is written to
`build/bench/<name>.json` (design: public surface).
"""

import importlib
import json
import os
import pkgutil
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "bench_"


class UnknownBench(LookupError):
    """A name that no module `tests/bench/bench_<name>.py` stands for."""


@dataclass(frozen=True)
class Row:
    """One measured thing. `ours` and `peer` are in `unit`; `target` is text such as '≤ 30000'."""

    what: str
    unit: str
    ours: float
    peer: float | None = None
    peer_name: str | None = None
    target: str | None = None

    @property
    def ratio(self) -> float | None:
        """ours / peer: above 1 is more of the unit, which the unit makes good or bad."""
        return self.ours / self.peer if self.peer else None

    def document(self) -> dict[str, object]:
        return {
            "what": self.what,
            "unit": self.unit,
            "ours": self.ours,
            "peer": self.peer,
            "peer_name": self.peer_name,
            "ratio": self.ratio,
            "target": self.target,
        }


def names() -> list[str]:
    """The benches there are, in alphabetical order."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.removeprefix(_PREFIX) for name in modules if name.startswith(_PREFIX))


def load(name: str) -> Callable[[], Sequence[Row]]:
    """The `run` of one bench. Raises UnknownBench."""
    if name not in names():
        raise UnknownBench(f"no bench named {name!r}; there are: {', '.join(names()) or 'none yet'}")
    module = importlib.import_module(f"{__name__}.{_PREFIX}{name}")
    run: Callable[[], Sequence[Row]] = module.run
    return run


def write_result(name: str, rows: Sequence[Row], folder: Path, measured_on: str | None = None) -> Path:
    """Write <folder>/<name>.json; the same keys every time, so that runs can be compared.

    measured_on: `machine()` from before the run, so that the load in it is that of others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    result = {"name": name, "machine": measured_on or machine(), "rows": [row.document() for row in rows]}
    path.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return path


def machine() -> str:
    """What the figures are measured on: '<cpu>, 2 cores, 8 GiB, Linux 6.1, Python 3.11.7, load 0.3'.

    load: processes that wanted a core over the last minute, on average.
    """
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {memory_gib:.0f} GiB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
