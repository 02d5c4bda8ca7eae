"""Arrows run one way: the contracts in pyproject.toml hold, without waiting for `make lint`."""

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from tests.support.process import REPOSITORY


def test_rooms_name_only_rooms_below_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(REPOSITORY)
    status = lint_imports(config_filename="pyproject.toml", no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out
