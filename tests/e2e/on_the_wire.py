"""Reaching for another machine: called on one by `Machine.call`, often, so it loads little."""

import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from api.client import wait_until
from api.tls import Identity, client_context


def chain_answers(url: str) -> str:
    """Its id, once it does."""

    def asked() -> str | None:
        question = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
        with suppress(httpx.TransportError):
            answer: str = httpx.post(url, json=question, timeout=5, trust_env=False).json()["result"]
            return answer
        return None

    return wait_until(asked, timeout_s=30)


def ask(url: str, files: list[str], engine_pin: str, token: str) -> dict[str, Any]:
    """A provider's node asks for something over mutual TLS; files: its certificate, its key, the CA."""
    return _told(url, client_context(Identity(*map(Path, files)), lambda pin: pin == engine_pin), token)


def knock(url: str, ca: str | None = None) -> dict[str, Any]:
    """Anyone, with no certificate of their own."""
    return _told(url, ssl.create_default_context(cafile=ca), None)


def _told(url: str, context: ssl.SSLContext, token: str | None) -> dict[str, Any]:
    """{status, code of a problem}, or {refused: how} where no answer came about."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx.Client(verify=context, headers=headers, timeout=10, trust_env=False) as client:
            answer = client.get(url)
    except (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError) as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    return {"status": answer.status_code, "code": answer.json().get("code")}
