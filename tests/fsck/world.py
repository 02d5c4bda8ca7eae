"""A small world that agrees with itself: a real embedded chain, a real sandbox bank, a migrated database.

Ten settlements, one for each way a claim can end. Row n of settlement and claim is the nth name of
CLAIMS; `clm_<name>` is its claim, `po_<name>` its payout.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import rfc8785
from sqlmodel import SQLModel

from engine.chain.backend import ChainSpec
from engine.chain.client import EMBEDDED_CHAIN_ID, ChainClient
from engine.chain.contracts import Confirmation, Result
from engine.chain.eip712 import NOBODY
from engine.chain.embedded import EmbeddedChain
from engine.chain.events import ChainEvent
from engine.chain.rpc import ReadOnlyRpc
from engine.payout.port import TransferResult
from engine.store import access_log, tables
from engine.store.database import Database
from tests.chain.world import Clock, Consent, opened, settings, word
from tests.payout.bank_process import BankProcess, eventually, final, order

CLAIMS = (
    *("confirmed", "other", "returned", "recovered", "reversed", "again", "nothing", "revoked"),
    *("topped", "covered"),
)
AMOUNT_FEN = {name: 100_000 + 1_111 * row for row, name in enumerate(CLAIMS, start=1)}
TERMS: dict[str, Any] = {"product": "huhuibao", "edition": "2024", "deductible_fen": 1_600_000}
FIRST_FEN = {"topped": 70_007, "covered": 130_013}
"""Paid on a version that was superseded since. TOO_MUCH_FEN: of it, what the next one does not pay."""
TOO_MUCH_FEN = 30_000
REFUSES, RETURNS = "6222020200000000014", "6222020200000000022"
"""Payee accounts at which the bank refuses a transfer, and returns it."""
_TO_CONFIRMED = ("accepted", "matched", "decided", "recorded", "paid", "confirmed")
WAYS: dict[str, tuple[str, ...]] = {
    "confirmed": _TO_CONFIRMED,
    "other": _TO_CONFIRMED,
    "returned": (*_TO_CONFIRMED, "returned"),
    "recovered": (*_TO_CONFIRMED, "recovery_due"),
    "reversed": ("accepted", "matched", "decided", "recorded", "reversed"),
    "again": ("accepted", "matched", "decided", "recorded", "review", *_TO_CONFIRMED),
    "nothing": ("accepted", "matched", "nothing"),
    "revoked": _TO_CONFIRMED,
    "topped": (*_TO_CONFIRMED, *_TO_CONFIRMED[1:]),
    "covered": (*_TO_CONFIRMED, "matched", "decided", "covered"),
}
PAID = ("confirmed", "other", "returned", "recovered", "again", "revoked", "topped")
"""A payout of the present version was made."""
VERSION = {"again": 2, "topped": 2, "covered": 2}
PAYABLE_FEN = {
    **AMOUNT_FEN,
    "topped": FIRST_FEN["topped"] + AMOUNT_FEN["topped"],
    "covered": FIRST_FEN["covered"] - TOO_MUCH_FEN,
}


def hex32(value: bytes) -> str:
    return "0x" + value.hex()


def digest(document: Any) -> bytes:
    return hashlib.sha256(rfc8785.dumps(document)).digest()


@dataclass(frozen=True)
class Built:
    """The home, and what the database has to hold. `rows` makes new row objects at each call."""

    home: Path
    results: dict[str, Result]
    payout_digests: dict[tuple[str, int], bytes]
    """By claim and version."""
    events: list[ChainEvent]
    answers: dict[str, TransferResult]

    def fill(self, url: str) -> None:
        """A migrated database with this world's rows."""
        database = Database(url)
        try:
            database.migrate()
            for rows in (self._standing_rows(), self._settlement_rows(), self._claim_rows()):
                with database.transaction() as session:
                    session.add_all(rows)
            with database.transaction() as session:
                session.add_all([row for name in CLAIMS for row in self._history_rows(name)])
                for number in range(5):
                    access_log.append(session, _call(number))
        finally:
            database.close()

    def key(self, name: str) -> str:
        return hex32(self.results[name].claim_key)

    def recorded(self, claim: str, version: int) -> ChainEvent:
        return self.event("ResultRecorded" if version == 1 else "ResultSuperseded", claim, version)

    def event(self, event_name: str, claim: str, version: int | None = None) -> ChainEvent:
        return next(
            e
            for e in self.events
            if (e.name, e.args.get("claimKey")) == (event_name, self.key(claim))
            and version in (None, e.args.get("version", 1))
        )

    def _standing_rows(self) -> list[SQLModel]:
        opened_task = next(e for e in self.events if e.name == "TaskOpened")
        return [
            tables.Hospital(code="H1", name="H1", grade=3, area="310000", kind="ordinary", wards=[]),
            tables.Policy(
                policy_no="P1",
                product=TERMS["product"],
                edition=TERMS["edition"],
                effective=date(2024, 1, 1),
                expires=date(2030, 1, 1),
                pseudonym="p",
                coverage_digest="",
                coverage_sealed=b"",
                salts_sealed=b"",
                loaded_at=_now(),
            ),
            tables.Product(
                product=TERMS["product"],
                edition=TERMS["edition"],
                digest=digest(TERMS).hex(),
                document=TERMS,
                loaded_at=_now(),
            ),
            tables.ProcessingTask(
                task_id=opened_task.args["taskId"],
                product=TERMS["product"],
                day=date(2026, 1, 1),
                terms_root=opened_task.args["termsDigest"],
                terms_register=[],
                running=True,
            ),
            tables.ConsentText(digest="0x00", text="…"),
        ]

    def _settlement_rows(self) -> list[SQLModel]:
        granted = {e.args["id"]: e for e in self.events if e.name == "AuthorizationGranted"}
        rows: list[SQLModel] = [_settlement(row, name) for row, name in enumerate(CLAIMS, start=1)]
        for name in CLAIMS:
            event = granted[hex32(self.results[name].authorization_id)]
            rows.append(
                tables.Authorization(
                    authorization_id=event.args["id"],
                    pseudonym="p",
                    subject=event.args["subject"],
                    scope=event.args["scope"],
                    product=TERMS["product"],
                    consent_digest=event.args["consentDigest"],
                    text_digest="0x00",
                    insured=event.args["insured"],
                    guardian=NOBODY,
                    expires_s=event.args["expires"],
                    nonce=0,
                    deadline_s=0,
                    signature="0x",
                    salts_sealed=b"",
                    state="revoked" if name == "revoked" else "granted",
                    received_at=_now(),
                )
            )
        return rows

    def _claim_rows(self) -> list[SQLModel]:
        rows: list[SQLModel] = []
        for row, name in enumerate(CLAIMS, start=1):
            claim = claim_row(row, name, WAYS[name][-1])
            result = self.results[name]
            claim.claim_key, claim.result_digest = self.key(name), hex32(result.result_digest)
            claim.authorization_id = hex32(result.authorization_id)
            claim.version = VERSION.get(name, 1)
            claim.recovery_fen = {"covered": TOO_MUCH_FEN, "recovered": AMOUNT_FEN[name]}.get(name, 0)
            if name != "nothing":
                recorded = self.recorded(name, VERSION.get(name, 1))
                claim.record_tx, claim.task_id = recorded.tx_hash, recorded.args["taskId"]
            if name in ("recovered", "reversed"):
                claim.reverse_tx = self.event("ResultReversed", name).tx_hash
                rows.append(reversal_row(row))
            rows.append(claim)
        return rows

    def _history_rows(self, name: str) -> list[SQLModel]:
        row = CLAIMS.index(name) + 1
        rows: list[SQLModel] = list(transition_rows(row, WAYS[name]))
        if name == "again":
            rows.append(self.payout_row(name, 1, "refused"))
        if name in FIRST_FEN:
            rows.append(self.payout_row(name, 1, "confirmed"))
        if name == "reversed":
            rows.append(self.payout_row(name, 1, "cancelled"))
        if name in PAID:
            state = "returned" if name == "returned" else "confirmed"
            rows.append(self.payout_row(name, VERSION.get(name, 1), state))
        return rows

    def payout_row(self, name: str, version: int, state: str) -> tables.Payout:
        trigger = self.recorded(name, version)
        row = CLAIMS.index(name) + 1
        present = version == VERSION.get(name, 1)
        payout = tables.Payout(
            payout_id=f"po_{name}" if present else f"po_{name}_{version}",
            claim_id=row,
            policy_id=1,
            settlement_id=row,
            version=version,
            amount_fen=AMOUNT_FEN[name] if present or name not in FIRST_FEN else FIRST_FEN[name],
            state=state,
            trigger_tx=trigger.tx_hash,
            trigger_block=trigger.block_number,
            trigger_log_index=trigger.log_index,
            order_sealed=b"",
            order_digest="",
            created_at=_now(),
        )
        answer = self.answers.get(payout.payout_id)
        payout.bank_ref = answer.bank_ref if answer else None
        if (name, version) in self.payout_digests:
            payout.payout_digest = hex32(self.payout_digests[name, version])
            payout.confirm_tx = self.event("PayoutConfirmed", name, version).tx_hash
        return payout


