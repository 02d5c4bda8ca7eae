"""One real engine behind its HTTP face: embedded chain, SQLite, uvicorn on loopback, a caller a role."""

import copy
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from api.client import Client
from api.http.app import create_app
from api.http.examples import SETTLEMENT
from api.signing import HospitalSigner, generate_key
from engine.pipeline import parties
from engine.pipeline.context import Context
from engine.pipeline.settings import Settings
from engine.settlement.hospitals import Hospital
from engine.store.api_keys import Role
from tests.support.network import trusted

OURS, THEIRS = "H31010100001", "H31010100002"
_numbers = count(1)


class Clock:
    """The machine's time, until it is set ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class World:
    """The engine, its application, and who calls it."""

    def __init__(self, ctx: Context, clock: Clock) -> None:
        self.ctx = ctx
        self.clock = clock
        self.app: FastAPI = create_app(ctx)
        self.url = ""
        self.tokens: dict[str, str] = {}
        self.keys: dict[str, Ed25519PrivateKey] = {}
        for code in (OURS, THEIRS):
            self.keys[code], public = generate_key(os.urandom)
            hospital = Hospital(code, f"Hospital {code}", 3, "310000", "ordinary", ("ordinary",))
            parties.register_hospital(ctx, hospital, f"{code}-1", public)
            self.tokens[code] = self.token(Role.HOSPITAL, code)
        for role in (Role.INSURER, Role.AUDITOR, Role.OPERATOR):
            self.tokens[role] = self.token(role, f"the {role}")

    def token(self, role: Role, principal: str) -> str:
        return parties.issue_key(self.ctx, role, principal)[1]

    def signer(self, code: str = OURS) -> HospitalSigner:
        return HospitalSigner(f"{code}-1", self.keys[code], self.clock)

    def client(self, who: str) -> Client:
        """A typed client as a hospital (by code), "insurer", "auditor", "operator" or "nobody"."""
        signer = self.signer(who) if who in self.keys else None
        return Client(self.url, self.tokens.get(who), signer)

    def http(self, who: str = "nobody") -> httpx.Client:
        """A plain client with that caller's key."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} if who in self.tokens else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=trusted(), trust_env=False)

    def post_settlement(self, native: Mapping[str, Any], key: str, who: str = OURS) -> httpx.Response:
        body = json.dumps(native).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        with self.http(who) as http:
            return http.post("/v1/settlements", content=body, headers=headers, auth=self.signer(who))


def settlement(**setlinfo: Any) -> dict[str, Any]:
    """A valid settlement with a number of its own, settled after those made before it."""
    native, number = copy.deepcopy(SETTLEMENT), next(_numbers)
    at = datetime.fromisoformat(native["setlinfo"]["setl_time"]) + timedelta(seconds=number)
    native["setlinfo"] |= {"setl_id": f"S{number:014}", "setl_time": f"{at:%Y-%m-%d %H:%M:%S}"} | setlinfo
    return native


CALLBACK_SECRET = bytes.fromhex("22" * 32)
_BANK_SECRET = {"api_key": "bank-key", "request_secret": "11" * 32, "callback_secret": CALLBACK_SECRET.hex()}


@contextmanager
def opened(home: Path, **settings: Any) -> Iterator[tuple[Context, Clock]]:
    home.mkdir(exist_ok=True)
    (home / "bank.secret").write_text(json.dumps(_BANK_SECRET))
    clock = Clock()
    ctx = Context.open(Settings(home=home, **settings), clock=clock)
    try:
        yield ctx, clock
    finally:
        ctx.close()


@contextmanager
def serving(app: FastAPI, port: int = 0) -> Iterator[str]:
    """The application on a real socket of the loopback; its base URL."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "uvicorn did not start"
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
