"""A list against the roll: an insurer's process and a provider's node before it, over loopback HTTP.

ROLL= and ASKED= set the sizes. The roll is published and taken in before the clock starts; of those asked
about, one in a hundred is in it. What is timed: from the task on chain to the last look-up, the plan, the
lease, every commit and the start of the processes included, and nothing handed over yet.
"""

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from functools import partial
from itertools import chain
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import structlog

from api.client import Client
from engine.matching.entries import InsuredUnder, Payload, empty_entry, seal_entry
from engine.matching.voprf import EpochKey, name_message, person_message
from engine.pipeline import publishing
from engine.provider import intake, tasks
from engine.provider.node import chain_account
from engine.provider.task_states import TaskState
from engine.sandbox import people
from tests.api.match_parties import Insurer, Provider
from tests.api.world import OURS, World, opened, serving, settlement
from tests.bench import Row
from tests.bench.sampling import descendants, processor_s

_ASKED = int(os.environ.get("ASKED", "10000"))
_ONE_IN = 100
_SEED = 6
_PROCESSES = 2


def rows(home: Path, roll: int) -> Iterator[Row]:
    account = chain_account(home / "key", os.urandom)
    ours, theirs = get_context("spawn").Pipe()
    insurer = get_context("spawn").Process(target=_insure, args=(home, account.address, roll, theirs))
    insurer.start()
    try:
        told = ours.recv()
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
        yield from _asked(home, roll, _Known(told, account), insurer.pid or 0)
    finally:
        ours.send("end")
        insurer.join(60)


class _Known(SimpleNamespace):
    """Of the insurer in the other process, what a node is told."""

    def __init__(self, told: dict[str, Any], account: Any) -> None:
        self.told, self.account, self.offered = told, account, told["offered"]
        self.world = SimpleNamespace(url=told["url"], tokens=told["tokens"], clock=partial(datetime.now, UTC))
        self.ctx = SimpleNamespace(settings=SimpleNamespace(in_home=lambda name: Path(told["home"]) / name))


def _asked(home: Path, roll: int, insurer: _Known, insurer_pid: int) -> Iterator[Row]:
    provider = Provider(insurer, home / "node", task_processes=_PROCESSES)  # type: ignore[arg-type]
    try:
        with ThreadPoolExecutor(32) as threads:
            for _ in threads.map(lambda index: _accept(provider, index), range(_ASKED)):
                pass
        order = {"provider": insurer.account.address.lower(), "hospitals": [OURS], "product": "huhuibao"}
        days = {"from": "2025-02-01", "until": "2025-03-31", "most": 2 * _ASKED}
        with Client(insurer.world.url, insurer.world.tokens["insurer"]) as client:
            task_id = client.open_match_task({**order, **days})["task_id"]
        tasks.find_tasks(provider.node, 0)
        spent_s, began = _spent_s(insurer_pid), time.perf_counter()
        tasks.advance(
            provider.node,
            provider.task(task_id),
            lambda: provider.task(task_id).state != TaskState.ASKED,
        )
        elapsed_s, spent_s = time.perf_counter() - began, _spent_s(insurer_pid) - spent_s
        row = provider.task(task_id)
        if row.state != TaskState.ASKED:
            raise RuntimeError(f"the task is {row.state}: {row.reason}")
        what = f"a task of {_ASKED:,} discharges against a roll of {roll:,}, all asked and looked up"
        yield Row(what, "s", elapsed_s, target="≤ 5 (1,000,000 x 10,000)")
        yield Row(f"{what}: processor, both parties", "s of a core", spent_s)
    finally:
        provider.close()


def _spent_s(insurer_pid: int) -> float:
    """By this process and those that it has ended, and by the insurer's: processor time."""
    return sum(os.times()[:4]) + sum(map(processor_s, descendants(insurer_pid)))


def _accept(provider: Provider, index: int) -> None:
    who = people.person(_SEED, index)
    intake.accept(provider.node, json.dumps(settlement(certno=who.cert_no, psn_name=who.name)).encode())


def _insure(home: Path, address: str, roll: int, told: Connection) -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    larger = patch.object(publishing._Changed, "entries", _padded(publishing._Changed.entries, roll))
    engine = opened(home / "engine", providers=address, evaluators=_PROCESSES)
    with larger, engine as (ctx, clock):
        world = World(ctx, clock)
        with serving(world.app) as world.url:
            insurer = Insurer(world, SimpleNamespace(address=address))
            known = {"url": world.url, "tokens": world.tokens, "offered": insurer.offered}
            told.send({**known, "home": str(ctx.settings.home)})
            told.recv()


def _padded(own: Any, roll: int) -> Any:
    """The roll as it is published, and as many entries more: some of people who will be asked about."""

    def entries(changed: Any) -> Iterator[bytes]:
        insured = range(0, _ASKED, _ONE_IN)
        sealed = (_entry(changed._key, changed._epoch, index) for index in insured)
        rest = (empty_entry(None, os.urandom) for _ in range(max(roll - len(insured), 0)))
        return chain(own(changed), sealed, rest)

    return entries


def _entry(key: EpochKey, epoch: int, index: int) -> bytes:
    who = people.person(_SEED, index)
    output = key.output(person_message("01", who.cert_no))
    name = key.output(name_message("01", who.cert_no, who.name)).tag
    words = ["0x" + os.urandom(32).hex() for _ in range(3)]
    policy = InsuredUnder(
        handle=os.urandom(32).hex(),
        product="huhuibao",
        effective=date(2024, 7, 1),
        expires=date(2025, 6, 30),
        cancelled_on=None,
        authorization=words[0],
        subject=words[1],
        scope=words[2],
    )
    return seal_entry(output, epoch, Payload((name,), (policy,)), os.urandom)
