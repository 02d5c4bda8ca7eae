"""Accepted means kept: an engine killed while many post to it holds every settlement that it acknowledged."""

import os
import signal
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from api.cli.demo.players import Keys, register_entry
from api.cli.demo.stage import Stage
from api.client import ApiError, Client, wait_until
from api.signing import HospitalSigner, generate_key
from engine.sandbox.population import PAYING_HOSPITALS, generate
from engine.settlement import load_register

HOSPITAL = PAYING_HOSPITALS[0]
POSTERS, BEFORE_EACH_KILL, KILLS = 8, 60, 1


def bodies() -> Iterator[dict[str, Any]]:
    for discharge in generate(40, 1_000_000).settlements():
        if discharge.outcome in ("paid", "nothing"):
            discharge.body["setlinfo"]["fixmedins_code"] = HOSPITAL
            yield discharge.body


class Posters:
    """Hospital systems that post without a pause, and remember what they were told."""

    def __init__(self, stage: Stage) -> None:
        key, public = generate_key(os.urandom)
        entry = register_entry(load_register().hospitals[HOSPITAL])
        with stage.operator() as operator:
            token = Keys(stage.home, operator).of("hospital", HOSPITAL)
            operator.register_hospital({**entry, "public_key": b64encode(public).decode()})
        self.client = Client(stage.url, token, HospitalSigner(HOSPITAL, key, lambda: datetime.now(UTC)))
        self.acknowledged: dict[str, str] = {}
        self._bodies, self._lock = bodies(), threading.Lock()
        self.enough = threading.Event()

    def post_on(self) -> None:
        while not self.enough.is_set():
            with self._lock:
                native = next(self._bodies)
            try:
                accepted = self.client.post_settlement(native)
            except (httpx.TransportError, ApiError):
                continue  # not acknowledged: it may be kept or not
            self.acknowledged[accepted["setl_id"]] = accepted["claim_id"]


def test_what_was_acknowledged_is_there_after_kill_9_under_load(tmp_path: Path) -> None:
    with Stage(tmp_path / "run", 1) as stage, ThreadPoolExecutor(POSTERS) as pool:
        posters = Posters(stage)
        working = [pool.submit(posters.post_on) for _ in range(POSTERS)]
        for kill in range(1, KILLS + 1):
            wait_until(lambda kill=kill: len(posters.acknowledged) >= kill * BEFORE_EACH_KILL, timeout_s=120)
            killed = stage.engine.pid
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda killed=killed: stage.engine.pid != killed and stage.engine.alive, timeout_s=60)
        wait_until(lambda: len(posters.acknowledged) >= (KILLS + 1) * BEFORE_EACH_KILL, timeout_s=120)
        posters.enough.set()
        for one in working:
            one.result()
        kept = {setl_id: posters.client.settlement(setl_id)["claim_id"] for setl_id in posters.acknowledged}
        posters.client.close()
    assert kept == posters.acknowledged
