"""The stage: a bank, an invoice platform, an engine, each its own process, and what a crashed run left."""

import json
import os
import shutil
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from api.cli.demo.players import InvoicePlatform, appointed_witnesses
from api.cli.processes import Child, free_port
from api.cli.serve import bank_process, invoice_process
from api.client import Client

_WATCH_S = 0.2
_PROCESSES = ("engine", "bank", "invoices")


class Stage:
    """All processes on loopback, everything they keep under `home`.

    A finished run is cleared away; an interrupted one is taken up again where it stopped. The engine
    is started again if it dies, as a service manager would.
    """

    def __init__(self, home: Path, settlements: int) -> None:
        self.home = home
        self.resumed = self._open_run(settlements)
        ports = json.loads((home / "run.json").read_text())
        self.url = f"http://127.0.0.1:{ports['engine']}"
        self.bank_url = f"http://127.0.0.1:{ports['bank']}"
        callback = f"{self.url}/v1/bank/callback"
        self.bank = bank_process(home, ports["bank"], callback, home / "engine" / "bank.secret")
        self.invoice_url = f"http://127.0.0.1:{ports['invoices']}"
        invoice_key = home / "engine" / "invoices.secret"
        self.invoices = invoice_process(home, ports["invoices"], invoice_key)
        self.platform = InvoicePlatform(self.invoice_url, invoice_key)
        self.engine = Child(
            "engine",
            ["api.cli.main", "serve", "--home", str(home / "engine"), "--port", str(ports["engine"])],
            home / "engine.log",
            f"{self.url}/healthz",
            {
                **os.environ,
                "AUTOCLAIM_BANK_URL": self.bank_url,
                "AUTOCLAIM_INVOICE_URL": self.invoice_url,
                "AUTOCLAIM_SANDBOX_BANK_DB": str(home / "bank.db"),
                "AUTOCLAIM_WITNESSES": appointed_witnesses(),
            },
        )
        self._leaving = threading.Event()
        self._watch = threading.Thread(target=self._keep_alive, name="watch", daemon=True)

    def _open_run(self, settlements: int) -> bool:
        """Whether an interrupted run of the same size is there to go on with."""
        record = self.home / "run.json"
        if record.exists():
            run = json.loads(record.read_text())
            if run["settlements"] == settlements and not run["finished"] and run.keys() >= set(_PROCESSES):
                return True
        shutil.rmtree(self.home, ignore_errors=True)
        (self.home / "engine").mkdir(parents=True, mode=0o700)
        ports = {name: free_port() for name in _PROCESSES}
        record.write_text(json.dumps({"settlements": settlements, **ports, "finished": False}))
        return False

    def finish(self) -> None:
        record = self.home / "run.json"
        record.write_text(json.dumps(json.loads(record.read_text()) | {"finished": True}))

    def __enter__(self) -> Self:
        try:
            for process in (self.bank, self.invoices, self.engine):
                process.ensure()
        except BaseException:
            self._end()
            raise
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._watch.join()
        self._end()

    def _end(self) -> None:
        for process in (self.engine, self.invoices, self.bank):
            process.end()

    def _keep_alive(self) -> None:
        while not self._leaving.wait(_WATCH_S):
            if not self.engine.alive:
                self.engine.ensure()

    def operator(self) -> Client:
        return Client(self.url, (self.home / "engine" / "operator.key").read_text().strip())
