"""One hospital of the demo is a party of its own: what it knows of its patients stays in its node, a process
with a database and keys of its own, and of most discharges only a blinded question leaves."""

import base64
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import httpx

from api import certificates
from api.cli.demo.players import Keys, patiently, register_entry
from api.cli.demo.stage import ENGINE, PROVIDER, Stage
from api.cli.processes import Child
from api.client import Client, checked, wait_until
from api.provider.insurer import key_id
from api.signing import HospitalSigner, load_key
from engine.provider.node import signing_key
from engine.provider.states import ON_THE_WAY, DischargeState
from engine.settlement.hospitals import Hospital

HOSPITAL = "H31010400002"
_AT_REST_WITHIN_S = 300.0
_LOOKS_EVERY_S = 0.05
_QUESTION = "/v1/match/evaluations"
_S = DischargeState


class Provider:
    """The hospital and its node. A desk like any hospital's: settlements go to the node, and the reversal of
    one that was released to the engine, signed as all that leaves the node."""

    def __init__(self, stage: Stage, hospital: Hospital) -> None:
        self.hospital = hospital
        self._stage = stage
        self._keys = Keys(stage.home, stage.operator())
        self._key = load_key(signing_key(stage.provider_home, os.urandom))
        self._node: Child | None = None
        signer = HospitalSigner(key_id(hospital.code), self._key, lambda: datetime.now(UTC))
        self._engine = Client(stage.url, self._keys.of("hospital", hospital.code), signer)

    def entry(self) -> dict[str, Any]:
        """What the operator registers: the node's keys in place of a desk's."""
        pin = certificates.describe(certificates.identity(self._stage.tls, PROVIDER).certificate).pin
        public = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()
        code = self.hospital.code
        return register_entry(self.hospital) | {"key_id": key_id(code), "public_key": public, "tls_pin": pin}

    def open(self) -> None:
        """Start the node, for what the insurer's operator admits it to; the roll is out by then."""
        operator, code = self._stage.operator(), self.hospital.code
        offered = patiently(lambda: operator.match_offer(code))
        insurer_key = self._stage.provider_home / f"insurer-{code}.key"
        insurer_key.touch(mode=0o600)
        insurer_key.write_text(self._keys.of("hospital", code))
        self._node = Child(
            "provider node",
            ["api.cli.main", "provider", "serve", "--json"],
            self._stage.home / "provider.log",
            f"{self._stage.provider_url}/healthz",
            {**os.environ, **self._environment(offered)},
        )
        self._stage.keep(self._node)

    def _environment(self, offered: Mapping[str, Any]) -> dict[str, str]:
        engine, own = (certificates.identity(self._stage.tls, name) for name in (ENGINE, PROVIDER))
        settings = {
            "HOME": str(self._stage.provider_home),
            "PORT": str(httpx.URL(self._stage.provider_url).port),
            "HOSPITALS": self.hospital.code,
            "INSURER_URL": self._stage.partner_url,
            "INSURER_TLS_PIN": certificates.describe(engine.certificate).pin,
            "TLS_CERT": str(own.certificate),
            "TLS_KEY": str(own.key),
            "TLS_CA": str(own.ca),
            # The engine's, for there is no other here; in earnest one that the provider trusts.
            "CHAIN_RPC_URL": f"{self._stage.url}/chain/rpc",
            "DEPLOYMENT": str(self._stage.home / "engine" / "deployment.json"),
            "ROLL_DATASET": offered["roll_dataset"],
            "PURPOSES": json.dumps(offered["purposes"]),
        }
        return {f"AUTOCLAIM_PROVIDER_{name}": value for name, value in settings.items()}

    @property
    def pid(self) -> int | None:
        return self._node.pid if self._node else None

    @cached_property
    def _http(self) -> httpx.Client:
        """The hospital's own systems, at their node."""
        headers = {"Authorization": f"Bearer {(self._stage.provider_home / 'provider.key').read_text()}"}
        return httpx.Client(base_url=self._stage.provider_url, headers=headers, timeout=30, trust_env=False)

    def send(self, settlement: Mapping[str, Any], attempt: str) -> dict[str, Any]:
        """Hand one settlement to the node and wait until it rests there: a patient's next comes after it.

        {setl_id, state, reason}; claim_id too, where the engine has one. The node knows a repeat by itself,
        whatever the attempt.
        """
        kept = patiently(lambda: checked(self._http.post("/v1/settlements", json=settlement)).json())
        setl_id = kept["setl_id"]
        path = f"/v1/settlements/{self.hospital.code}/{setl_id}"

        def at_rest() -> dict[str, Any] | None:
            view: dict[str, Any] = patiently(lambda: checked(self._http.get(path)).json())
            return None if view["state"] in ON_THE_WAY else view

        view = wait_until(at_rest, timeout_s=_AT_REST_WITHIN_S, every_s=_LOOKS_EVERY_S)
        if view["state"] != _S.ACCEPTED:
            return view
        return view | {"claim_id": patiently(lambda: self._engine.settlement(setl_id))["claim_id"]}

    def reverse(self, reversal: Mapping[str, Any]) -> dict[str, Any]:
        setl_id = reversal["setl_id"]
        return patiently(lambda: self._engine.reverse(setl_id, reversal, f"{setl_id}-taken-back"))

    def counts(self, claims: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """What stands at the node, in discharges; and what the engine knows of them, in calls and in claims.

        claims: all of the engine's.
        """
        status = patiently(lambda: checked(self._http.get("/v1/status")).json())
        by_state: dict[str, int] = status["discharges"]
        released = by_state[_S.ACCEPTED] + by_state[_S.TURNED_DOWN]
        return {
            "hospital": self.hospital.code,
            "kept": sum(by_state.values()),
            "refused": status["refused"],
            "asked": status["answered"],
            "matched": released + by_state[_S.NO_CONSENT],
            "released": released,
            "accepted": by_state[_S.ACCEPTED],
            "nobodys": by_state[_S.NOBODYS],
            "no_consent": by_state[_S.NO_CONSENT],
            "doubtful": by_state[_S.DOUBTFUL],
            "turned_down": by_state[_S.TURNED_DOWN],
            "alarms": len(status["alarms"]),
            "restarts": self._node.restarts if self._node else 0,
            "engine": {
                "questions": self._questions(),
                "claims": sum(claim["hospital_code"] == self.hospital.code for claim in claims),
            },
        }

    def _questions(self) -> int:
        """That the engine has answered, by its own access log."""
        auditor = Client(self._stage.url, self._keys.of("auditor", "demo auditor"))
        calls = patiently(lambda: list(auditor.access_log()))
        return sum(
            (call["path"], call["status"], call["principal"]) == (_QUESTION, 200, self.hospital.code)
            for call in calls
        )
