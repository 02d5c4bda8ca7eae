"""`python -m tests.bench [ONLY=name]`: exit 0 measured, 2 could not."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests import bench
from tests.support.process import REPOSITORY

FOLDER = REPOSITORY / "build" / "bench"
_WIDTH_OF_A_FILE = 180


def main(arguments: Sequence[str]) -> int:
    talk, data = Console(stderr=True), Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)
    wanted = [argument.removeprefix("ONLY=") for argument in arguments] or bench.names()
    if not wanted:
        talk.print("no benches yet: add tests/bench/bench_<name>.py with `def run() -> list[Row]`")
        return 2
    try:
        runs = [(name, bench.load(name)) for name in wanted]
    except bench.UnknownBench as error:
        talk.print(str(error))
        return 2
    for name, run in runs:
        machine = bench.machine()
        talk.print(f"measuring {name} on {machine} …")
        rows = run()
        path = bench.write_result(name, rows, FOLDER, machine)
        data.print(_table(name, rows))
        talk.print(f"written to {path.relative_to(REPOSITORY)}")
    return 0


def _table(name: str, rows: Sequence[bench.Row]) -> Table:
    table = Table(title=name, title_justify="left")
    for heading in ("what", "unit", "ours", "peer", "ratio", "target"):
        table.add_column(heading, justify="left" if heading in ("what", "unit") else "right")
    for row in rows:
        peer = "" if row.peer is None else f"{_figure(row.peer)} ({row.peer_name})"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.what, row.unit, _figure(row.ours), peer, ratio, row.target or "")
    return table


def _figure(value: float) -> str:
    """Three significant digits below a thousand, whole numbers above."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
