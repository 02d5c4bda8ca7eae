"""What every part of the machine does: draw from what there is, act on chain and in the model, compare."""

import re
from collections import defaultdict
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any, ClassVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from engine.chain.eip712 import (
    Grant,
    LogHead,
    checkpoint_typed_data,
    grant_typed_data,
    renew_typed_data,
    revoke_typed_data,
    sign,
)
from tests.contracts.model.catalog import Catalog
from tests.contracts.model.office import Reverts
from tests.contracts.model.registry import Registry, Signed
from tests.contracts.model.scheduler import Scheduler
from tests.contracts.model.store import Store, StoreRoles
from tests.contracts.world import DAY, KEYS, ROLES, Refused, World, role

PURPOSES = (role("purpose"), role("another purpose"))
STORES = ("store", "heir")
FEW = st.integers(min_value=0, max_value=11)
MOSTLY = st.sampled_from((True,) * 7 + (False,))
ACCOUNTS = {key.address.lower(): name for name, key in KEYS.items()}
WITNESS_ROLES = ("ENGINE_WITNESS_ROLE", "HOSPITAL_WITNESS_ROLE", "AUDITOR_ROLE")


def move(weight: int = 1, **arguments: st.SearchStrategy[Any]) -> Callable[[Any], Any]:
    """One thing that can happen, how often, and what its arguments are drawn from.

    Not Hypothesis's own `rule`: of so many it leaves most out of any one sequence, and tries those that are
    left again and again, so that a moderate run would never see half of what there is.
    """

    def mark(function: Any) -> Any:
        function.weight, function.arguments = weight, arguments
        return function

    return mark


def account(who: str) -> str:
    return KEYS[who].address.lower()


class System:
    """The four contracts and the store's successor, as the model has them."""

    def __init__(self, store: str, heir: str) -> None:
        def held(contract: str) -> dict[str, bytes]:
            return {account(who): role(name) for name, people in ROLES[contract].items() for who in people}

        pauser = role("PAUSER_ROLE")
        self.registry = Registry(held("registry"), pauser, role("ENROLMENT_ROLE"), role("REVOKER_ROLE"))
        self.registry.scopes = [*PURPOSES]
        self.catalog = Catalog(held("catalog"), pauser, role("PROVIDER_ROLE"))
        self.scheduler = Scheduler(
            held("scheduler"),
            pauser,
            catalog=self.catalog,
            provider=role("PROVIDER_ROLE"),
            requester=role("REQUESTER_ROLE"),
            arbiter=role("ARBITER_ROLE"),
        )
        roles = StoreRoles(
            role("RECORDER_ROLE"),
            role("PAYER_ROLE"),
            tuple(role(name) for name in WITNESS_ROLES),
            role("SUCCESSOR_ROLE"),
        )
        below: dict[str, Any] = {"registry": self.registry, "scheduler": self.scheduler, "roles": roles}
        self.store = Store(held("store"), pauser, address=store, predecessor=None, **below)
        self.heir = Store(held("store"), pauser, address=heir, predecessor=self.store, **below)


