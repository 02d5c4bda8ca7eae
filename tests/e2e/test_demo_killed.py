"""The demo's promises hold when its engine and its provider node, or all of it, are killed on the way.

A file of its own: files are what test processes share out, and these are the longest of all.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.demo_run import DemoRun, totals

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(lambda run: '"/v1/settlements"' in run.engine_log(), id="while-settlements-arrive"),
        pytest.param(lambda run: '"batch.done"' in run.engine_log(), id="after-the-first-batch"),
        pytest.param(lambda run: "/v1/bank/callback" in run.engine_log(), id="while-the-bank-answers"),
    ],
)
def test_an_engine_and_a_node_killed_at_work_end_in_the_same_totals(
    moment: Any, finished: tuple[DemoRun, dict[str, Any]], tmp_path: Path
) -> None:
    run = DemoRun(tmp_path)
    run.kill_engine(moment)
    run.kill_node(lambda run: '"/v1/match/evaluations"' in run.engine_log())
    outcome = run.outcome()
    assert outcome["engine_restarts"] >= 1
    assert outcome["provider"]["restarts"] >= 1
    assert totals(outcome) == totals(finished[1])


def test_a_demo_killed_whole_goes_on_where_it_stopped(
    finished: tuple[DemoRun, dict[str, Any]], tmp_path: Path
) -> None:
    first = DemoRun(tmp_path)
    first.kill_demo(lambda run: '"batch.done"' in run.engine_log())
    assert totals(DemoRun(tmp_path).outcome()) == totals(finished[1])
