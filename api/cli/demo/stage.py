"""The stage: a bank, an invoice platform, an engine, each its own process, and what a crashed run left.

What joins them later, as a provider node does, is kept alive like the engine.
"""

import json
import os
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from api import certificates
from api.cli.demo.players import InvoicePlatform, appointed_witnesses
from api.cli.processes import Child, free_port
from api.cli.serve import bank_process, invoice_process
from api.client import Client
from engine.provider.node import chain_account

_WATCH_S = 0.2
_PORTS = ("engine", "partners", "bank", "invoices", "provider")
ENGINE, PROVIDER = "127.0.0.1", "provider"
"""For whom there are certificates, by their first names."""


class Stage:
    """All processes on loopback, everything they keep under `home`.

    A finished run is cleared away; an interrupted one is taken up again where it stopped. The engine, and
    what is kept beside it, is started again if it dies, as a service manager would.
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
        self.provider_url = f"http://127.0.0.1:{ports['provider']}"
        self.partner_url = f"https://{ENGINE}:{ports['partners']}"
        self.tls = home / "tls"
        certificates.make(self.tls, [[ENGINE], [PROVIDER]], datetime.now(UTC))
        engine_tls = certificates.identity(self.tls, ENGINE)
        self.provider_home = home / "provider"
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
                "AUTOCLAIM_PROVIDERS": chain_account(self.provider_home, os.urandom).address,
                "AUTOCLAIM_PARTNER_PORT": str(ports["partners"]),
                "AUTOCLAIM_PARTNER_TLS_CERT": str(engine_tls.certificate),
                "AUTOCLAIM_PARTNER_TLS_KEY": str(engine_tls.key),
                "AUTOCLAIM_PARTNER_TLS_CA": str(engine_tls.ca),
            },
        )
        self._kept = [self.engine]
        """Started again when they die; those that began last end first."""
        self._leaving = threading.Event()
        self._watch = threading.Thread(target=self._keep_alive, name="watch", daemon=True)

    def _open_run(self, settlements: int) -> bool:
        """Whether an interrupted run of the same size is there to go on with."""
        record = self.home / "run.json"
        if record.exists():
            run = json.loads(record.read_text())
            if run["settlements"] == settlements and not run["finished"] and run.keys() >= set(_PORTS):
                return True
        shutil.rmtree(self.home, ignore_errors=True)
        (self.home / "engine").mkdir(parents=True, mode=0o700)
        ports = {name: free_port() for name in _PORTS}
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
        for process in (*reversed(self._kept), self.invoices, self.bank):
            process.end()

    def keep(self, process: Child) -> None:
        """Start it, and again whenever it dies."""
        process.ensure()
        self._kept.append(process)

    def _keep_alive(self) -> None:
        while not self._leaving.wait(_WATCH_S):
            for process in self._kept:
                if not process.alive:
                    process.ensure()

    def operator(self) -> Client:
        return Client(self.url, (self.home / "engine" / "operator.key").read_text().strip())
