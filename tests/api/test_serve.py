"""`autoclaim serve`: what it says when it cannot start, and what it starts beside it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import certificates
from api.client import Client, wait_until
from api.tls import client_context
from tests.support.process import REPOSITORY, stop

pytestmark = pytest.mark.timeout(240)  # an engine's first start, while others test beside it


def test_an_engine_without_bank_credentials_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "api.cli.main", "serve", "--home", str(tmp_path / "home"), "--port", "0"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "[bank.no_credentials]" in ended.stderr
    assert "--sandbox-bank" in ended.stderr


@dataclass(frozen=True)
class Served:
    home: Path
    tls: Path
    ready: dict[str, Any]
    pid: int


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An engine with all that it can start beside it."""
    folder = tmp_path_factory.mktemp("served")
    home, tls = folder / "home", folder / "tls"
    certificates.make(tls, [["127.0.0.1"], ["node"]], datetime.now(UTC))
    files = certificates.identity(tls, "127.0.0.1")
    command = [sys.executable, "-m", "api.cli.main", "serve", "--home", str(home), "--port", "0", "--json"]
    command += ["--sandbox-bank", "--sandbox-invoices", "--partner-port", "0"]
    command += ["--tls-cert", str(files.certificate), "--tls-key", str(files.key), "--tls-ca", str(files.ca)]
    started = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "AUTOCLAIM_TRUST": str(folder / "trusted.json")},
    )
    try:
        assert started.stdout is not None
        yield Served(home, tls, json.loads(started.stdout.readline()), started.pid)
    finally:
        stop(started)
        started.stdout.close()


def test_the_sandbox_invoice_platform_comes_up_beside_the_engine_and_knows_the_seeds(served: Served) -> None:
    key = json.loads((served.home / "invoices.secret").read_text())["api_key"]
    url, headers = f"{served.ready['invoice_url']}/v1/counts", {"Authorization": f"Bearer {key}"}
    counts = httpx.get(url, headers=headers, trust_env=False).json()
    lines = (REPOSITORY / "seeds" / "settlements" / "discharges.ndjson").read_text("utf-8").splitlines()
    sent = [json.loads(line).get("settlement", {}).get("setlinfo", {}) for line in lines]
    named = {(info["bill_code"], info["bill_no"]) for info in sent if info}
    assert counts["issued"] == len(named) > 60


def test_the_partner_port_stands_beside_it_and_renews_its_certificate_when_told(served: Served) -> None:
    hospital = {"code": "H31010100001", "name": "Node", "grade": 3, "area": "310000", "wards": ["ordinary"]}
    node, mine = certificates.identity(served.tls, "node"), certificates.identity(served.tls, "127.0.0.1")
    pin = certificates.describe(node.certificate).pin
    with Client(served.ready["url"], (served.home / "operator.key").read_text()) as operator:
        assert operator.register_hospital(hospital | {"tls_pin": pin})["tls_pin"] == pin
    seen: set[str] = set()

    def expects(shown: str) -> bool:
        seen.add(shown)
        return True

    def ask() -> int:
        with httpx.Client(verify=client_context(node, expects), trust_env=False) as client:
            return client.get(f"{served.ready['partner_url']}/healthz").status_code

    assert ask() == 200
    assert seen == {served.ready["partner_tls_pin"]}
    mine.key.unlink()
    certificates.make(served.tls, [["127.0.0.1"]], datetime.now(UTC))
    os.kill(served.pid, signal.SIGHUP)
    renewed = certificates.describe(mine.certificate).pin
    wait_until(lambda: ask() == 200 and renewed in seen, timeout_s=20)
