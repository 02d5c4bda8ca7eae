"""Four deployed contracts on an in-memory chain, with a person behind every role.

The chain starts in the year 2100, ahead of any wall clock, so that a block's time is its parent's plus one
second unless a test says otherwise.
"""

import ast
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_tester import EthereumTester, PyEVMBackend  # type: ignore[import-untyped]
from eth_tester.exceptions import TransactionFailed  # type: ignore[import-untyped]
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import EthereumTesterProvider, Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.types import TxParams, TxReceipt

from engine.chain.compile import ARTIFACTS
from engine.chain.eip712 import Grant, grant_typed_data, renew_typed_data, revoke_typed_data, sign
from tests.contracts.model import TaskKind

GENESIS_TIME = 4_102_444_800
GAS_LIMIT = 30_000_000
GAS_OF_ONE = 3_000_000
DAY = 86_400
YEAR = 365 * DAY
NOBODY = "0x" + "00" * 20
ADMIN_ROLE = bytes(32)

PEOPLE = (
    "deployer",
    "governor",
    "enrolment",
    "revoker",
    "provider",
    "other_provider",
    "requester",
    "other_requester",
    "recorder",
    "payer",
    "pauser",
    "arbiter",
    "engine_witness",
    "hospital",
    "other_hospital",
    "auditor",
    "insured",
    "guardian",
    "stranger",
)
KEYS: dict[str, LocalAccount] = {
    name: Account.from_key(number.to_bytes(32, "big")) for number, name in enumerate(PEOPLE, start=1)
}
_EVERYWHERE = {"DEFAULT_ADMIN_ROLE": ["governor"], "PAUSER_ROLE": ["pauser"]}
ROLES = {
    "registry": {"ENROLMENT_ROLE": ["enrolment"], "REVOKER_ROLE": ["revoker"]} | _EVERYWHERE,
    "catalog": {"PROVIDER_ROLE": ["provider", "other_provider"]} | _EVERYWHERE,
    "scheduler": {
        "PROVIDER_ROLE": ["provider", "other_provider"],
        "REQUESTER_ROLE": ["requester", "other_requester"],
        "ARBITER_ROLE": ["arbiter"],
    }
    | _EVERYWHERE,
    "store": {
        "RECORDER_ROLE": ["recorder"],
        "PAYER_ROLE": ["payer"],
        "ENGINE_WITNESS_ROLE": ["engine_witness"],
        "HOSPITAL_WITNESS_ROLE": ["hospital", "other_hospital"],
        "AUDITOR_ROLE": ["auditor"],
    }
    | _EVERYWHERE,
}
ROLE_DELAY = 2 * DAY
ROLE_WINDOW = 14 * DAY


class Refused(Exception):
    """A transaction that reverted, with the contract's own error: `error.args == (name, *arguments)`."""


def role(name: str) -> bytes:
    return ADMIN_ROLE if name == "DEFAULT_ADMIN_ROLE" else keccak(text=name)


def artifact(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ARTIFACTS / f"{name}.json").read_bytes())
    return loaded