class Machine(RuleBasedStateMachine):
    """Small numbers pick among the ids that are there, so that they meet again and again.

    What the contracts were told is told to the model first: it says what is to become of it, in every detail.
    """

    world: ClassVar[World]
    model: System
    random: Random
    tally: ClassVar[dict[str, list[int]]] = defaultdict(lambda: [0, 0])  # function -> [refused, succeeded]
    prepared: ClassVar[dict[str, Any]] = {}

    @initialize()
    def begin(self) -> None:
        """One deployment for all sequences: each starts from the same block, and from the same numbers."""
        if not Machine.prepared:
            Machine.world = World()
            self.world.heir = self.world.deploy_successor(self.world.store)
            catalog = self.world.catalog.address
            self.world.change_role(self.world.heir, "SUCCESSOR_ROLE", catalog, grants=True)
            self.model = System(self.world.store.address.lower(), self.world.heir.address.lower())
            self.model.store.held[self.model.heir.address] = role("SUCCESSOR_ROLE")
            self.model.heir.held[catalog.lower()] = role("SUCCESSOR_ROLE")
            self.prepare()
            kept = deepcopy({name: vars(self)[name] for name in self.kept()})
            Machine.prepared = {"snapshot": self.world.tester.take_snapshot(), "kept": kept}
            self.tally.clear()  # what was prepared proves nothing
        self.world.tester.revert_to_snapshot(Machine.prepared["snapshot"])
        self.world.last_number = 10_000
        vars(self).update(deepcopy(Machine.prepared["kept"]))
        self.random = Random(0)

    def kept(self) -> set[str]:
        """What a part keeps between its rules, and `prepare` sets up."""
        return {"model"}

    def prepare(self) -> None:
        """What is there before every sequence."""

    def compare(self) -> None:
        """What must be the same on chain as in the model."""

    @classmethod
    def moves(cls) -> list[str]:
        marked = (name for name in dir(cls) if hasattr(getattr(cls, name), "arguments"))
        return [name for name in sorted(marked) for _ in range(getattr(cls, name).weight)]

    @rule(data=st.data(), salt=st.integers(min_value=0, max_value=2**64 - 1))
    def happens(self, data: st.DataObject, salt: int) -> None:
        """Hypothesis draws the arguments. Which move comes hangs on all that it drew so far, since it
        likes to draw zeros, and what it drew before.
        """
        self.random = Random(f"{self.random.random()} {salt}")  # a reproducible mix of all salts
        name = self.random.choice(self.moves())
        note(name)
        move_ = getattr(self, name)
        move_(**{argument: data.draw(strategy) for argument, strategy in move_.arguments.items()})

    # ------------------------------------------------------------ acting

    def act(
        self, contract: str, name: str, *arguments: Any, by: str, chain: tuple[Any, ...] | None = None
    ) -> bool:
        """Do it on chain and in the model; whether it was taken. `chain`: the arguments as the chain takes
        them, where they are not the model's.
        """
        note(f"{by}: {contract}.{name}{arguments} at {self.world.next_time}")
        trial, expected = self._tried(contract, name, arguments, by, self.world.next_time)
        encoded = [self._encoded(argument) for argument in arguments] if chain is None else chain
        function, told = getattr(self.world, contract).functions[name](*encoded), None
        try:
            self.world.send(function, by=by)
        except Refused as refused:
            told = refused.args
        assert told == expected, (name, told, expected)
        if expected is None:
            self.model = trial
        self.tally[f"{contract}.{name}"][expected is None] += 1
        return expected is None

    def would(self, contract: str, name: str, *arguments: Any, by: str, now: int) -> bool:
        """Whether the model would take it."""
        return self._tried(contract, name, arguments, by, now)[1] is None

    def _tried(
        self, contract: str, name: str, arguments: tuple[Any, ...], by: str, now: int
    ) -> tuple[System, tuple[Any, ...] | None]:
        """-> (what the model is afterwards, why not)."""
        trial = deepcopy(self.model)
        answer = getattr(getattr(trial, contract), re.sub("([A-Z])", lambda m: "_" + m[1].lower(), name))
        try:
            answer(account(by), now, *arguments)
        except Reverts as refusal:
            return trial, refusal.args
        return trial, None

    def ask(self, contract: str, name: str, *arguments: Any) -> Any:
        """A view's answer, or the error's name and arguments."""
        try:
            return self.world.ask(getattr(self.world, contract).functions[name](*arguments))
        except Refused as refused:
            return refused.args

    def signed(self, who: str, *what: Any, late: bool = False, off: int = 0) -> tuple[int, Signed]:
        """-> (deadline, the signature), late or for a nonce that is `off` from the due one on demand."""
        deadline = self.world.next_time - 1 if late else self.world.next_time + DAY
        nonce = self.model.registry.nonces[account(who)] + off
        return deadline, Signed(account(who), what, nonce, deadline)

    def pick(self, things: list[Any], number: int) -> Any:
        return things[number % len(things)]

    def _encoded(self, argument: Any) -> Any:
        match argument:
            case Grant():
                return argument.as_tuple()
            case Signed():
                return self._signature(argument)
            case list():
                return [self._encoded(one) for one in argument]
            case str():
                return self.world.w3.to_checksum_address(argument)
            case _:
                return argument

    def _signature(self, signed: Signed) -> Any:
        key = KEYS[ACCOUNTS[signed.by]]
        once = {"nonce": signed.nonce, "deadline": signed.deadline, **self.world.domain}
        match signed.what:
            case ("grant", grant):
                return sign(grant_typed_data(grant, **once), key)
            case ("renew", id_, expires, digest):
                return sign(renew_typed_data(id_, expires, digest, **once), key)
            case ("revoke", id_):
                return sign(revoke_typed_data(id_, **once), key)
            case ("checkpoint", store, size, root, last_size, last_root):
                heads = (LogHead(size, root), LogHead(last_size, last_root))
                chain_id = self.world.domain["chain_id"]
                document = checkpoint_typed_data(*heads, chain_id=chain_id, store=store)
                return key.address, sign(document, key)
        raise AssertionError(signed)

    def changed(self, contract: str, name: str) -> dict[Any, Any]:
        """What a dictionary of the model holds that it did not hold before the sequence."""
        before = getattr(getattr(Machine.prepared["kept"]["model"], contract), name)
        now = getattr(getattr(self.model, contract), name)
        return {key: value for key, value in now.items() if before.get(key) != value}