def build(home: Path) -> Built:
    """Chain, bank and SQLite database of one world; the chain's file and the bank are closed again."""
    home.mkdir()
    bank = BankProcess(home, "--settle-after-ms", "1")
    try:
        answers = _pay(bank)
    finally:
        bank.end()
    shutil.copy(bank.ready["secret_file"], home / "bank.secret")
    with opened(settings(home, Clock(_now()))) as client:
        client.deploy_or_load(home / "deployment.json")
        results, payout_digests = _record(client)
        events = client.events(client.deployment.block, client.block_number())
    built = Built(home, results, payout_digests, events, answers)
    built.fill(f"sqlite:///{home / 'engine.db'}")
    return built


def _pay(bank: BankProcess) -> dict[str, TransferResult]:
    bank.faults(
        {"fault": "refuse", "payee_account": REFUSES},
        {"fault": "return_payment", "payee_account": RETURNS, "delay_ms": 0},
    )
    with bank.client() as client:
        orders = [order(f"po_{name}", AMOUNT_FEN[name]) for name in PAID if name != "returned"]
        orders += [order(f"po_{name}_1", first) for name, first in FIRST_FEN.items()]
        orders.append(order("po_returned", AMOUNT_FEN["returned"], payee_account=RETURNS))
        orders.append(order("po_again_1", AMOUNT_FEN["again"], payee_account=REFUSES))
        client.submit_many(orders)
        answers = {o.payout_id: final(client, o.payout_id) for o in orders}
        # Settled is final, until the bank returns it.
        answers["po_returned"] = eventually(
            lambda: client.query("po_returned"), lambda answer: answer.status == "returned"
        )
        return answers


