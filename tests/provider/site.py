"""A provider node on a real chain, before an insurer of the test's own: real keys, rolls and proofs, in this
process, so that it can also lie."""

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, BinaryIO

from eth_account import Account

from api.http.examples import SETTLEMENT
from engine.chain.client import ChainClient
from engine.chain.contracts import PROVIDER_ROLE
from engine.chain.eip712 import Grant, grant_typed_data, sign
from engine.chain.errors import RpcError
from engine.chain.transport import Chain
from engine.errors import AutoclaimError, NotFound, Unavailable
from engine.evidence.manifest import roll_update, subject_of
from engine.matching.entries import InsuredUnder, Payload, empty_entry, seal_entry
from engine.matching.published import NO_DIGEST, Update, write_update
from engine.matching.voprf import EpochKey, Evaluated, name_message, person_message
from engine.provider import intake, reports, tables
from engine.provider.chain import ProviderChain
from engine.provider.look_up import look_up_again
from engine.provider.node import Node
from engine.provider.settings import ProviderSettings, Purpose
from engine.provider.worker import advance, due
from tests.chain.world import YEAR_S, Clock, word

HOSPITAL = "H31010100001"
INSURED = ("01", "11010519491231002X", "测试甲")
STRANGER = {"certno": "440524188001010014", "psn_name": "测试乙"}
NO_ANSWER = Unavailable("no answer", code="match.insurer_unavailable")
_numbers = count(1)
Native = dict[str, Any]


def stay(**setlinfo: Any) -> Native:
    """A settlement of INSURED's with a number of its own, unless it says otherwise."""
    native = copy.deepcopy(SETTLEMENT)
    native["setlinfo"] |= {"setl_id": f"P{next(_numbers):09}", "fixmedins_code": HOSPITAL} | setlinfo
    return native


class OnChain:
    """What the insurer has put on chain: a purpose that is consented to, the roll, an appointed provider."""

    def __init__(self, client: ChainClient, manifest: Path, clock: Clock) -> None:
        self.client = client
        self.manifest = manifest
        self._clock = clock
        self.provider = Account.from_key(word())
        self.appoint(self.provider.address)
        self.now = client.block_timestamp(client.block_number())
        self.purpose = Purpose(purpose=f"pay {word().hex()}", recipient="the pool", product="huhuibao")
        self.roll = word()
        self.insured = Account.from_key(word())
        self.salts: dict[bytes, bytes] = {}
        client.registry.admit_scope(self.purpose.scope)
        client.catalog.register(self.roll, 4, [self.purpose.scope])

    def appoint(self, address: str) -> None:
        """As a provider; days go by."""
        for contract in (self.client.catalog, self.client.scheduler):
            assert contract.appoint(PROVIDER_ROLE, address)
        self._clock.advance(3 * 86_400)
        for contract in (self.client.catalog, self.client.scheduler):
            assert contract.appoint(PROVIDER_ROLE, address) is None

    def grant(self, certificate: tuple[str, str] = INSURED[:2]) -> Grant:
        """Consent of whoever has the certificate; what opens it to that is `salts[grant.subject]`."""
        salt = word()
        subject = subject_of(*certificate, salt)
        self.salts[subject] = salt
        grant = Grant(subject, self.purpose.scope, word(), self.insured.address, self.now + YEAR_S)
        typed = grant_typed_data(
            grant,
            nonce=self.client.registry.nonces(self.insured.address),
            deadline=self.now + YEAR_S,
            chain_id=self.client.chain_id,
            registry=self.client.registry.address,
        )
        self.client.registry.grant(grant, self.now + YEAR_S, sign(typed, self.insured))
        return grant

    def cover(self, grant: Grant | None, **other: Any) -> InsuredUnder:
        """A policy in force during SETTLEMENT's stay."""
        stated: dict[str, Any] = {
            "handle": word().hex(),
            "product": "huhuibao",
            "effective": date(2024, 7, 1),
            "expires": date(2025, 6, 30),
            "cancelled_on": None,
            "authorization": None if grant is None else "0x" + grant.id.hex(),
            "subject": None if grant is None else "0x" + grant.subject.hex(),
            "scope": "0x" + self.purpose.scope.hex(),
            "subject_salt": None if grant is None else self.salts[grant.subject].hex(),
        }
        return InsuredUnder(**stated | other)


