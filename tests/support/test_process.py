"""The servers that other tests start are healthy when handed over, and gone afterwards."""

import os
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.process import ProcessFailed, free_port, running_server


def _file_server(port: int) -> list[str]:
    return [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]


def test_a_server_is_healthy_inside_the_block_and_gone_after_it(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    with running_server(_file_server(port), health_url=url, log=tmp_path / "log") as server:
        assert httpx.get(url).status_code == 200
        pid = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_ends_early_tells_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such ledger')"]
    with (
        pytest.raises(ProcessFailed, match="no such ledger"),
        running_server(command, health_url="http://127.0.0.1:1/", log=tmp_path / "log"),
    ):
        pytest.fail("entered without a healthy server")


def test_a_killed_server_can_be_left_without_a_second_signal(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    with running_server(_file_server(port), health_url=url, log=tmp_path / "log") as server:
        server.kill()
    assert server.process.returncode == -9
