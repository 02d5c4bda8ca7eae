"""An insurer's engine behind its HTTP face, and a provider's node that works before it in this process: two
databases, two keys on one chain, one wire between."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from eth_account import Account
from sqlmodel import col, func, select

from api.http.examples import POLICY
from api.provider.insurer import HttpInsurer, key_id
from api.signing import load_key
from engine.chain import eip712
from engine.chain.contracts import TaskState
from engine.chain.transport import HttpChain
from engine.pipeline import match_tasks, parties, publishing
from engine.provider import intake, tables, tasks, worker
from engine.provider.chain import ProviderChain
from engine.provider.node import Node, chain_account
from engine.provider.registration import register
from engine.provider.settings import ProviderSettings
from engine.settlement.hospitals import Hospital
from engine.store.matching import MatchQuestion
from engine.store.tables import Payout
from tests.api.world import OURS, World, opened, serving, settlement
from tests.support.process import REPOSITORY

PRODUCT = REPOSITORY / "seeds" / "products" / "huhuibao-2024.yaml"
OTHER = {"certno": "440524188001010014", "psn_name": "测试乙"}
"""Insured too, under the same terms."""
STRANGER = {"certno": "110105194912310011", "psn_name": "测试丙"}
_SIGNING_KEY = bytes(31) + b"\x07"


class Insurer:
    """The engine, with two insured who have consented, its roll published, and one provider appointed."""

    def __init__(self, world: World, account: Any) -> None:
        self.world, self.ctx, self.account = world, world.ctx, account
        self.consents: list[str] = []
        with world.client("insurer") as insurer, world.client("nobody") as person:
            insurer.load_product(PRODUCT.read_bytes())
            self.consents = [_enrolled(insurer, person, policy) for policy in (POLICY, _others())]
        publishing.publish(self.ctx)
        public = load_key(_SIGNING_KEY).public_key().public_bytes_raw()
        hospital = Hospital(OURS, "Hospital", 3, "310000", "ordinary", ("ordinary",))
        parties.register_hospital(self.ctx, hospital, key_id(OURS), public)
        with world.client("operator") as operator:
            self.offered = operator.match_offer(OURS)

    def order(self, most: int = 100, **other: Any) -> str:
        """The task's id."""
        stated = {"provider": self.account.address.lower(), "hospitals": [OURS], "product": "huhuibao"}
        days = {"from": "2025-02-01", "until": "2025-03-31"}
        with self.world.client("insurer") as insurer:
            task_id: str = insurer.open_match_task({**stated, **days, "most": most, **other})["task_id"]
        return task_id

    def shown(self, task_id: str) -> dict[str, Any]:
        with self.world.client("insurer") as insurer:
            return insurer.match_task(task_id)

    def settle(self, task_id: str) -> TaskState:
        """The rounds of its dispatcher, until there is nothing left to do."""
        while match_tasks.advance(self.ctx):
            pass
        return self.ctx.chain.scheduler.state_of(task_id)

    def claims_of(self, *natives: Mapping[str, Any]) -> list[str | None]:
        """By settlement: its claim, if there is one."""
        with self.world.http(OURS) as http:
            items = http.get("/v1/settlements", params={"limit": 500}).raise_for_status().json()["items"]
        by_number = {item["setl_id"]: item["claim_id"] for item in items}
        return [by_number.get(native["setlinfo"]["setl_id"]) for native in natives]

    def asked_online(self) -> int:
        """Questions."""
        with self.ctx.database.reading() as session:
            online = select(func.count()).select_from(MatchQuestion)
            return session.exec(online.where(col(MatchQuestion.task_id).is_(None))).one()

    def payouts_fen(self) -> list[int]:
        with self.ctx.database.reading() as session:
            return list(session.exec(select(Payout.amount_fen).order_by(col(Payout.claim_id))))


def _others() -> dict[str, Any]:
    person = {"cert_type": "01", "cert_no": OTHER["certno"], "name": OTHER["psn_name"]}
    return {**POLICY, "policy_no": "SHB2024-000018", "person": person}


def _enrolled(insurer: Any, person: Any, policy: Mapping[str, Any]) -> str:
    insured = Account.create()
    insurer.load_policies(json.dumps(policy).encode())
    prepared = insurer.prepare_authorization(policy["policy_no"], insured.address)
    signature = "0x" + eip712.sign(prepared["typed_data"], insured).hex()
    person.grant([(prepared["authorization_id"], signature)])
    authorization: str = prepared["authorization_id"]
    return authorization


class Provider:
    """One home of the provider's, and the node that is open in it; `wire` may be wrapped by a test."""

    def __init__(self, insurer: Insurer, home: Path, **settings: Any) -> None:
        self.insurer = insurer
        self.wire: Any = None
        self._settings = ProviderSettings.read(
            home=home,
            hospitals=OURS,
            insurer_url=insurer.world.url,
            chain_rpc_url=f"{insurer.world.url}/chain/rpc",
            deployment=insurer.ctx.settings.in_home("deployment.json"),
            roll_dataset=insurer.offered["roll_dataset"],
            purposes=insurer.offered["purposes"],
            **{"online": False, "task_processes": 1, "workers": 2, **settings},
        )
        self.node = self._open()
        assert register(self.node)
        self.node.rolls.follow()

    def _open(self) -> Node:
        settings, keys = self._settings, {OURS: self.insurer.world.tokens[OURS]}
        chain = ProviderChain(HttpChain(settings.chain_rpc_url), settings, self.insurer.account, self.clock)
        http = HttpInsurer(settings.insurer_url, keys, _SIGNING_KEY, self.clock)
        return Node.open(settings, self.wire or http, chain, self.clock, os.urandom)

    def clock(self) -> Any:
        return self.insurer.world.clock()

    def open_again(self) -> None:
        """As after a crash: nothing is left but what is on the disk."""
        self.node.close()
        self.node = self._open()
        self.node.rolls.follow()

    def close(self) -> None:
        self.node.close()

    def accept(self, **setlinfo: Any) -> dict[str, Any]:
        native = settlement(**setlinfo)
        intake.accept(self.node, json.dumps(native).encode())
        return native

    def work(self, task_id: str) -> str:
        """One round of the node's loop over its tasks, every wait passed; where the task stands here."""
        tasks.find_tasks(self.node, 0)
        with self.node.database.transaction() as session:
            row = session.get_one(tables.Task, task_id)
            row.not_before = self.clock()
        tasks.advance(self.node, row)
        return self.task(task_id).state

    def work_online(self) -> None:
        """A round over its discharges, once what was just taken in is anybody's to begin with."""
        self.insurer.world.clock.ahead += timedelta(seconds=10)
        for row in worker.due(self.node, most=100):
            worker.advance(self.node, row)

    def task(self, task_id: str) -> tables.Task:
        with self.node.database.reading() as session:
            return session.get_one(tables.Task, task_id)

    def discharge(self, native: Mapping[str, Any]) -> tables.Discharge:
        with self.node.database.reading() as session:
            row = intake.by_setl_id(session, OURS, native["setlinfo"]["setl_id"])
        assert row is not None
        return row

    def states(self, *natives: Mapping[str, Any]) -> list[str]:
        return [self.discharge(native).state for native in natives]


@contextmanager
def insured(folder: Path) -> Iterator[Insurer]:
    account = chain_account(folder / "key", os.urandom)
    with opened(folder / "engine", providers=account.address, evaluators=1) as (ctx, clock):
        world = World(ctx, clock)
        with serving(world.app) as world.url:
            yield Insurer(world, account)
