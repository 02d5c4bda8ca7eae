"""An engine and its provider nodes, each on a machine of its own, and a wire between: `make netns`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api import certificates
from engine.sandbox.population import PAYING_HOSPITALS
from tests.e2e.two_parties import admit, ask, knock
from tests.support.netns import Machine, machines
from tests.support.process import REPOSITORY, stop

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]
PORT, PARTNER_PORT = 8800, 8443
EAST, WEST = PAYING_HOSPITALS[:2]


@contextmanager
def engine(machine: Machine, folder: Path, tls: Path) -> Iterator[dict[str, Any]]:
    """`autoclaim serve` with its sandbox bank: its API on its own loopback, the partner port on the wire."""
    files = certificates.identity(tls, machine.address)
    command = machine.command(
        *(sys.executable, "-m", "api.cli.main", "serve", "--home", folder / "engine", "--port", str(PORT)),
        *("--sandbox-bank", "--json", "--partner-port", str(PARTNER_PORT)),
        *("--tls-cert", files.certificate, "--tls-key", files.key, "--tls-ca", files.ca),
    )
    here = {"AUTOCLAIM_PARTNER_HOST": machine.address, "AUTOCLAIM_TRUST": str(folder / "trusted.json")}
    with (folder / "engine.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env={**os.environ, **here}, stdout=subprocess.PIPE, stderr=log
        )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready, (folder / "engine.log").read_text()[-2000:]
        yield json.loads(ready)
    finally:
        stop(process)
        process.stdout.close()


def test_two_nodes_reach_an_engine_on_another_machine_by_its_partner_port_alone(tmp_path: Path) -> None:
    with machines("engine", "east", "west") as (insurer, east, west):
        certificates.make(tmp_path / "tls", [[insurer.address], ["east"], ["west"]], datetime.now(UTC))
        with engine(insurer, tmp_path, tmp_path / "tls") as ready:
            assert ready["partner_url"] == f"https://{insurer.address}:{PARTNER_PORT}"
            _reach_it(tmp_path / "tls", ready, insurer, {EAST: east, WEST: west})


def _reach_it(tls: Path, ready: dict[str, Any], insurer: Machine, nodes: dict[str, Machine]) -> None:
    operator_key = Path(ready["operator_key_file"]).read_text()
    name = dict(zip(nodes, ("east", "west"), strict=True))
    files = {code: certificates.identity(tls, name[code]) for code in nodes}
    tokens = {
        code: insurer.call(
            admit,
            url=ready["url"],
            operator_key=operator_key,
            code=code,
            tls_pin=certificates.describe(files[code].certificate).pin,
        )
        for code in nodes
    }

    def asks(code: str, path: str, of: str, token: str) -> dict[str, Any]:
        shown = [str(file) for file in files[of]]
        answer: dict[str, Any] = nodes[code].call(
            ask,
            url=ready["partner_url"] + path,
            files=shown,
            engine_pin=ready["partner_tls_pin"],
            token=token,
        )
        return answer

    for code, node in nodes.items():
        (other,) = nodes.keys() - {code}
        assert asks(code, "/v1/match/epochs", of=code, token=tokens[code])["status"] == 200
        assert asks(code, "/v1/match/epochs", of=code, token=tokens[other])["code"] == "partner.certificate"
        assert "refused" in node.call(knock, url=ready["partner_url"] + "/healthz", ca=str(tls / "ca.crt"))
        ordinary = f"http://{insurer.address}:{PORT}/healthz"
        assert "refused" in node.call(knock, url=ordinary), "the engine's API is on its own loopback"
        assert "refused" in node.call(knock, url=f"http://127.0.0.1:{PORT}/healthz"), "which is no node's"
