"""A hospital that posts to a running engine at full speed: its requests are made and signed beforehand."""

import os
import uuid
from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Self

import httpx

from api.cli.demo.players import Keys, register_entry
from api.cli.demo.stage import Stage
from api.client import Client, wait_until
from api.signing import HospitalSigner, generate_key
from engine.settlement import load_register
from tests.bench.http_clients import Answers, drive

_LINE_AT_REST_WITHIN_S = 60.0


class Hospital:
    """Registered with a key of its own; the clients that post for it are one further process."""

    def __init__(self, stage: Stage, code: str) -> None:
        self._operator: Client = stage.operator()
        self._url = httpx.URL(stage.url)
        self._token = Keys(stage.home, self._operator).of("hospital", code)
        self._key, public = generate_key(os.urandom)
        self._signer = HospitalSigner(code, self._key, lambda: datetime.now(UTC))
        entry = register_entry(load_register().hospitals[code])
        self._operator.register_hospital({**entry, "public_key": b64encode(public).decode()})
        self._clients = ProcessPoolExecutor(1, get_context("spawn"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._clients.shutdown()
        self._operator.close()

    def key_files(self, folder: Path) -> dict[str, str]:
        """What `autoclaim deliver` is told of its keys."""
        signing, api = folder / "signing.key", folder / "api.key"
        signing.write_text(self._key.private_bytes_raw().hex())
        api.write_text(self._token)
        return {"--key-file": str(signing), "--api-key-file": str(api)}

    def post(self, bodies: Sequence[bytes], clients: int) -> Answers:
        """One request a settlement, `clients` at a time. Raises RuntimeError unless all were accepted."""
        return self._post("/v1/settlements", "application/json", bodies, clients, 202)

    def post_batch(self, bodies: Sequence[bytes]) -> Answers:
        """All in one request."""
        return self._post("/v1/settlements:batch", "application/x-ndjson", [b"\n".join(bodies)], 1, 200)

    def _post(
        self, path: str, media_type: str, bodies: Sequence[bytes], clients: int, expected: int
    ) -> Answers:
        requests = [self._signed(path, media_type, body) for body in bodies]
        host, port = self._url.host, self._url.port or 80
        answers = self._clients.submit(drive, host, port, requests, clients).result()
        if unexpected := set(answers.statuses) - {expected}:
            raise RuntimeError(f"{path} answered {sorted(unexpected)}")
        return answers

    def wait_for_the_line(self) -> None:
        """Until what is behind the intake has come to rest. Raises TimeoutError."""
        wait_until(self._line_is_at_rest, timeout_s=_LINE_AT_REST_WITHIN_S)

    def _line_is_at_rest(self) -> bool:
        return not any(self._operator.totals()["claims"][state] for state in ("accepted", "matched"))

    def _signed(self, path: str, media_type: str, body: bytes) -> bytes:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": media_type,
            "Idempotency-Key": uuid.uuid4().hex,
        }
        request = httpx.Request("POST", self._url.join(path), headers=headers, content=body)
        self._signer.sign(request)
        head = [b"POST %s HTTP/1.1" % request.url.raw_path]
        head += [b"%s: %s" % (name, value) for name, value in request.headers.raw]
        return b"\r\n".join([*head, b"", body])
