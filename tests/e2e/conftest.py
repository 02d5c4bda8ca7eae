"""What a run of the demo is compared with."""

from typing import Any

import pytest

from tests.e2e.demo_run import DemoRun


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoRun, dict[str, Any]]:
    """One undisturbed run on SQLite."""
    run = DemoRun(tmp_path_factory.mktemp("demo"))
    return run, run.outcome()