class OwnInsurer:
    """Answers as an honest one does, unless it is told to lie. What reached it is there to be looked at."""

    def __init__(self, chain: OnChain, folder: Path) -> None:
        self._chain = chain
        self._folder = folder
        self._updates: dict[int, list[tuple[Update, bytes]]] = {}
        self.keys: dict[int, EpochKey] = {}
        self.asked: list[tuple[str, int, str, tuple[bytes, ...]]] = []
        self.released: list[Mapping[str, Any]] = []
        self.evaluates_with: EpochKey | None = None
        self.refuses_releases: AutoclaimError | None = None

    def new_epoch(self) -> int:
        epoch = max(self.keys, default=0) + 1
        self.keys[epoch] = EpochKey.derive(word(), epoch)
        self._updates[epoch] = []
        self._chain.client.catalog.publish_matching_key(self._chain.roll, epoch, self.keys[epoch].public)
        return epoch

    def publish(
        self,
        epoch: int,
        *policies: InsuredUnder,
        name: str = INSURED[2],
        key: EpochKey | None = None,
        told: bool = True,
    ) -> None:
        """An update that says of INSURED: insured under these. With no policies, that it says nothing.

        told: whether its digest goes on chain.
        """
        key, before = key or self.keys[epoch], self._updates[epoch]
        person = key.output(person_message(*INSURED[:2]))
        payload = Payload((key.output(name_message(*INSURED[:2], name)).tag,), policies)
        rng = Random(len(before)).randbytes
        entry = seal_entry(person, epoch, payload, rng) if policies else empty_entry(person.tag, rng)
        path = self._folder / f"{word().hex()}.roll"
        previous = before[-1][0].digest if before else NO_DIGEST
        made_at = datetime(2026, 1, 1, tzinfo=UTC)
        update = write_update(path, epoch, len(before), [entry], previous, key.public, made_at, rng)
        before.append((update, path.read_bytes()))
        if told:
            self.tell(update)

    def tell(self, update: Update) -> None:
        what, digest = roll_update(update.epoch, update.number), bytes.fromhex(update.digest)
        self._chain.client.catalog.publish_version(self._chain.roll, what, digest)

    def newest(self, epoch: int) -> Update:
        return self._updates[epoch][-1][0]

    def take_back(self, epoch: int) -> Update:
        """The newest update, as if it had never been offered."""
        return self._updates[epoch].pop()[0]

    @contextmanager
    def update(self, epoch: int, number: int) -> Iterator[BinaryIO]:
        if number >= len(self._updates[epoch]):
            raise NotFound("there is no such update", code="match.update_unknown")
        yield BytesIO(self._updates[epoch][number][1])

    def evaluate(
        self, hospital_code: str, epoch: int, commitment: str, elements: tuple[bytes, ...]
    ) -> Evaluated:
        self.asked.append((hospital_code, epoch, commitment, elements))
        return (self.evaluates_with or self.keys[epoch]).evaluate(elements)

    def release(self, hospital_code: str, release: Mapping[str, Any]) -> str:
        if self.refuses_releases is not None:
            raise self.refuses_releases
        self.released.append(release)
        return f"clm_{release['handle'][:24]}"

    def wanted(self, hospital_code: str) -> list[Mapping[str, Any]]:
        return []

    def close(self) -> None:
        """The test's own."""


class Site:
    """One home, and the node that is open in it."""

    def __init__(self, home: Path, chain: OnChain, insurer: OwnInsurer) -> None:
        self.home = home
        self.chain = chain
        self.insurer = insurer
        self.ahead = timedelta()
        self._rng = Random(3).randbytes
        self.settings = ProviderSettings.read(
            home=home,
            hospitals=HOSPITAL,
            insurer_url="http://127.0.0.1:1",
            chain_rpc_url="http://127.0.0.1:1",
            deployment=chain.manifest,
            roll_dataset="0x" + chain.roll.hex(),
            purposes=[chain.purpose],
        )
        self.node = self._open()

    def _open(self) -> Node:
        reach = NotOurs(self.chain.client.chain)
        chain = ProviderChain(reach, self.settings, self.chain.provider, self.clock)
        return Node.open(self.settings, self.insurer, chain, self.clock, self._rng)

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.chain.now, UTC) + self.ahead

    def open_again(self) -> None:
        """As after a crash: nothing is left but what is on the disk."""
        self.node.close()
        self.node = self._open()

    def accept(self, native: Native) -> None:
        intake.accept(self.node, json.dumps(native).encode())

    def work(self) -> None:
        """One round, after every wait for another attempt has passed."""
        self.ahead += timedelta(minutes=10)
        if self.node.rolls.follow():
            look_up_again(self.node)
        for row in due(self.node, most=100):
            advance(self.node, row)

    def through(self, native: Native) -> tables.Discharge:
        self.accept(native)
        self.work()
        return self.row(native)

    def row(self, native: Native) -> tables.Discharge:
        info = native["setlinfo"]
        with self.node.database.reading() as session:
            row = intake.by_setl_id(session, info["fixmedins_code"], info["setl_id"])
        assert row is not None
        return row


def alarms(site: Site) -> list[str]:
    return [alarm["code"] for alarm in reports.status(site.node.database)["alarms"]]


class NotOurs:
    """A chain that a node may close without ending it for others."""

    checks_before_sending = True

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def request(self, method: str, params: list[Any]) -> Any:
        return self._chain.request(method, params)

    def everywhere(self, method: str, params: list[Any]) -> list[Any]:
        return [self.request(method, params)]

    def send(self, raw_transactions: Sequence[bytes]) -> list[str | RpcError]:
        return self._chain.send(raw_transactions)

    def ahead_s(self) -> float:
        return 0.0

    def close(self) -> None:
        """The fixture's."""