def _record(client: ChainClient) -> tuple[dict[str, Result], dict[tuple[str, int], bytes]]:
    dataset = digest({"dataset": "terms", "product": TERMS["product"], "edition": TERMS["edition"]})
    client.catalog.register(dataset, 1, [word()])
    client.catalog.publish_version(dataset, word(), digest(TERMS))
    consent = Consent(client)
    results = dict(zip(CLAIMS, consent.results(len(CLAIMS)), strict=True))
    store = client.results
    store.record_batch(consent.task, [results[name] for name in CLAIMS if name != "nothing"])
    payout_digests = {(name, 1): word() for name in FIRST_FEN}
    _confirm(client, results, payout_digests)
    for name in VERSION:
        first = results[name]
        results[name] = Result(first.claim_key, word(), first.authorization_id, first.subject)
    store.supersede_batch(consent.task, [results[name] for name in VERSION])
    present = {(name, VERSION.get(name, 1)): word() for name in PAID}
    _confirm(client, results, present)
    payout_digests |= present
    for name in ("recovered", "reversed"):
        store.reverse(results[name].claim_key, VERSION.get(name, 1), word())
    client.registry.revoke_for(results["revoked"].authorization_id)
    return results, payout_digests


def _confirm(client: ChainClient, results: dict[str, Result], paid: dict[tuple[str, int], bytes]) -> None:
    client.results.confirm_payouts(
        [
            Confirmation(results[name].claim_key, version, payout_digest)
            for (name, version), payout_digest in paid.items()
        ]
    )


@contextmanager
def reopened(home: Path) -> Iterator[ChainClient]:
    """The chain of a (copied) home, to write to."""
    with opened(settings(home, Clock(_now()))) as client:
        client.deploy_or_load(home / "deployment.json")
        yield client


@contextmanager
def chain_file(home: Path) -> Iterator[EmbeddedChain]:
    chain = EmbeddedChain(
        home / "chain.db", ChainSpec(EMBEDDED_CHAIN_ID), lambda: datetime.now(UTC).timestamp()
    )
    try:
        yield chain
    finally:
        chain.close()


def read_only(chain: EmbeddedChain) -> ReadOnlyRpc:
    return ReadOnlyRpc(chain)


def claim_row(row: int, name: str, state: str) -> tables.Claim:
    return tables.Claim(
        id=row,
        claim_id=f"clm_{name}",
        settlement_id=row,
        hospital_code="H1",
        state=state,
        policy_id=1,
        payable_fen=PAYABLE_FEN.get(name, 0),
        salts_sealed=b"",
        created_at=_now(),
        updated_at=_now(),
    )


def transition_rows(claim: int, way: tuple[str, ...]) -> Iterator[tables.ClaimTransition]:
    for before, after in zip((None, *way), way, strict=False):
        yield tables.ClaimTransition(
            claim_id=claim, from_state=before, to_state=after, actor="test", reason="", at=_now()
        )


def reversal_row(settlement: int) -> tables.Reversal:
    return tables.Reversal(settlement_id=settlement, body_sealed=b"", reason_digest="0x", received_at=_now())


def _settlement(row: int, name: str) -> tables.Settlement:
    return tables.Settlement(
        id=row,
        hospital_code="H1",
        setl_id=f"S{row}",
        reference=str(row),
        content_digest=name,
        body_sealed=b"",
        document_sealed=b"",
        admitted_on=date(2026, 1, 1),
        discharged_on=date(2026, 1, 2),
        settled_at=_now(),
        received_at=_now(),
    )


def _call(number: int) -> access_log.Call:
    return access_log.Call(
        at=_now(),
        request_id=f"r{number}",
        key_id=None,
        role="auditor",
        principal="审计",
        method="GET",
        path="/v1/claims",
        status=200,
        remote="127.0.0.1",
    )


def _now() -> datetime:
    return datetime.now(UTC)