class World:
    """Deployed as in production: the constructors appoint everybody, and the deployer gets nothing."""

    heir: Contract
    """The store's successor, where a test deploys one."""

    def __init__(self) -> None:
        backend = PyEVMBackend(
            genesis_parameters=PyEVMBackend.generate_genesis_params(
                {"timestamp": GENESIS_TIME, "gas_limit": GAS_LIMIT}
            ),
            genesis_state=PyEVMBackend.generate_genesis_state(num_accounts=len(PEOPLE)),
        )
        self.tester = EthereumTester(backend)
        self.w3 = Web3(EthereumTesterProvider(self.tester))
        self.people: dict[str, str] = {name: key.address for name, key in KEYS.items()}
        self._errors: dict[bytes, tuple[str, list[str]]] = {}
        self.last_number = 0
        self.registry = self.deploy("AuthorizationRegistry", self.holders("registry"))
        self.catalog = self.deploy("DataCatalog", self.holders("catalog"))
        self.scheduler = self.deploy("TaskScheduler", self.holders("scheduler"), self.catalog.address)
        self.store = self.deploy_store()
        for scope in ("purpose", "another purpose"):
            self.send(self.registry.functions.admitScope(role(scope)), by="enrolment")

    def holders(self, contract: str) -> list[tuple[bytes, str]]:
        """The constructor's first argument."""
        return [(role(name), self.people[who]) for name, held in ROLES[contract].items() for who in held]

    # ---------------------------------------------------------------- chain

    def deploy(self, name: str, *arguments: Any, compiled: dict[str, Any] | None = None) -> Contract:
        source = compiled or artifact(name)
        factory = self.w3.eth.contract(abi=source["abi"], bytecode=source["bytecode"])
        self._learn_errors(source["abi"])
        transaction: TxParams = {"from": self.people["deployer"], "gas": GAS_LIMIT // 2}
        receipt = self.w3.eth.get_transaction_receipt(factory.constructor(*arguments).transact(transaction))
        if receipt["status"] != 1:
            try:
                factory.constructor(*arguments).estimate_gas(transaction)
            except TransactionFailed as failure:
                raise self._decoded(failure) from failure
        address = receipt["contractAddress"]
        assert address is not None
        return self.w3.eth.contract(to_checksum_address(address), abi=source["abi"])

    def deploy_store(self, predecessor: str = NOBODY) -> Contract:
        return self.deploy(
            "MatchResultStore",
            self.holders("store"),
            self.registry.address,
            self.scheduler.address,
            predecessor,
        )

    def deploy_successor(self, predecessor: Contract) -> Contract:
        """A store that its predecessor may be handed over to."""
        successor = self.deploy_store(predecessor.address)
        self.change_role(predecessor, "SUCCESSOR_ROLE", successor.address, grants=True)
        return successor

    def change_role(self, contract: Contract, name: str, who: str, *, grants: bool) -> TxReceipt:
        """Announce, wait, carry out. `who`: a person's name, or a contract's address."""
        account = self.people.get(who, who)
        self.send(contract.functions.announceRoleChange(role(name), account, grants), by="governor")
        self.next_block_at(self.now + ROLE_DELAY)
        change = contract.functions.grantRole if grants else contract.functions.revokeRole
        return self.send(change(role(name), account), by="governor")

    def send(self, function: ContractFunction, *, by: str, gas: int = GAS_OF_ONE) -> TxReceipt:
        """Mine one transaction. Raises Refused, after checking that a refusal left no event behind."""
        transaction: TxParams = {"from": self.people[by], "gas": gas}
        receipt = self.w3.eth.get_transaction_receipt(function.transact(transaction))
        if receipt["status"] == 1:
            return receipt
        assert not receipt["logs"]
        # "latest" is the block of the refusal: the same time and the same state say why
        self.ask(function, by=by, gas=gas)
        raise AssertionError(f"refused without a reason: {function.fn_name}, gas used {receipt['gasUsed']}")

    def refusal(self, function: ContractFunction, *, by: str = "stranger") -> tuple[Any, ...]:
        """Why a transaction that must be refused was: the error's name and its arguments."""
        try:
            self.send(function, by=by)
        except Refused as refused:
            return refused.args
        raise AssertionError(f"not refused: {function.fn_name} by {by}")

    def ask(self, function: ContractFunction, *, by: str = "stranger", gas: int = GAS_LIMIT) -> Any:
        """A view's answer, as of the latest block. Raises Refused."""
        try:
            return function.call({"from": self.people[by], "gas": gas})
        except TransactionFailed as failure:
            raise self._decoded(failure) from failure

    def events(self, receipt: TxReceipt, contract: Contract) -> list[tuple[str, dict[str, Any]]]:
        """The events of `contract` in a receipt: (name, arguments)."""
        return [
            (event["event"], dict(event["args"]))
            for log in receipt["logs"]
            if log["address"] == contract.address
            for event in [_decode_log(contract, log)]
        ]

    @property
    def now(self) -> int:
        """The time of the latest block; the next one's is a second later."""
        return int(self.w3.eth.get_block("latest")["timestamp"])

    @property
    def next_time(self) -> int:
        """The time at which the next transaction runs."""
        return int(self.tester.backend.chain.header.timestamp)

    def next_block_at(self, time: int) -> None:
        """The next transaction runs at exactly this time."""
        chain = self.tester.backend.chain
        assert time > self.now
        chain.header = chain.header.copy(timestamp=time)

    def wait_until(self, time: int) -> None:
        """Mine an empty block at exactly this time, for views to look at."""
        self.next_block_at(time)
        self.tester.mine_block()

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Whatever is done inside is undone at the end, what `fresh` gave out too."""
        snapshot, last_number = self.tester.take_snapshot(), self.last_number
        yield
        self.tester.revert_to_snapshot(snapshot)
        self.last_number = last_number

    def fresh(self) -> bytes:
        """32 bytes that no one has used."""
        self.last_number += 1
        return keccak(self.last_number.to_bytes(32, "big"))

    def _learn_errors(self, abi: list[dict[str, Any]]) -> None:
        for entry in abi:
            if entry["type"] == "error":
                types = [argument["type"] for argument in entry["inputs"]]
                selector = keccak(text=f"{entry['name']}({','.join(types)})")[:4]
                self._errors[selector] = (entry["name"], types)

    def _decoded(self, failure: TransactionFailed) -> Refused:
        text = str(failure.args[0]).removeprefix("execution reverted: ")
        try:
            data: bytes = ast.literal_eval(text)
            name, types = self._errors[data[:4]]
        except (KeyError, SyntaxError, ValueError):
            return Refused(text)
        return Refused(name, *self.w3.codec.decode(types, data[4:]))

    # ---------------------------------------------------------------- consent

    def new_grant(self, **changes: Any) -> Grant:
        """A grant that the registry takes, unless `changes` spoil it."""
        fields: dict[str, Any] = {
            "subject": self.fresh(),
            "scope": role("purpose"),
            "consent_digest": self.fresh(),
            "insured": self.people["insured"],
            "guardian": NOBODY,
            "expires": self.now + YEAR,
        }
        return Grant(**(fields | changes))

    def nonce(self, who: str) -> int:
        return int(self.ask(self.registry.functions.nonces(self.people[who])))

    def signed_grant(self, grant: Grant, *, by: str = "insured", **once: int | None) -> tuple[Any, ...]:
        """The three arguments of `grant`."""
        until, signature = self._signed(grant_typed_data, grant, by=by, **once)
        return grant.as_tuple(), until, signature

    def signed_renewal(
        self,
        grant: Grant,
        expires: int,
        *,
        digest: bytes | None = None,
        by: str = "insured",
        **once: int | None,
    ) -> tuple[Any, ...]:
        """The six arguments of `renew`."""
        consent = self.fresh() if digest is None else digest
        until, signature = self._signed(renew_typed_data, grant.id, expires, consent, by=by, **once)
        return grant.as_tuple(), expires, consent, self.people[by], until, signature

    def signed_revocation(self, grant: Grant, *, by: str = "insured", **once: int | None) -> tuple[Any, ...]:
        """The four arguments of `revoke`, and the last three of `revokeInWave`."""
        until, signature = self._signed(revoke_typed_data, grant.id, by=by, **once)
        return grant.as_tuple(), self.people[by], until, signature

    def _signed(
        self, document: Any, *what: Any, by: str, nonce: int | None = None, deadline: int | None = None
    ) -> tuple[int, bytes]:
        until = self.next_time + DAY if deadline is None else deadline
        once = {"nonce": self.nonce(by) if nonce is None else nonce, "deadline": until}
        return until, sign(document(*what, **once, **self.domain), KEYS[by])

    @property
    def domain(self) -> dict[str, Any]:
        return {"chain_id": self.w3.eth.chain_id, "registry": self.registry.address}

    def granted(self, *, by: str = "insured", **changes: Any) -> Grant:
        """A grant that is on chain, signed by the person that it needs."""
        grant = self.new_grant(**changes)
        self.send(self.registry.functions.grant(*self.signed_grant(grant, by=by)), by="stranger")
        return grant

    def liveness(self, grant: Grant, *, at: int | None = None, **changes: Any) -> int:
        arguments = {"id": grant.id, "scope": grant.scope, "subject": grant.subject} | changes
        return int(
            self.ask(
                self.registry.functions.liveness(*arguments.values(), self.now + 1 if at is None else at)
            )
        )

    # ---------------------------------------------------------------- tasks and results

    def registered_dataset(self, *, purpose: bytes = role("purpose")) -> bytes:
        dataset = self.fresh()
        self.send(self.catalog.functions.register(dataset, 4, [purpose]), by="provider")
        return dataset

    def opened_task(
        self,
        *,
        purpose: bytes = role("purpose"),
        deadline: int | None = None,
        kind: TaskKind = TaskKind.STANDING,
    ) -> bytes:
        task = self.fresh()
        until = self.now + YEAR if deadline is None else deadline
        dataset = self.registered_dataset(purpose=purpose)
        arguments = (task, dataset, purpose, self.fresh(), until, kind)
        self.send(self.scheduler.functions.open(*arguments), by="requester")
        return task

    def running_task(self, **opened: Any) -> bytes:
        task = self.opened_task(**opened)
        self.send(self.scheduler.functions.accept(task), by="provider")
        self.send(self.scheduler.functions.start(task), by="provider")
        return task

    def result_for(self, grant: Grant, **changes: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        """(claimKey, resultDigest, authorizationId, subject), as `Result`."""
        fields = {
            "claim_key": self.fresh(),
            "result_digest": self.fresh(),
            "authorization_id": grant.id,
            "subject": grant.subject,
        } | changes
        claim_key, result_digest, authorization_id, subject = fields.values()
        return claim_key, result_digest, authorization_id, subject

    def record(self, task: bytes, *results: tuple[bytes, bytes, bytes, bytes]) -> TxReceipt:
        return self.send(
            self.store.functions.recordBatch(task, list(results)), by="recorder", gas=GAS_LIMIT - 1
        )

    def preview(self, task: bytes, *results: tuple[bytes, bytes, bytes, bytes]) -> list[int]:
        return list(self.ask(self.store.functions.preview(task, list(results)), by="recorder"))

    def recorded_claim(self) -> tuple[bytes, bytes, Grant]:
        """-> (claim key, its running task, its grant)."""
        grant, task = self.granted(), self.running_task()
        result = self.result_for(grant)
        self.record(task, result)
        return result[0], task, grant


def _decode_log(contract: Contract, log: Any) -> Any:
    for entry in contract.abi:
        if entry["type"] != "event":
            continue
        types = ",".join(argument["type"] for argument in entry["inputs"])
        if keccak(text=f"{entry['name']}({types})") == log["topics"][0]:
            return contract.events[entry["name"]]().process_log(log)
    raise AssertionError(f"an event that the ABI does not know: {log['topics'][0].hex()}")
