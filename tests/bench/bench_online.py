"""From a discharge to "insured and consented": a provider node asks an engine over mutual TLS on loopback.

The roll holds ROLL entries (a million), all but a few hundred of which open for nobody, as its padding does.
The node's own records say how long each took: from the receipt of a settlement, through its commit, the
question, the insurer's commit, the proof, the look-up and the node's own reading of the chain, to where it
may be released. A discharge comes once the claim before it has come to rest, and then RATE a second: the
engine decides and pays beside the answers that it gives. ASKED: how many of each.

What of that is the machine: the question alone, and a call that does nothing, by the same connection, as
seldom as a discharge comes and back to back. Code that a processor has not run for a while runs slower.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import httpx
from sqlmodel import Session, create_engine, select

from api import certificates
from api.client import Client, wait_until
from api.provider.insurer import HttpInsurer
from api.tls import client_context
from engine.matching.entries import empty_entry
from engine.matching.voprf import Question, name_message, person_message
from engine.pipeline import publishing
from engine.provider.node import signing_key
from engine.provider.states import ON_THE_WAY, DischargeState
from engine.provider.tables import Discharge, Move
from engine.sandbox.population import PAYING_HOSPITALS, Population
from tests.bench import Row
from tests.bench.parties import Parties, two_parties
from tests.bench.stage import folder

_ROLL = int(os.environ.get("ROLL", "1000000"))
_ASKED = int(os.environ.get("ASKED", "100"))
_RATE = float(os.environ.get("RATE", "2"))
"""A second. A city of 25 million has some four million discharges a year: 0.13 a second, and four times as
many in its busiest hours."""
_WARM_UP = 20
_WITHIN_S = 60.0
_UNDISTURBED_S = 0.5
"""After the last one, before anybody asks either program how far it is."""
_HOSPITAL = PAYING_HOSPITALS[0]


def run() -> list[Row]:
    number = _WARM_UP + 2 * _ASKED
    population = Population(2 * number, 2 * number, 7)
    bodies = _bodies(population)[:number]
    with folder("online") as home, two_parties(home, _HOSPITAL) as parties:
        with parties.engine():
            parties.enrol(list(population.policies()))
        _fill_the_roll(parties)
        with parties.engine(), parties.node():
            warm_up, alone, steady = bodies[:_WARM_UP], bodies[_WARM_UP:-_ASKED], bodies[-_ASKED:]
            for one in (*warm_up, *alone):
                _send(parties, [one], 0)
            _send(parties, steady, 1 / _RATE)
            spans = _spans_ms(parties.node_home / "provider.db")
            calls = _calls(parties)
    of_alone, of_steady = ([spans[_name(one)] for one in some] for some in (alone, steady))
    return [
        *_rows(f"to insured and consented, roll of {_ROLL:,}, one at a time", of_alone, "≤ 5", "≤ 20"),
        *_rows(f"to insured and consented, roll of {_ROLL:,}, {_RATE:g} a second", of_steady, "≤ 5", "≤ 20"),
        *calls,
    ]


def _calls(parties: Parties) -> list[Row]:
    tls = client_context(certificates.identity(parties.home / "tls", "node"), lambda _: True)
    url, now = f"https://{parties.partner_url}", partial(datetime.now, UTC)
    api_key = (parties.node_home / f"insurer-{_HOSPITAL}.key").read_text()
    question = Question.of([person_message("01", "nobody"), name_message("01", "nobody", "nobody")])
    with (
        httpx.Client(base_url=url, verify=tls, trust_env=False) as plain,
        closing(
            HttpInsurer(url, {_HOSPITAL: api_key}, signing_key(parties.node_home, os.urandom), now, tls)
        ) as insurer,
    ):

        def ask() -> None:
            insurer.evaluate(_HOSPITAL, 1, os.urandom(32).hex(), question.elements)

        def do_nothing() -> None:
            plain.get("/healthz").raise_for_status()

        return [
            _row("the question alone, over mutual TLS", ask),
            _row("a call that does nothing, over mutual TLS", do_nothing),
        ]


def _row(what: str, call: Callable[[], None]) -> Row:
    apart_s = 1 / _RATE
    apart, together = (median([_took_ms(call, pause_s) for _ in range(_ASKED)]) for pause_s in (apart_s, 0))
    return Row(f"{what}, {apart_s:g} s apart, p50", "ms", apart, together, "back to back")


def _took_ms(call: Callable[[], None], pause_s: float) -> float:
    time.sleep(pause_s)
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def _bodies(population: Population) -> list[dict[str, Any]]:
    """Stays of the insured, who have consented, each person's first."""
    plain = ("plain_pay", "nothing_payable")
    bodies = [one.body for one in population.settlements() if one.scenario in plain]
    for body in bodies:
        body["setlinfo"]["fixmedins_code"] = _HOSPITAL
    return bodies


def _fill_the_roll(parties: Parties) -> None:
    """A further update, of entries that open for nobody: a million people would take an hour to enrol."""
    entries = (empty_entry(None, os.urandom) for _ in range(_ROLL))
    with (
        parties.engine_closed() as ctx,
        patch("engine.pipeline.publishing._Changed.entries", lambda _: entries),
    ):
        publishing.publish(ctx)


def _send(parties: Parties, bodies: Sequence[dict[str, Any]], pause_s: float) -> None:
    """A settlement each pause; back once the node and the engine are done with all of them."""
    headers = {"Authorization": f"Bearer {parties.node_key}"}
    url = f"http://{parties.node_url}"
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as http, parties.operator() as operator:
        for body in bodies:
            http.post("/v1/settlements", json=body).raise_for_status()
            time.sleep(pause_s)
        time.sleep(_UNDISTURBED_S)
        wait_until(lambda: _at_rest(http, operator, bodies), timeout_s=_WITHIN_S, every_s=0.1)


def _at_rest(http: httpx.Client, operator: Client, bodies: Sequence[dict[str, Any]]) -> bool:
    last = bodies[-1]
    state = http.get(f"/v1/settlements/{_HOSPITAL}/{_name(last)}").json()["state"]
    claims = operator.totals()["claims"]
    on_the_way = ("accepted", "matched", "decided", "recorded", "paid")
    return state not in ON_THE_WAY and not any(claims[one] for one in on_the_way)


def _name(body: dict[str, Any]) -> str:
    return str(body["setlinfo"]["setl_id"])


def _spans_ms(database: Path) -> dict[str, float]:
    """By settlement: from its receipt to where the chain was read and it may leave."""
    with Session(create_engine(f"sqlite:///{database}")) as session:
        released = (
            select(Discharge.setl_id, Discharge.received_at, Move.at)
            .join(Move)
            .where(Move.to_state == DischargeState.RELEASED)
        )
        return {name: (at - since).total_seconds() * 1000 for name, since, at in session.exec(released)}


def _rows(what: str, spans: Sequence[float], *targets: str) -> list[Row]:
    ordered = sorted(spans)
    percents = zip((50, 99), targets, strict=True)
    return [
        Row(f"{what}, p{percent}", "ms", ordered[-(-len(ordered) * percent // 100) - 1], target=target)
        for percent, target in percents
    ]
