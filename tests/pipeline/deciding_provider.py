"""A provider node that decides in its own domain, before a real engine: both in this process, so that either
can be made to lie. What passes between them is turned to bytes and back, as on a wire."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, BinaryIO

from eth_account import Account
from sqlmodel import select

from api.http import withheld as http
from api.http.schemas import withheld as schemas
from api.http.schemas.matching import MatchRelease
from engine.evidence.manifest import hex32, provider_dataset
from engine.matching.voprf import Evaluated
from engine.payout.port import TransferStatus
from engine.pipeline import (
    cases,
    consent,
    decide,
    decisions,
    disclosures,
    feed,
    invoices,
    matching,
    publishing,
    record,
    releases,
    updates,
)
from engine.pipeline.context import Context
from engine.pipeline.sealed import decision
from engine.provider import intake, reports, tables
from engine.provider.chain import ProviderChain
from engine.provider.look_up import look_up_again
from engine.provider.node import Node
from engine.provider.settings import ProviderSettings, Purpose
from engine.provider.wanted import answer_wanted
from engine.provider.worker import advance, due
from tests.pipeline.world import OURS, World
from tests.provider.site import NotOurs

Message = dict[str, Any]


class Wire:
    """The insurer's seam, as a node calls it. `said` holds every message that left the node, as bytes."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.said: list[tuple[str, bytes]] = []
        self.alter: dict[str, Callable[[Message], Message]] = {}
        """By kind of message, or "answer" of a case: a lie, or an exception, on its way."""

    def of(self, kind: str) -> list[Message]:
        return [json.loads(raw) for what, raw in self.said if what == kind]

    @contextmanager
    def update(self, epoch: int, number: int) -> Iterator[BinaryIO]:
        with updates.offered_file(self.ctx, epoch, number).open("rb") as file:
            yield file

    def evaluate(
        self, hospital_code: str, epoch: int, commitment: str, elements: tuple[bytes, ...]
    ) -> Evaluated:
        return matching.ask(self.ctx, matching.Question(hospital_code, epoch, commitment, elements))

    def release(self, hospital_code: str, release: Mapping[str, Any]) -> str:
        said = MatchRelease.model_validate(self._passes("release", release))
        stated = said.model_dump(exclude={"protocol", "mode", "salt", "padding"})
        one = releases.Release(provider=hospital_code, salt=bytes.fromhex(said.salt), **stated)
        return releases.release(self.ctx, one).claim_id

    def case(self, hospital_code: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        said = schemas.MatchCaseQuestion.model_validate(self._passes("case", asked))
        given = cases.give(self.ctx, http.asked_of(hospital_code, said))
        return self._passes("answer", schemas.MatchCase.model_validate(given).model_dump())

    def decision(self, hospital_code: str, release: Mapping[str, Any]) -> str:
        said = schemas.MatchDecision.model_validate(self._passes("decision", release))
        return decisions.release(self.ctx, http.decision_of(hospital_code, said)).claim_id

    def wanted(self, hospital_code: str) -> list[Mapping[str, Any]]:
        return [*disclosures.wanted(self.ctx, hospital_code)]

    def disclose(self, hospital_code: str, disclosure: Mapping[str, Any]) -> None:
        shown = schemas.MatchDisclosure.model_validate(self._passes("disclosure", disclosure))
        disclosures.disclose(self.ctx, http.disclosure_of(hospital_code, shown))

    def _passes(self, kind: str, message: Mapping[str, Any]) -> Message:
        raw = json.dumps(message, ensure_ascii=False).encode()
        if kind != "answer":
            self.said.append((kind, raw))
        return self.alter.get(kind, lambda same: same)(json.loads(raw))

    def close(self) -> None:
        """The engine is the test's."""


class DecidingProvider:
    """Of one hospital, with the roll published for it."""

    def __init__(
        self, world: World, home: Path, modes: Mapping[str, str] = {"huhuibao": "decision"}, **settings: Any
    ) -> None:
        self.world, self.home = world, home
        self.ahead = timedelta()
        ctx = world.ctx
        publishing.publish(ctx)
        recipient = ctx.settings.recipient
        purposes = [
            Purpose(purpose=consent.PURPOSE, recipient=recipient, product=product, mode=mode)
            for product, mode in modes.items()
        ]
        self.settings = ProviderSettings.read(
            home=home,
            hospitals=OURS,
            insurer_url="http://127.0.0.1:1",
            chain_rpc_url="http://127.0.0.1:1",
            deployment=ctx.settings.in_home("deployment.json"),
            roll_dataset=hex32(matching.roll_dataset(recipient)),
            purposes=purposes,
            **settings,
        )
        self.account = Account.from_key(hashlib.sha256(b"the node's").digest())
        ctx.chain.catalog.register_once(
            provider_dataset(self.account.address), 4, [one.scope for one in purposes]
        )
        self.wire = Wire(ctx)
        self._rng = Random(5).randbytes
        self.node = self._open()

    def _open(self) -> Node:
        chain = ProviderChain(NotOurs(self.world.ctx.chain.chain), self.settings, self.account, self._clock)
        return Node.open(self.settings, self.wire, chain, self._clock, self._rng)

    def _clock(self) -> Any:
        return self.world.clock() + self.ahead

    def open_again(self) -> None:
        """As after a kill: nothing is left but what is on the disk."""
        self.node.close()
        self.node = self._open()

    def work(self) -> None:
        """One round, after every wait for another attempt has passed."""
        self.ahead += timedelta(minutes=10)
        if self.node.rolls.follow():
            look_up_again(self.node)
        for row in due(self.node, most=100):
            advance(self.node, row)

    def answer_wanted(self) -> int:
        return answer_wanted(self.node)

    def discharge(self, native: Mapping[str, Any]) -> tables.Discharge:
        """Taken in and brought as far as it goes."""
        intake.accept(self.node, json.dumps(native).encode())
        self.work()
        return self.row(native)

    def row(self, native: Mapping[str, Any]) -> tables.Discharge:
        with self.node.database.reading() as session:
            row = intake.by_setl_id(session, OURS, native["setlinfo"]["setl_id"])
        assert row is not None
        return row

    def released(self, native: Mapping[str, Any]) -> str:
        """The claim that the insurer has of a discharge."""
        row = self.discharge(native)
        assert row.state == "accepted", row.reason
        return self.claim(native)

    def claim(self, native: Mapping[str, Any]) -> str:
        _, one = self.release_of(native)
        assert one.outcome is not None
        return one.outcome

    def claims(self, native: Mapping[str, Any]) -> list[str]:
        """Of all policies, in the order of their handles' outcomes."""
        with self.node.database.reading() as session:
            query = select(tables.Release).where(tables.Release.discharge_id == self.row(native).id)
            return [one.outcome for one in session.exec(query) if one.outcome]

    def release_of(self, native: Mapping[str, Any]) -> tuple[tables.Discharge, tables.Release]:
        row = self.row(native)
        with self.node.database.reading() as session:
            query = select(tables.Release).where(tables.Release.discharge_id == row.id)
            return row, session.exec(query).one()

    def alarms(self) -> list[str]:
        return [alarm["code"] for alarm in reports.status(self.node.database)["alarms"]]


def decided_by_node(world: World, provider: DecidingProvider, native: Mapping[str, Any]) -> str:
    claim = provider.released(native)
    assert world.state(claim) == "matched"
    batch = world.batch(claim)
    assert invoices.check_batch(world.ctx, batch) == 1
    decide.decide_batch(world.ctx, batch)
    return claim


def paid(world: World, claim: str) -> None:
    """From decided to its end."""
    record.record_batch(world.ctx, world.batch(claim))
    feed.read_events(world.ctx)
    world.pay(claim)
    world.bank_says(claim, TransferStatus.SETTLED)
    world.confirm()


def decision_of(world: World, claim: str) -> dict[str, Any]:
    found = decision(world.ctx.vault, world.claim(claim))
    assert found is not None
    return found


def altered(changes: Mapping[str, Any]) -> Callable[[Message], Message]:
    def alter(message: Message) -> Message:
        for path, value in changes.items():
            *parents, last = path.split("/")
            node: Any = message
            for name in parents:
                node = node[int(name) if isinstance(node, list) else name]
            key = int(last) if isinstance(node, list) else last
            node[key] = node[key] + value if isinstance(value, int) else value
        return message

    return alter
