"""Random lives of claims, in a line of two stores, and of the audit log's checkpoints."""

from typing import Any

from eth_utils.crypto import keccak
from hypothesis import strategies as st

from engine.chain.eip712 import Grant
from tests.contracts.machine.base import FEW, MOSTLY, STORES, account, move
from tests.contracts.machine.consents import Consents
from tests.contracts.machine.tasks import Tasks
from tests.contracts.model import PayoutState, TaskKind, TaskState
from tests.contracts.model.office import Reverts
from tests.contracts.model.registry import Signed
from tests.contracts.model.store import Item
from tests.contracts.transparency import consistency, head

STORE = st.sampled_from(("in office",) * 14 + STORES)
TWO = (["engine_witness", "auditor"], ["hospital", "auditor"], ["other_hospital", "engine_witness"])
FEWER = (["auditor"], ["hospital", "other_hospital"], ["engine_witness", "stranger"])
LOG = [f"entry {i}".encode() for i in range(200)]


class Results(Consents, Tasks):
    claims: list[bytes]

    def kept(self) -> set[str]:
        return super().kept() | {"claims"}

    def prepare(self) -> None:
        super().prepare()
        self.claims = []
        for pick in range(2):  # a claim under a lasting consent, for the later rules to meet
            self.record("store", pick, True, [(pick, None, "")], True)

    # ------------------------------------------------------------ drawing

    def store_of(self, name: str) -> str:
        if name != "in office":
            return name
        return "heir" if self.model.store.successor == self.model.heir.address else "store"

    def recordable(self, pick: int, good: bool) -> bytes:
        """A task, where `good` one under which results can be recorded now if there is any."""
        tasks = self.model.scheduler.tasks
        due = {(TaskKind.STANDING, TaskState.RUNNING), (TaskKind.ONE_OFF, TaskState.COMPLETED)}
        live = [t for t in self.tasks if (tasks[t].kind, tasks[t].state) in due]
        return self.pick(live if good and live else self.tasks, pick)

    def consent(self, pick: int, task: bytes) -> Grant:
        """A consent that is live for the task if there is any."""
        purpose, now = self.model.scheduler.tasks[task].purpose, self.world.next_time
        live = [g for g in self.grants if not self.model.registry.liveness(g.id, purpose, g.subject, now)]
        return self.pick(live or self.grants, pick)

    def item(self, task: bytes, pick: int, claim: bytes, spoil: str) -> Item:
        grant = self.pick(self.grants, pick) if spoil == "any consent" else self.consent(pick, task)
        changes: dict[str, Any] = {
            "unknown": {"authorization_id": self.world.fresh()},
            "other subject": {"subject": self.world.fresh()},
            "no digest": {"result_digest": bytes(32)},
        }.get(spoil, {})
        return self.world.result_for(grant, claim_key=claim, **changes)

    SPOIL = st.sampled_from(("",) * 16 + ("any consent", "unknown", "other subject", "no digest"))

    # ------------------------------------------------------------ claims

    @move(
        4,
        store=STORE,
        pick=FEW,
        good=MOSTLY,
        picks=st.lists(st.tuples(FEW, st.sampled_from((None,) * 12 + (0, 1)), SPOIL), min_size=1, max_size=3),
        right=MOSTLY,
    )
    def record(
        self, store: str, pick: int, good: bool, picks: list[tuple[int, int | None, str]], right: bool
    ) -> None:
        """On new claims, and now and then on known ones; preview must say the same."""
        name, task = self.store_of(store), self.recordable(pick, good)
        items = []
        for consent, known, spoil in picks:
            old = [*self.claims, *(item[0] for item in items)]
            claim = self.world.fresh() if known is None or not old else self.pick(old, known)
            items.append(self.item(task, consent, claim, spoil))
        self._previews(name, "preview", task, items)
        if self.act(name, "recordBatch", task, items, by="recorder" if right else "stranger"):
            self.claims += [item[0] for item in items]

    @move(
        2,
        store=STORE,
        pick=FEW,
        good=MOSTLY,
        picks=st.lists(st.tuples(FEW, FEW, SPOIL), min_size=1, max_size=3),
        ascending=MOSTLY,
        right=MOSTLY,
    )
    def supersede(
        self,
        store: str,
        pick: int,
        good: bool,
        picks: list[tuple[int, int, str]],
        ascending: bool,
        right: bool,
    ) -> None:
        name, task = self.store_of(store), self.recordable(pick, good)
        known = list(getattr(self.model, name).claims) or self.claims
        items = [self.item(task, consent, self.pick(known, claim), spoil) for consent, claim, spoil in picks]
        if ascending:
            items = sorted({item[0]: item for item in items}.values())
        self._previews(name, "previewSupersession", task, items)
        by = "recorder" if right else "payer"
        if self.act(name, "supersedeBatch", task, items, by=by):
            self.act(name, "supersedeBatch", task, items, by=by)  # sent again for want of an answer

    @move(
        2,
        store=STORE,
        picks=st.lists(st.tuples(FEW, st.sampled_from((0,) * 7 + (1,))), min_size=1, max_size=2),
        right=MOSTLY,
    )
    def confirm(self, store: str, picks: list[tuple[int, int]], right: bool) -> None:
        name = self.store_of(store)
        rows = [(*self._version(name, pick, behind), self.world.fresh()) for pick, behind in picks]
        self.act(name, "confirmPayouts", rows, by="payer" if right else "recorder")

    @move(store=STORE, pick=FEW, behind=st.sampled_from((0, 0, 0, 1)), right=MOSTLY)
    def reverse(self, store: str, pick: int, behind: int, right: bool) -> None:
        name = self.store_of(store)
        arguments = (*self._version(name, pick, behind), self.world.fresh())
        self.act(name, "reverse", *arguments, by="recorder" if right else "payer")

    @move(
        3,
        now=st.sampled_from((True, False)),
        again=st.sampled_from((0,) * 9 + (1,)),
        appointed=MOSTLY,
        right=MOSTLY,
    )
    def hand_over(self, now: bool, again: int, appointed: bool, right: bool) -> None:
        """The first store to its heir, not always at once; the heir to nobody that answers."""
        if not now:
            return
        name = "store" if not again else "heir"
        to = {"store": self.model.heir.address, "heir": self.world.catalog.address.lower()}[name]
        if not appointed:
            to = self.world.registry.address.lower()
        self.act(name, "handOver", to, by="governor" if right else "recorder")

    # ------------------------------------------------------------ checkpoints

    @move(
        2,
        store=STORE,
        more=st.sampled_from((1, 2, 3, 4, 5, 6, 7, 0)),
        by=st.sampled_from((*TWO, *TWO, *TWO, *FEWER)),
        spoil=st.sampled_from(("",) * 6 + ("proof", "root", "signature")),
    )
    def checkpoint(self, store: str, more: int, by: list[str], spoil: str) -> None:
        name = self.store_of(store)
        keeper = getattr(self.model, name)
        last = keeper.checkpoint
        log = LOG[: last.size + more]
        proof = consistency(last.size, log) if last.size and more else []
        root = head([*LOG[:3], b"forged"]) if spoil == "root" and last.size else head(log)
        if spoil == "proof":
            proof = [*proof, root]
        signed_size = len(log) + (spoil == "signature")
        what = ("checkpoint", keeper.address, signed_size, root, last.size, last.root)
        signatures = [Signed(account(who), what, 0, 0) for who in by]
        encoded = [self._signature(signed) for signed in signatures]
        chain = (len(log), root, proof, encoded)
        self.act(name, "recordCheckpoint", log, root, proof, signatures, by="stranger", chain=chain)

    # ------------------------------------------------------------ what must hold

    def _version(self, store: str, pick: int, behind: int) -> tuple[bytes, int]:
        known = getattr(self.model, store).claims
        unpaid = [c for c, versions in known.items() if versions[-1].state == PayoutState.RECORDED]
        claim = self.pick((unpaid if pick % 3 else list(known)) or self.claims, pick)
        return claim, max(0, len(known.get(claim, ())) - behind)

    def _previews(self, store: str, name: str, task: bytes, items: list[Item]) -> None:
        """As of the latest block, a second or more before what is then done."""
        rule_ = {"preview": "preview", "previewSupersession": "preview_supersession"}[name]
        try:
            expected: Any = getattr(getattr(self.model, store), rule_)(self.world.now, task, items)
        except Reverts as refusal:
            expected = refusal.args
        told = self.ask(store, name, task, items)
        assert (tuple(told) if isinstance(expected, tuple) else told) == expected

    def compare(self) -> None:
        super().compare()
        for store in STORES:
            keeper = getattr(self.model, store)
            for claim, versions in self.changed(store, "claims").items():
                assert self.ask(store, "versionOf", claim) == len(versions)
                for number, version in enumerate(versions, start=1):
                    assert self.ask(store, "payoutStateOf", claim, number) == version.state
                    said = keccak(
                        keccak(version.digest + version.authorization)
                        + keccak(version.task + number.to_bytes(32, "big"))
                    )
                    assert self.ask(store, "commitmentOf", claim, number) == said
            last = keeper.checkpoint
            assert self.ask(store, "latestCheckpoint") == (last.size, last.time, last.root)
        for claim in self.claims:
            here = [claim in getattr(self.model, store).claims for store in STORES]
            assert sum(here) == 1, "recorded once in a line of stores"
            assert [self.ask(store, "isRecorded", claim) for store in STORES] == [here[0], True]
