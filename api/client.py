"""A small typed client of the HTTP API, for programs of this repository and as a model for others'.

    ApiError        the engine answered with a problem: .status, .code, .errors, .request_id
    TimeoutError    `wait_until` waited in vain

Transport failures are httpx's own.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

import httpx

from api.signing import HospitalSigner

T = TypeVar("T")
Json = dict[str, Any]
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
_RETRY_AFTER_S = 5
"""Where an answer does not say."""


class ApiError(Exception):
    """An RFC 9457 problem. retry_after_s: where it may pass by itself, when to ask again."""

    def __init__(self, problem: Mapping[str, Any], retry_after_s: int = _RETRY_AFTER_S) -> None:
        self.retry_after_s = retry_after_s
        self.status: int = problem["status"]
        self.code: str = problem["code"]
        self.detail: str = problem["detail"]
        self.request_id: str = problem["request_id"]
        self.errors: list[dict[str, str]] = problem["errors"]
        self.quarantine_id: int | None = problem.get("quarantine_id")
        broken = "".join(f"\n  {e['field']}: {e['message']} [{e['rule']}]" for e in self.errors)
        super().__init__(f"{self.status} {self.code}: {self.detail} (request {self.request_id}){broken}")


class Client:
    """One caller of one engine. Thread-safe as httpx.Client is.

    api_key: `ak_…`, none for the insured. signer: for hospitals. transport: for tests.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        signer: HospitalSigner | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=_TIMEOUT, transport=transport)
        self._signer = signer

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Hospitals

    def post_settlement(self, native: Mapping[str, Any] | bytes, idempotency_key: str | None = None) -> Json:
        """Send one settlement, signed. A fresh key unless one is given for a retry."""
        body = native if isinstance(native, bytes) else _json(native)
        return self._signed("/v1/settlements", body, idempotency_key)

    def post_settlements(self, natives: Iterable[Mapping[str, Any] | bytes]) -> Iterator[Json]:
        """Send many in one signed request; one answer a line, as each is kept."""
        lines = [native if isinstance(native, bytes) else _json(native) for native in natives]
        return self._streamed("/v1/settlements:batch", b"\n".join(lines), "application/x-ndjson")

    def deliver(self, source: str, raw: bytes) -> Iterator[Json]:
        """Deliver bytes of a source's own format, signed: the receipt, a line a record, and the counts."""
        return self._streamed("/v1/deliveries", raw, "application/octet-stream", source=source)

    def reverse(self, setl_id: str, reversal: Mapping[str, Any], idempotency_key: str | None = None) -> Json:
        """Take a settlement back, signed."""
        return self._signed(f"/v1/settlements/{setl_id}/reversal", _json(reversal), idempotency_key)

    def settlement(self, setl_id: str) -> Json:
        return self._get(f"/v1/settlements/{setl_id}")

    def remittance(self, setl_id: str) -> bytes:
        """What came of it, as X12 835."""
        return checked(self._http.get(f"/v1/settlements/{setl_id}/remittance")).content

    # Insurers

    def load_product(self, yaml: bytes) -> Json:
        return self._post("/v1/products", content=yaml, content_type="application/yaml")

    def load_policies(
        self, roll: bytes | Iterable[bytes], content_type: str = "application/x-ndjson"
    ) -> Json:
        """Load a roll, from bytes or streamed; content_type: NDJSON or text/csv."""
        return self._post("/v1/policies", content=roll, content_type=content_type)

    def claims(self, **filters: str) -> Iterator[Json]:
        """All claims that match state, hospital, product; page by page."""
        return self._pages("/v1/claims", filters)

    def claim(self, claim_id: str) -> Json:
        return self._get(f"/v1/claims/{claim_id}")

    def decide(self, claim_id: str, action: str, reason: str, payable_fen: int | None = None) -> Json:
        """action: pay (with payable_fen), refuse or readjudicate."""
        ruling = {"action": action, "reason": reason, "payable_fen": payable_fen}
        decided: Json = self._post_json(f"/v1/claims/{claim_id}/decision", ruling)
        return decided

    def payouts(self, **filters: str) -> Iterator[Json]:
        return self._pages("/v1/payouts", filters)

    def prepare_authorization(self, policy_no: str, insured: str) -> Json:
        """{authorization_id, consent_text, typed_data to sign}; insured: 0x address."""
        return self._post_json("/v1/authorizations:prepare", {"policy_no": policy_no, "insured": insured})

    # The insured

    def grant(self, signed: Sequence[tuple[str, str]]) -> list[Json]:
        """Record signed authorizations, (authorization_id, signature 0x…) each, in one transaction."""
        body = [{"authorization_id": id_, "signature": signature} for id_, signature in signed]
        recorded: list[Json] = checked(self._http.post("/v1/authorizations", json=body)).json()
        return recorded

    def authorization(self, authorization_id: str) -> Json:
        return self._get(f"/v1/authorizations/{authorization_id}")

    def revocation_to_sign(self, authorization_id: str) -> Json:
        return self._get(f"/v1/authorizations/{authorization_id}/revocation")

    def revoke(self, authorization_id: str, deadline: int, signature: str) -> Json:
        body = {"deadline": deadline, "signature": signature}
        return self._post_json(f"/v1/authorizations/{authorization_id}/revocation", body)

    # Auditors

    def evidence(self, claim_key: str) -> bytes:
        return checked(self._http.get(f"/v1/evidence/{claim_key}")).content

    def verify(self, bundle: bytes) -> Json:
        return self._post("/v1/evidence:verify", content=bundle, content_type="application/json")

    def chain_events(self, **filters: str) -> Json:
        return self._get("/v1/chain/events", filters)

    def access_log(self, after: int = 0) -> Iterator[Json]:
        """Entries with seq > `after`, in order."""
        return self._pages("/v1/audit/log", {"after": after, "limit": 500})

    def checkpoint(self) -> Json:
        """{latest on chain, proposal to sign or None}."""
        return self._get("/v1/audit/checkpoint")

    def sign_checkpoint(self, size: int, signer: str, signature: str) -> Json:
        body = {"size": size, "signer": signer, "signature": signature}
        signed: Json = self._post_json("/v1/audit/checkpoint/signatures", body)
        return signed

    # Operators

    def issue_key(self, role: str, principal: str) -> Json:
        return self._post_json("/v1/keys", {"role": role, "principal": principal})

    def revoke_key(self, key_id: str) -> None:
        checked(self._http.delete(f"/v1/keys/{key_id}"))

    def register_hospital(self, entry: Mapping[str, Any]) -> Json:
        return self._post_json("/v1/hospitals", entry)

    def revoke_for(self, authorization_id: str) -> Json:
        """Withdraw consent for somebody who did so on paper."""
        revoked: Json = self._post_json(f"/v1/authorizations/{authorization_id}:revoke", None)
        return revoked

    def trigger(self, tx_hash: str, log_index: int) -> Json:
        """Have one chain event handled again."""
        answer: Json = self._post_json(f"/v1/chain/events/{tx_hash}/{log_index}:trigger", None)
        return answer

    def erase_person(self, cert_type: str, cert_no: str) -> Json:
        """For good. How much was erased."""
        erased: Json = self._post_json("/v1/persons:erase", {"cert_type": cert_type, "cert_no": cert_no})
        return erased

    def match_epochs(self) -> Json:
        """{protocol, suite, dataset, publishing, items: each epoch with its updates}."""
        return self._get("/v1/match/epochs")

    def match_offer(self, hospital_code: str) -> Json:
        """What the hospital's provider node has to be told."""
        return checked(self._http.put(f"/v1/match/offers/{hospital_code}")).json()  # type: ignore[no-any-return]

    def appoint_provider(self, address: str) -> Json:
        """{address, not_before}: null once it is appointed, else when to ask again."""
        return checked(self._http.put(f"/v1/match/providers/{address}")).json()  # type: ignore[no-any-return]

    def publish_roll(self) -> list[Json]:
        """What has changed, for private matching; returns when it is done, however long it takes."""
        published: list[Json] = checked(self._http.post("/v1/match/updates", timeout=None)).json()["items"]
        return published

    def rotate_roll(self) -> Json:
        """The next epoch and the whole roll under it; returns when it is done, however long it takes."""
        published: Json = checked(self._http.post("/v1/match/epochs", timeout=None)).json()
        return published

    def withdraw_epoch(self, epoch: int) -> None:
        checked(self._http.delete(f"/v1/match/epochs/{epoch}"))

    def demand_disclosure(self, claim_id: str) -> Json:
        """Want the settlement of a claim that its provider withholds."""
        demanded: Json = checked(self._http.post(f"/v1/match/disclosures/{claim_id}")).json()
        return demanded

    def sample_disclosures(self, one_in: int) -> Json:
        """Want about one in so many of all that are withheld: how many those are, and which were drawn."""
        drawn: Json = checked(self._http.post("/v1/match/disclosures:sample", json={"one_in": one_in})).json()
        return drawn

    def match_alarms(self) -> list[Json]:
        alarms: list[Json] = self._get("/v1/match/alarms")["items"]
        return alarms

    def open_match_task(self, order: Mapping[str, Any]) -> Json:
        """order: provider, hospitals, product, from, until, most, engine. The same again is the same task."""
        opened: Json = self._post_json("/v1/matching/tasks", dict(order))
        return opened

    def match_tasks(self) -> list[Json]:
        """The newest first."""
        tasks: list[Json] = self._get("/v1/matching/tasks")["items"]
        return tasks

    def match_task(self, task_id: str) -> Json:
        return self._get(f"/v1/matching/tasks/{task_id}")

    def cancel_match_task(self, task_id: str) -> Json:
        """One that no node is at."""
        cancelled: Json = checked(self._http.post(f"/v1/matching/tasks/{task_id}:cancel")).json()
        return cancelled

    def resolve_match_task(self, task_id: str, digest: str | None) -> Json:
        """The arbiter's word on a disputed one: which committed digest is right; None: neither."""
        resolved: Json = self._post_json(f"/v1/matching/tasks/{task_id}:resolve", {"digest": digest})
        return resolved

    def retention(self) -> Json:
        return self._get("/v1/retention")

    def totals(self) -> Json:
        return self._get("/v1/totals")

    def _streamed(self, path: str, body: bytes, content_type: str, **query: str) -> Iterator[Json]:
        """A signed POST that is answered line by line."""
        headers = {"Content-Type": content_type}
        with self._http.stream(
            "POST", path, params=query, content=body, headers=headers, auth=self._signing()
        ) as response:
            if response.is_error:
                response.read()
            checked(response)
            for line in response.iter_lines():
                yield json.loads(line)

    def _signed(self, path: str, body: bytes, idempotency_key: str | None) -> Json:
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": idempotency_key or uuid.uuid4().hex,
        }
        answer: Json = checked(
            self._http.post(path, content=body, headers=headers, auth=self._signing())
        ).json()
        return answer

    def _signing(self) -> HospitalSigner:
        if self._signer is None:
            raise ValueError("signer: a hospital's client signs what it posts")
        return self._signer

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Json:
        answer: Json = checked(self._http.get(path, params=query)).json()
        return answer

    def _post(self, path: str, *, content: bytes | Iterable[bytes], content_type: str) -> Json:
        headers = {"Content-Type": content_type}
        answer: Json = checked(self._http.post(path, content=content, headers=headers)).json()
        return answer

    def _post_json(self, path: str, body: Any) -> Json:
        answer: Json = checked(self._http.post(path, json=body)).json()
        return answer

    def _pages(self, path: str, query: Mapping[str, Any]) -> Iterator[Json]:
        cursor: dict[str, Any] = {}
        while True:
            page = self._get(path, {**query, **cursor})
            yield from page["items"]
            if page["next"] is None:
                return
            cursor = {"after": page["next"]}


def wait_until(ask: Callable[[], T | None], *, timeout_s: float, every_s: float = 0.1) -> T:
    """Ask until the answer is true in the sense of `if`. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s} s")
        time.sleep(every_s)
    return answer


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def checked(response: httpx.Response) -> httpx.Response:
    """Raises ApiError for a problem."""
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        raise ApiError(response.json(), int(response.headers.get("retry-after", _RETRY_AFTER_S)))
    return response.raise_for_status()
