"""What the parties do, each on its own machine: called there by `Machine.call`, with JSON in and out."""

import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from api.cli.demo.players import register_entry
from api.client import Client, wait_until
from api.tls import Identity, client_context
from engine.chain.errors import ChainUnavailable
from engine.chain.transport import HttpChain
from engine.settlement import load_register


def admit(url: str, operator_key: str, code: str, tls_pin: str) -> str:
    """The engine's operator registers a hospital with its node's certificate; the API key issued to it."""
    entry = {**register_entry(load_register().hospitals[code]), "tls_pin": tls_pin}
    with Client(url, operator_key) as operator:
        operator.register_hospital(entry)
        token: str = operator.issue_key("hospital", code)["token"]
    return token


def has_code(chain_url: str, address: str | None = None) -> bool:
    """By an endpoint of one's own: whether a contract stands there, once the endpoint answers."""
    chain = HttpChain(chain_url)

    def answers() -> bool:
        with suppress(ChainUnavailable):
            return bool(chain.request("eth_chainId", []))
        return False

    try:
        wait_until(answers, timeout_s=30)
        return address is not None and chain.request("eth_getCode", [address, "latest"]) != "0x"
    finally:
        chain.close()


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
