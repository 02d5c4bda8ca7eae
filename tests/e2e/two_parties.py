"""What the parties do, each on its own machine: called there by `Machine.call`, with JSON in and out."""

import json
import os
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
from eth_account import Account

from api.cli.demo.players import register_entry
from api.client import Client, wait_until
from api.http.examples import POLICY
from api.provider.insurer import key_id
from api.signing import load_key
from engine.chain import eip712
from engine.provider.node import signing_key
from engine.provider.states import ON_THE_WAY
from engine.settlement import load_register
from tests.support.process import REPOSITORY

PRODUCT = REPOSITORY / "seeds" / "products" / "huhuibao-2024.yaml"
UNDER_WAY = ("matched", "decided", "recorded", "paid")


def admit(url: str, operator_key: str, code: str, node_home: str, tls_pin: str | None) -> str:
    """The engine's operator registers a hospital with its node's keys; the API key issued to it."""
    public = load_key(signing_key(Path(node_home), os.urandom)).public_key().public_bytes_raw()
    entry = register_entry(load_register().hospitals[code])
    entry |= {"key_id": key_id(code), "public_key": b64encode(public).decode(), "tls_pin": tls_pin}
    with Client(url, operator_key) as operator:
        operator.register_hospital(entry)
        token: str = operator.issue_key("hospital", code)["token"]
    return token


def enrol(url: str, operator_key: str) -> str:
    """One insured person, who has consented, on a roll that is published; the roll's dataset."""
    wallet = Account.create()
    with Client(url, operator_key) as operator, Client(url) as person:
        token = operator.issue_key("insurer", "the insurer")["token"]
        with Client(url, token) as insurer:
            insurer.load_product(PRODUCT.read_bytes())
            insurer.load_policies(json.dumps(POLICY).encode())
            prepared = insurer.prepare_authorization(POLICY["policy_no"], wallet.address)
        signature = "0x" + eip712.sign(prepared["typed_data"], wallet).hex()
        person.grant([(prepared["authorization_id"], signature)])
        operator.publish_roll()
        dataset: str = operator.match_epochs()["dataset"]
    return dataset


def discharge(url: str, key: str, natives: list[dict[str, Any]]) -> list[str]:
    """A hospital's own system hands settlements to its node; where each comes to rest there."""
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as node:
        for native in natives:
            node.post("/v1/settlements", json=native).raise_for_status()

        def at_rest(native: dict[str, Any]) -> str | None:
            info = native["setlinfo"]
            path = f"/v1/settlements/{info['fixmedins_code']}/{info['setl_id']}"
            state: str = node.get(path).raise_for_status().json()["state"]
            return None if state in ON_THE_WAY else state

        return [wait_until(lambda native=native: at_rest(native), timeout_s=40) for native in natives]  # type: ignore[misc]


def claims_of(url: str, token: str) -> dict[str, str]:
    """What the engine holds of a hospital once nothing of it is under way: settlement number -> state."""
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as engine:

        def settled() -> dict[str, str] | None:
            items = engine.get("/v1/settlements").raise_for_status().json()["items"]
            held = {item["setl_id"]: item["state"] for item in items}
            return None if set(held.values()) & set(UNDER_WAY) else held

        return wait_until(settled, timeout_s=40)
