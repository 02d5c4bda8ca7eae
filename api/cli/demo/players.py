"""The players: an insurer, its hospitals and the insured, each through the API with its own keys."""

import base64
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import httpx
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount

from api.client import ApiError, Client
from api.signing import HospitalSigner, load_key
from engine.money import parse_yuan
from engine.settlement.hospitals import Hospital

T = TypeVar("T")
_GRANTS_AT_ONCE = 50
_ISSUED_AT_ONCE = 500
_PATIENCE_S = 60.0
_PAUSE_S = 0.2


def patiently(call: Callable[[], T]) -> T:
    """Repeat a call while the engine is away (it may be killed at any moment). Every call is idempotent."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return call()
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
        except ApiError as error:
            if error.status != 503 or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_S)


class Keys:
    """API keys of the players, issued once a run and kept in its home."""

    def __init__(self, home: Path, operator: Client) -> None:
        self._path = home / "api-keys.json"
        self._operator = operator
        self._tokens: dict[str, str] = json.loads(self._path.read_text()) if self._path.exists() else {}

    def of(self, role: str, principal: str) -> str:
        name = f"{role}/{principal}"
        if name not in self._tokens:
            issued = patiently(lambda: self._operator.issue_key(role, principal))
            self._tokens[name] = issued["token"]
            self._path.touch(mode=0o600)
            self._path.write_text(json.dumps(self._tokens))
        return self._tokens[name]


class HospitalDesk:
    """One hospital's integration: signs every message with its own Ed25519 key."""

    def __init__(self, url: str, hospital: Hospital, token: str) -> None:
        self.hospital = hospital
        self._key = load_key(_secret("hospital", hospital.code))
        signer = HospitalSigner(hospital.code, self._key, lambda: datetime.now(UTC))
        self._client = Client(url, token, signer)

    def entry(self) -> dict[str, Any]:
        """This hospital's entry in the register."""
        return register_entry(self.hospital)

    def send(self, settlement: Mapping[str, Any], attempt: str) -> dict[str, Any]:
        """Post one settlement; the key makes a repeat after a lost answer the same call."""
        key = f"{settlement['setlinfo'].get('setl_id', 'none')}-{attempt}"
        return patiently(lambda: self._client.post_settlement(settlement, key))

    def reverse(self, reversal: Mapping[str, Any]) -> dict[str, Any]:
        setl_id = reversal["setl_id"]
        return patiently(lambda: self._client.reverse(setl_id, reversal, f"{setl_id}-taken-back"))


class InvoicePlatform:
    """Where hospitals have their electronic invoices issued."""

    def __init__(self, url: str, key_file: Path) -> None:
        self._url = url
        self._key_file = key_file

    def issue(self, settlements: Iterable[Mapping[str, Any]]) -> None:
        """The invoices of these settlements; one that is issued already stays as it is."""
        key = json.loads(self._key_file.read_text())["api_key"]
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=self._url, headers=headers, trust_env=False, timeout=30) as client:
            for some in _chunks([_invoice(one["setlinfo"]) for one in settlements], _ISSUED_AT_ONCE):
                client.post("/v1/invoices", json={"invoices": some}).raise_for_status()


def _invoice(setlinfo: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "code": setlinfo["bill_code"],
        "number": setlinfo["bill_no"],
        "check_code": setlinfo["bill_chk_code"],
        "amount_fen": int(parse_yuan(setlinfo["medfee_sumamt"])),
        "hospital_code": setlinfo["fixmedins_code"],
    }


def register_entry(hospital: Hospital) -> dict[str, Any]:
    """What the operator registers of a hospital: its grade and its public key."""
    key = load_key(_secret("hospital", hospital.code))
    return {
        "code": hospital.code,
        "name": hospital.name,
        "grade": hospital.grade,
        "area": hospital.area,
        "kind": hospital.kind,
        "wards": list(hospital.wards),
        "key_id": hospital.code,
        "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode(),
    }


class Insured:
    """An insured person's wallet: signs the consent, and its withdrawal."""

    def __init__(self, cert_no: str) -> None:
        self._account = Account.from_key(_secret("insured", cert_no))

    @property
    def address(self) -> str:
        return str(self._account.address)

    def sign(self, typed_data: Mapping[str, Any]) -> str:
        message = encode_typed_data(full_message=dict(typed_data))
        return "0x" + bytes(self._account.sign_message(message).signature).hex()


WITNESSES = {"auditor": "demo auditor", "hospital": "H31010100001"}
"""Who co-signs checkpoints of the audit log: kind -> principal of its API key."""


def witness_account(kind: str) -> LocalAccount:
    """A witness's own key: the engine never has it."""
    account: LocalAccount = Account.from_key(_secret("witness", WITNESSES[kind]))
    return account


def appointed_witnesses() -> str:
    """What AUTOCLAIM_WITNESSES says of them."""
    return ",".join(f"{kind}:{witness_account(kind).address}" for kind in WITNESSES)


def enrol(insurer: Client, policies: Sequence[Mapping[str, Any]]) -> Iterator[int]:
    """Have everyone sign and the signatures recorded; yields how many are done, batch by batch."""
    done = 0
    for chunk in _chunks(policies, _GRANTS_AT_ONCE):
        signed: dict[str, str] = {}
        for policy in chunk:
            wallet = Insured(policy["person"]["cert_no"])
            prepared = patiently(
                lambda p=policy, w=wallet: insurer.prepare_authorization(p["policy_no"], w.address)  # type: ignore[misc]
            )
            if prepared["state"] == "pending":
                signed[prepared["authorization_id"]] = wallet.sign(prepared["typed_data"])
        if signed:
            patiently(lambda s=signed: insurer.grant(list(s.items())))  # type: ignore[misc]
        done += len(chunk)
        yield done


def withdraw(insurer: Client, policy: Mapping[str, Any]) -> None:
    """The insured of a policy takes the consent back."""
    wallet = Insured(policy["person"]["cert_no"])
    prepared = patiently(lambda: insurer.prepare_authorization(policy["policy_no"], wallet.address))
    if prepared["state"] != "granted":
        return  # withdrawn already, in the part of this run before an interruption
    authorization_id = prepared["authorization_id"]
    to_sign = patiently(lambda: insurer.revocation_to_sign(authorization_id))
    signature = wallet.sign(to_sign["typed_data"])
    patiently(lambda: insurer.revoke(authorization_id, to_sign["deadline"], signature))


def _chunks(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _secret(kind: str, name: str) -> bytes:
    """The players' keys are no secrets: they guard invented people, and a repeated run needs the same."""
    return sha256(f"autoclaim demo/{kind}/{name}".encode()).digest()
