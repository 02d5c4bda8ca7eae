"""`autoclaim serve`: what it says when it cannot start, and what it starts beside it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.process import REPOSITORY, stop


def test_an_engine_without_bank_credentials_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "api.cli.main", "serve", "--home", str(tmp_path / "home"), "--port", "0"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "[bank.no_credentials]" in ended.stderr
    assert "--sandbox-bank" in ended.stderr


@pytest.mark.timeout(240)  # an engine's first start, while others test beside it
def test_the_sandbox_invoice_platform_comes_up_beside_the_engine_and_knows_the_seeds(tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = [sys.executable, "-m", "api.cli.main", "serve", "--home", str(home), "--port", "0", "--json"]
    started = subprocess.Popen(
        [*command, "--sandbox-bank", "--sandbox-invoices"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "AUTOCLAIM_TRUST": str(tmp_path / "trusted.json")},
    )
    try:
        assert started.stdout is not None
        ready = json.loads(started.stdout.readline())
        key = json.loads((home / "invoices.secret").read_text())["api_key"]
        headers = {"Authorization": f"Bearer {key}"}
        counts = httpx.get(f"{ready['invoice_url']}/v1/counts", headers=headers, trust_env=False).json()
    finally:
        stop(started)
        started.stdout.close()
    lines = (REPOSITORY / "seeds" / "settlements" / "discharges.ndjson").read_text("utf-8").splitlines()
    sent = [json.loads(line).get("settlement", {}).get("setlinfo", {}) for line in lines]
    named = {(info["bill_code"], info["bill_no"]) for info in sent if info}
    assert counts["issued"] == len(named) > 60
