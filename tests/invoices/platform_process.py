"""The sandbox invoice platform as tests run it: a real process on a port of its own."""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from engine.invoices.http_verifier import HttpVerifier, VerifierPolicy, load_api_key
from engine.money import parse_yuan
from tests.support.process import REPOSITORY, stop

QUICK = VerifierPolicy(attempts=2, first_pause_s=0.01, longest_pause_s=0.02, read_timeout_s=0.5)


class PlatformProcess:
    """Start, kill and restart one platform on one database and one port."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.port = 0
        self.flags = flags
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "engine.sandbox.invoices"]
        command += ["--db", str(self.folder / "invoices.sqlite"), "--port", str(self.port), *self.flags]
        with (self.folder / "invoices.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=REPOSITORY
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.folder / "invoices.log").read_text()
        ready = json.loads(line)
        self.url = ready["url"]
        self.port = int(self.url.rpartition(":")[2])
        self.secret_file = Path(ready["secret_file"])

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal the process and wait for it. Its exit code."""
        assert self.process.stdout is not None
        stop(self.process, gently=number.name.removeprefix("SIG"))
        self.process.stdout.close()
        return self.process.returncode

    def client(self, **options: Any) -> HttpVerifier:
        return HttpVerifier(self.url, load_api_key(self.secret_file), **({"policy": QUICK} | options))

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {load_api_key(self.secret_file)}"}
        with httpx.Client(trust_env=False, headers=headers) as client:
            response = client.request(method, f"{self.url}{path}", json=body)
        assert response.is_success, response.text
        return response.json()

    def issue(self, *natives: Mapping[str, Any], **changes: Any) -> None:
        """The invoices of these settlements, as the settlements state them unless changed."""
        invoices = [
            {
                "code": info["bill_code"],
                "number": info["bill_no"],
                "check_code": info["bill_chk_code"],
                "amount_fen": int(parse_yuan(info["medfee_sumamt"])),
                "hospital_code": info["fixmedins_code"],
            }
            | changes
            for info in (native["setlinfo"] for native in natives)
        ]
        self.call("POST", "/v1/invoices", {"invoices": invoices})

    def cancel(self, native: Mapping[str, Any]) -> None:
        info = native["setlinfo"]
        self.call("POST", "/v1/invoices:red", {"code": info["bill_code"], "number": info["bill_no"]})

    def faults(self, *faults: str) -> None:
        self.call("PUT", "/v1/faults", {"next": faults})

    def answered(self) -> int:
        """How many invoices it was asked about, and answered."""
        return int(self.call("GET", "/v1/counts")["answered"])
