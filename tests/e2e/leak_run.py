"""One run of two parties with known people: all that crossed between them, and all that it left behind."""

import json
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import httpx

from api.cli.demo.players import enrol, withdraw
from api.client import Client
from engine.evidence.endpoint import HttpEndpoint
from engine.provider.node import chain_account
from engine.sandbox import people
from engine.sandbox.discharges import Stay, settlement
from engine.sandbox.people import Person
from engine.sandbox.population import PAYING_HOSPITALS, SEED
from tests.e2e.two_parties import PRODUCT, admit, claims_of, discharge
from tests.support.process import free_port, running_server
from tests.support.relay import Relay

HOSPITAL = PAYING_HOSPITALS[0]
PROGRAM = (sys.executable, "-m", "api.cli.main")
ADMITTED = date(2024, 11, 5)


@dataclass(frozen=True)
class Patient:
    """Somebody who was discharged, and where that discharge has to come to rest at the provider."""

    who: Person
    native: dict[str, Any]
    rests: str
    policy: dict[str, Any] | None = None
    """That answers, if one does."""


def _patient(
    index: int, name: str, diagnosis: tuple[str, str], rests: str, *, insured_as: str | None
) -> Patient:
    who = replace(people.person(SEED, index), name=name, editions=(2024,))
    # Dear enough that none of the amounts that are looked for occurs by chance.
    stay = Stay(index, who, HOSPITAL, ADMITTED, 6 + index, 40_000_000 + 31_417 * index, diagnosis=diagnosis)
    native = settlement(stay, Random(index))
    policy = None
    if insured_as is not None:
        policy = people.policy(who, 2024) | {"effective": "2024-07-01"}
        policy["person"] = policy["person"] | {"name": insured_as}
    return Patient(who, native, rests, policy)


RELEASED = _patient(6, "申屠可嘉", ("C50.912", "左侧乳腺恶性肿瘤"), "accepted", insured_as="申屠可嘉")
STRANGER = _patient(11, "公冶依娴", ("K35.801", "急性坏疽性阑尾炎"), "nobodys", insured_as=None)
UNASKED = _patient(16, "太叔庆勤", ("I21.001", "急性前壁心肌梗死"), "no_consent", insured_as="太叔庆勤")
REVOKED = _patient(26, "闻人彤彤", ("B20.700", "某种传染病伴多重感染"), "no_consent", insured_as="闻人彤彤")
NAMESAKE = _patient(31, "澹台夏元", ("F20.004", "偏执型障碍"), "doubtful", insured_as="澹台夏原")
UNMATCHED = (STRANGER, UNASKED, REVOKED, NAMESAKE)
AT_HOME = _patient(36, "濮阳宛子", ("E11.900", "二型糖尿病"), "", insured_as="濮阳宛子")
"""In the roll with consent, and never discharged."""
EVERYBODY = (RELEASED, *UNMATCHED, AT_HOME)


@dataclass
class Run:
    """What there is to look through, once everything has ended."""

    asked: bytes = b""
    """What the provider sent to the insurer; answered: what the insurer sent back, chain_…: the same of the
    provider's chain endpoint."""
    answered: bytes = b""
    chain_asked: bytes = b""
    chain_answered: bytes = b""
    on_chain: bytes = b""
    """Each block, transaction, receipt and log, with all bytes that stand there as hexadecimal digits."""
    chain_file: bytes = b""
    insurer: dict[str, bytes] = field(default_factory=dict)
    """Every file of the insurer's home."""
    rested: dict[str, str] = field(default_factory=dict)
    """Settlement number -> where its discharge came to rest at the provider."""
    claims: dict[str, str] = field(default_factory=dict)
    """Settlement number -> state of the insurer's claim."""
    paid_fen: list[int] = field(default_factory=list)
    left: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By table of the insurer's: rows that are new or other since the unmatched discharges."""

    @property
    def crossed(self) -> dict[str, bytes]:
        """Every byte that went over the boundary, by way."""
        ways = ("asked", "answered", "chain_asked", "chain_answered")
        return {way: getattr(self, way) for way in ways}


