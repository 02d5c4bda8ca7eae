"""A real engine on a home of its own: embedded chain, sandbox bank, invented people who have consented.

Making such a home takes seconds, so it is made once (`build_home`) and copied for every test.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from sqlalchemy import select as select_rows
from sqlalchemy import text
from sqlmodel import Session, SQLModel, col, insert, select

from engine.chain.keys import RoleKeys
from engine.payout.port import TransferResult, TransferStatus
from engine.pipeline import (
    claims,
    consent,
    decide,
    enrolment,
    feed,
    intake,
    match,
    parties,
    pay,
    record,
    reversal,
)
from engine.pipeline.context import Context
from engine.pipeline.settings import Settings
from engine.sandbox import people
from engine.sandbox.discharges import Stay
from engine.sandbox.discharges import settlement as native_settlement
from engine.sandbox.population import PAYING_HOSPITALS, SEED
from engine.settlement import load_register
from engine.store import tables
from engine.store.database import Database
from tests.payout.bank_process import BankProcess
from tests.support.process import REPOSITORY

EDITION = 2024
OURS, THEIRS = PAYING_HOSPITALS[:2]
PEOPLE = 45
"""How many are insured and have consented, from index 0."""
BEGINS, ENDS = date(2024, 7, 1), date(2025, 6, 30)
DEDUCTIBLE_FEN, RATIO_PERCENT = 1_200_000, 70
"""Of the 2024 edition, without renewals and without a pre-existing condition."""


class Clock:
    """The machine's time, until it is set ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def person(index: int) -> people.Person:
    return replace(people.person(SEED, index), editions=(EDITION,), pre_existing=())


def policy(index: int, **changes: Any) -> dict[str, Any]:
    """The coverage document of that person; the same terms for everybody."""
    return {
        **people.policy(person(index), EDITION),
        "effective": BEGINS.isoformat(),
        "expires": ENDS.isoformat(),
        "continuous_years": 0,
        "claim_free_years": 0,
        "renewed": False,
    } | changes


def policy_no(index: int) -> str:
    return people.policy_no(person(index), EDITION)


def wording(number: int, known_from: date = date(2024, 5, 20), changes: Mapping[str, str] = {}) -> bytes:
    """The edition's product file as its version of that number, with other text in place of what is named."""
    source = REPOSITORY / "seeds" / "products" / f"huhuibao-{EDITION}.yaml"
    text = source.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    version = f"version: {{number: {number}, holds_from: 2024-06-01, known_from: {known_from}}}"
    return text.replace("\norder_by:", f"\n{version}\norder_by:", 1).encode()


def wallet(index: int) -> Any:
    return Account.from_key(index.to_bytes(31, "big") + b"\x01")


def signed(index: int, typed_data: Mapping[str, Any]) -> str:
    return signed_with(wallet(index), typed_data)


def signed_with(key: Any, typed_data: Mapping[str, Any]) -> str:
    signature = key.sign_message(encode_typed_data(full_message=dict(typed_data))).signature
    return "0x" + bytes(signature).hex()


def enrol(ctx: Context, indexes: range) -> None:
    """Load these people's policies and have their consent recorded."""
    lines = [json.dumps(policy(index)).encode() + b"\n" for index in indexes]
    assert enrolment.load_policies(ctx, lines, "ndjson").loaded == len(indexes)
    prepared = [
        consent.prepare_authorization(ctx, policy_no(index), wallet(index).address) for index in indexes
    ]
    consent.grant_authorizations(
        ctx,
        [
            (one["authorization_id"], signed(index, one["typed_data"]))
            for index, one in zip(indexes, prepared, strict=True)
        ],
    )


def build_home(home: Path, bank: BankProcess, people_count: int = PEOPLE, **settings: Any) -> None:
    """Two hospitals, one product, `people_count` people; closed again when this returns."""
    home.mkdir()
    (home / "passphrase").write_text("correct horse")
    # What costs 40 ms a key at every opening guards nothing here.
    RoleKeys.load_or_create(home / "keys", "correct horse", scrypt_n=2)
    shutil.copy(bank.ready["secret_file"], home / "bank.secret")
    ctx = Context.open(Settings(home=home, bank_url=bank.url, **settings), clock=Clock())
    try:
        register = load_register().hospitals
        for code in (OURS, THEIRS):
            parties.register_hospital(ctx, register[code], None, None)
        enrolment.load_product(ctx, wording(1), f"huhuibao-{EDITION}.yaml")
        enrol(ctx, range(people_count))
    finally:
        ctx.close()