def took_place(folder: Path, mode: str) -> Run:
    """mode: in which the purpose releases."""
    run, home = Run(), folder / "engine"
    home.mkdir()
    with engine(home, folder) as url, ExitStack() as open_:
        to_insurer, to_chain = Relay(url), Relay(url)
        open_.callback(to_insurer.close)
        open_.callback(to_chain.close)
        operator_key = (home / "operator.key").read_text()
        admitted = admit(url, operator_key, HOSPITAL, str(folder / "node"), None)
        with Client(url, operator_key) as operator:
            insurer = open_.enter_context(Client(url, operator.issue_key("insurer", "the insurer")["token"]))
            _enrol(operator, insurer)
            settings = _settings(operator.match_offer(HOSPITAL), folder, mode)
        (folder / "node" / f"insurer-{HOSPITAL}.key").write_text(admitted)
        settings |= {"INSURER_URL": to_insurer.url, "CHAIN_RPC_URL": f"{to_chain.url}/chain/rpc"}
        with node(folder, settings) as (at, key):
            run.rested = _discharged(at, key, [RELEASED])
            claims_of(url, admitted)
            before = _rows(home)
            run.rested |= _discharged(at, key, UNMATCHED)
        run.claims = claims_of(url, admitted)
        run.paid_fen = [claim["payable_fen"] for claim in insurer.claims()]
        run.left = _news(before, _rows(home))
        run.on_chain = _on_chain(f"{url}/chain/rpc")
    run.asked, run.answered = (b"\n".join(to_insurer.asked), b"\n".join(to_insurer.answered))
    run.chain_asked, run.chain_answered = (b"\n".join(to_chain.asked), b"\n".join(to_chain.answered))
    run.insurer = {str(f.relative_to(home)): f.read_bytes() for f in home.rglob("*") if f.is_file()}
    run.chain_file = b"".join(of for name, of in run.insurer.items() if name.startswith("chain.db"))
    return run


@contextmanager
def engine(home: Path, folder: Path) -> Iterator[str]:
    """`autoclaim serve` with its bank; killed in the end, so that nothing is tidied away. Its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = (*PROGRAM, "serve", "--home", home, "--port", str(port), "--sandbox-bank")
    settings = {
        "AUTOCLAIM_TRUST": str(folder / "trusted.json"),
        "AUTOCLAIM_PROVIDERS": chain_account(folder / "node", os.urandom).address,
    }
    with running_server(
        command, health_url=f"{url}/healthz", log=home / "log", environment=settings
    ) as server:
        yield url
        server.kill()


@contextmanager
def node(folder: Path, settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """`autoclaim provider serve`; its URL, and its key."""
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", folder / "node" / "log"
    command = (*PROGRAM, "provider", "serve", "--port", str(port))
    named = {f"AUTOCLAIM_PROVIDER_{name}": value for name, value in settings.items()}
    with running_server(command, health_url=f"{url}/healthz", log=log, environment=named):
        yield url, (folder / "node" / "provider.key").read_text()


def _settings(offered: Mapping[str, Any], folder: Path, mode: str) -> dict[str, str]:
    modes = {} if mode == "settlement" else {"mode": mode}
    purposes = [purpose | modes for purpose in offered["purposes"] if purpose["product"] == "huhuibao"]
    return {
        "HOME": str(folder / "node"),
        "HOSPITALS": HOSPITAL,
        "DEPLOYMENT": str(folder / "engine" / "deployment.json"),
        "ROLL_DATASET": offered["roll_dataset"],
        "PURPOSES": json.dumps(purposes),
    }


def _enrol(operator: Client, insurer: Client) -> None:
    """All but UNASKED consent; REVOKED takes it back once the roll is out, which goes on naming it."""
    policies = {patient.who.name: patient.policy for patient in EVERYBODY if patient.policy is not None}
    insurer.load_product(PRODUCT.read_bytes())
    insurer.load_policies(b"".join(json.dumps(policy).encode() + b"\n" for policy in policies.values()))
    asked = [policy for name, policy in policies.items() if name != UNASKED.who.name]
    assert list(enrol(insurer, asked)) == [len(asked)]
    operator.publish_roll()
    withdraw(insurer, policies[REVOKED.who.name])


def _discharged(url: str, key: str, patients: Iterable[Patient]) -> dict[str, str]:
    natives = [patient.native for patient in patients]
    numbers = [native["setlinfo"]["setl_id"] for native in natives]
    return dict(zip(numbers, discharge(url, key, natives), strict=True))


def _rows(home: Path) -> dict[str, Counter[tuple[tuple[str, Any], ...]]]:
    """Every row of every table, as the insurer has it now."""
    with closing(sqlite3.connect(home / "engine.db")) as connection:
        connection.row_factory = sqlite3.Row
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        return {
            table: Counter(
                tuple(zip(row.keys(), row, strict=True))
                for row in connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608  its own names
            )
            for table in tables
        }


def _news(
    before: dict[str, Counter[tuple[tuple[str, Any], ...]]],
    now: dict[str, Counter[tuple[tuple[str, Any], ...]]],
) -> dict[str, list[dict[str, Any]]]:
    news = {table: [dict(row) for row in rows - before[table]] for table, rows in now.items()}
    return {table: rows for table, rows in news.items() if rows}


def _on_chain(url: str) -> bytes:
    with httpx.Client(trust_env=False) as http:
        chain = HttpEndpoint(url, http)
        blocks = range(int(chain.request("eth_blockNumber", []), 16) + 1)
        stands = [
            [
                chain.request("eth_getBlockByNumber", [hex(number), True]),
                chain.request("eth_getBlockReceipts", [hex(number)]),
            ]
            for number in blocks
        ]
    return json.dumps(stands).encode()