def copy_rows(home: Path, url: str) -> None:
    """Bring a built home's rows into another database, which gets its schema first."""
    source, target = Database(f"sqlite:///{home / 'engine.db'}"), Database(url)
    target.migrate()
    with source.reading() as reading, target.transaction() as writing:
        for table in SQLModel.metadata.sorted_tables:
            rows = [dict(row._mapping) for row in reading.execute(select_rows(table)).all()]
            if rows:
                writing.execute(insert(table), rows)
        # The rows brought their own numbers, of which the new database's counters know nothing.
        counter = "setval(pg_get_serial_sequence('policy', 'id'), (SELECT max(id) FROM policy))"
        writing.execute(text(f"SELECT {counter}"))
    source.close()
    target.close()


class World:
    """The engine's steps under short names, and what came of them."""

    def __init__(self, ctx: Context, clock: Clock, bank: BankProcess, first_number: int) -> None:
        self.ctx = ctx
        self.clock = clock
        self.bank = bank
        self._numbers = count(first_number)

    # Settlements

    def native(
        self,
        index: int = 0,
        *,
        admitted: date = date(2024, 9, 2),
        days: int = 7,
        self_paid_fen: int = 3_000_000,
        **stay: Any,
    ) -> dict[str, Any]:
        """A discharge of that person; its own-paid cost is `self_paid_fen` to within what the bill draws."""
        number = next(self._numbers)
        return native_settlement(
            Stay(
                number=number,
                who=stay.pop("who", person(index)),
                hospital=stay.pop("hospital", OURS),
                admitted=admitted,
                days=days,
                self_paid_fen=self_paid_fen,
                **stay,
            ),
            Random(number),
        )

    def send(self, native: Mapping[str, Any], hospital: str = OURS) -> intake.Accepted:
        return intake.accept_settlement(self.ctx, hospital, json.dumps(native).encode())

    def accepted(self, index: int = 0, **stay: Any) -> str:
        """A new claim's id."""
        return self.send(self.native(index, **stay)).claim_id

    def reverse(self, claim_id: str, **changes: Any) -> reversal.Reversed:
        """The hospital takes the claim's settlement back."""
        settlement = self.settlement(claim_id)
        body = {
            "setl_id": settlement.setl_id,
            "fixmedins_code": settlement.hospital_code,
            "reason": "wrong bill",
            "reversed_at": "2025-12-01 09:30:00",
            "biz_sn": "R1",
        } | changes
        return reversal.reverse_settlement(
            self.ctx, settlement.hospital_code, settlement.setl_id, json.dumps(body).encode()
        )

    # Steps

    def batch(self, *claim_ids: str) -> str:
        """These claims, taken as one batch."""
        batch_id = self.ctx.rng(8).hex()
        with self.ctx.database.transaction() as session:
            for claim_id in claim_ids:
                claim = claims.known(session, claim_id)
                claim.batch_id = batch_id
                session.add(claim)
        return batch_id

    def matched(self, *claim_ids: str) -> str:
        batch_id = self.batch(*claim_ids)
        match.match_batch(self.ctx, batch_id)
        return batch_id

    def decided(self, *claim_ids: str) -> str:
        batch_id = self.matched(*claim_ids)
        decide.decide_batch(self.ctx, batch_id)
        return batch_id

    def recorded(self, *claim_ids: str) -> str:
        """On chain, and the chain's event handled: the payouts are due."""
        batch_id = self.decided(*claim_ids)
        record.record_batch(self.ctx, batch_id)
        feed.read_events(self.ctx)
        return batch_id

    def submitted(self, *claim_ids: str) -> str:
        """Sent to the bank; nothing further asked."""
        self.recorded(*claim_ids)
        return self.pay(*claim_ids)

    def pay(self, *claim_ids: str) -> str:
        """Send these claims' due payouts."""
        batch_id = self.payout_batch(*claim_ids)
        pay.submit_batch(self.ctx, batch_id)
        return batch_id

    def payout_batch(self, *claim_ids: str) -> str:
        batch_id = self.ctx.rng(8).hex()
        with self.ctx.database.transaction() as session:
            for claim_id in claim_ids:
                payout = self._payout(session, claim_id)
                payout.batch_id = batch_id
                session.add(payout)
        return batch_id

    def bank_says(self, claim_id: str, status: TransferStatus, reason: str | None = None) -> None:
        """A callback about the claim's newest payout."""
        settled = status in (TransferStatus.SETTLED, TransferStatus.RETURNED)
        payout_id = self.payout(claim_id).payout_id
        result = TransferResult(
            payout_id, status, f"REF-{payout_id}", reason, self.clock() if settled else None
        )
        pay.bank_result(self.ctx, result)

    def settled(self, *claim_ids: str) -> None:
        """Paid, by a bank that answers later."""
        self.submitted(*claim_ids)
        for claim_id in claim_ids:
            self.bank_says(claim_id, TransferStatus.SETTLED)

    def confirm(self) -> None:
        pay.confirm_settled(self.ctx, 100)
        feed.read_events(self.ctx)

    def confirmed(self, *claim_ids: str) -> None:
        self.settled(*claim_ids)
        self.confirm()

    def again(self, claim_id: str) -> None:
        """A person has it run again."""
        claims.decide_claim(self.ctx, claim_id, "readjudicate", "put right", "insurer test")

    def revoke(self, index: int) -> str:
        """The insured withdraws the consent; the authorization's id."""
        prepared = consent.prepare_authorization(self.ctx, policy_no(index), wallet(index).address)
        authorization_id: str = prepared["authorization_id"]
        to_sign = consent.revocation_to_sign(self.ctx, authorization_id)
        signature = signed(index, to_sign["typed_data"])
        consent.revoke_authorization(self.ctx, authorization_id, to_sign["deadline"], signature)
        return authorization_id

    def consent_again(self, index: int) -> None:
        prepared = consent.prepare_authorization(self.ctx, policy_no(index), wallet(index).address)
        signature = signed(index, prepared["typed_data"])
        consent.grant_authorizations(self.ctx, [(prepared["authorization_id"], signature)])

    # What came of it

    def claim(self, claim_id: str) -> tables.Claim:
        with self.ctx.database.reading() as session:
            return claims.known(session, claim_id)

    def state(self, claim_id: str) -> str:
        return self.claim(claim_id).state

    def reasons(self, claim_id: str) -> list[str]:
        return [reason["code"] for reason in self.claim(claim_id).reasons]

    def settlement(self, claim_id: str) -> tables.Settlement:
        with self.ctx.database.reading() as session:
            claim = claims.known(session, claim_id)
            return session.get_one(tables.Settlement, claim.settlement_id)

    def payouts(self, claim_id: str) -> list[tables.Payout]:
        with self.ctx.database.reading() as session:
            query = select(tables.Payout).join(tables.Claim).where(tables.Claim.claim_id == claim_id)
            return list(session.exec(query.order_by(col(tables.Payout.version))).all())

    def payout(self, claim_id: str) -> tables.Payout:
        """The newest."""
        return self.payouts(claim_id)[-1]

    def debits(self, claim_id: str) -> list[int]:
        """What the bank's own book took from the pool for this claim, fen."""
        sql = "SELECT amount_fen FROM postings WHERE kind = 'payment' AND payout_id = ?"
        return [
            amount for payout in self.payouts(claim_id) for (amount,) in self.bank.rows(sql, payout.payout_id)
        ]

    def orders(self, claim_id: str) -> int:
        """How many orders the bank holds for this claim's payouts."""
        sql = "SELECT 1 FROM transfers WHERE payout_id = ?"
        return sum(len(self.bank.rows(sql, payout.payout_id)) for payout in self.payouts(claim_id))

    def _payout(self, session: Session, claim_id: str) -> tables.Payout:
        claim = claims.known(session, claim_id)
        query = select(tables.Payout).where(
            tables.Payout.claim_id == claim.id, tables.Payout.version == claim.version
        )
        return session.exec(query).one()


@contextmanager
def opened(home: Path, bank: BankProcess, first_number: int = 1, **settings: Any) -> Iterator[World]:
    """`first_number`: of the settlements it makes, above those that the home holds."""
    clock = Clock()
    ctx = Context.open(Settings(home=home, bank_url=bank.url, **settings), clock=clock)
    ctx.bank.close()
    ctx.bank = bank.client(clock=clock)
    try:
        yield World(ctx, clock, bank, first_number)
    finally:
        ctx.close()


def payable_fen(own_paid_fen: int, deductible_left_fen: int = DEDUCTIBLE_FEN) -> int:
    """What the 2024 edition pays of an eligible cost, worked out here without the engine."""
    return max(own_paid_fen - deductible_left_fen, 0) * RATIO_PERCENT // 100
