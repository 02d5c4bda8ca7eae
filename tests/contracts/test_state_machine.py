"""Random lives of consents and claims, against the model that the tests keep themselves."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.chain.eip712 import Grant, MerkleTree, wave_leaf
from tests.contracts.model import (
    Claim,
    Consent,
    Item,
    Ledger,
    Liveness,
    PayoutRefusal,
    PayoutState,
)
from tests.contracts.world import YEAR, Refused, World, role

PURPOSES = (role("purpose"), role("another purpose"))
LIVES = int(os.environ.get("LIVES", "10"))  # `make lives` asks for thousands
pytestmark = pytest.mark.timeout(24 * LIVES)  # three seconds of work each, on a machine that may be busy
FEW = st.integers(min_value=0, max_value=7)
WORLD: list[World] = []


def one_world() -> World:
    """One deployment for all examples: ids are fresh, and every example returns to the snapshot."""
    if not WORLD:
        WORLD.append(World())
    return WORLD[0]


class Lives(RuleBasedStateMachine):
    """Small numbers pick among the ids and claims that are there, so that they meet again and again."""

    @initialize()
    def begin(self) -> None:
        self.world = one_world()
        self.snapshot = self.world.tester.take_snapshot()
        self.ledger = Ledger()
        self.grants: list[Grant] = []
        self.claims: list[bytes] = []
        self.tasks = {purpose: self.world.running_task(purpose=purpose) for purpose in PURPOSES}
        self.wave = [self.world.new_grant(expires=self.world.now + YEAR) for _ in range(4)]
        self.tree = MerkleTree.of([wave_leaf(leaf) for leaf in self.wave])
        functions = self.world.registry.functions
        self.world.send(
            functions.grantWave(self.tree.root, 4, PURPOSES[0], self.world.now + YEAR, PURPOSES[0]),
            by="enrolment",
        )
        self.wave_granted = self.world.now
        for purpose in PURPOSES:  # a claim under a lasting consent, for the later rules to meet
            self.grant(purpose, YEAR)
            self.record_in_scope(len(self.grants) - 1)

    def teardown(self) -> None:
        if hasattr(self, "snapshot"):
            self.world.tester.revert_to_snapshot(self.snapshot)

    # ------------------------------------------------------------ consent

    @rule(purpose=st.sampled_from(PURPOSES), seconds=st.sampled_from((1, 30, YEAR)))
    def grant(self, purpose: bytes, seconds: int) -> None:
        grant = self.world.new_grant(scope=purpose, expires=self.world.now + 1 + seconds)
        arguments = self.world.signed_grant(grant)
        self.world.send(self.world.registry.functions.grant(*arguments), by="stranger")
        self.grants.append(grant)
        self._keep(grant, self.world.now)

    @precondition(lambda self: self.grants)
    @rule(pick=FEW)
    def grant_a_known_id(self, pick: int) -> None:
        again = self.world.new_grant(id=self._pick(self.grants, pick).id)
        self._expect_refusal(
            self.world.registry.functions.grant(*self.world.signed_grant(again)), "stranger", "GrantRefused"
        )

    @rule(pick=FEW)
    def materialize(self, pick: int) -> None:
        leaf = self._pick(self.wave, pick)
        function = self.world.registry.functions.materialize(
            self.tree.root, leaf.as_tuple(), self.tree.proof(wave_leaf(leaf))
        )
        if leaf.id in self.ledger.consents:
            self._expect_refusal(function, "stranger", "GrantRefused")
            return
        self.world.send(function, by="stranger")
        self.grants.append(leaf)
        self._keep(leaf, self.wave_granted)

    @rule(pick=FEW)
    def revoke_in_the_wave(self, pick: int) -> None:
        leaf = self._pick(self.wave, pick)
        _, deadline, signature = self.world.signed_revocation(leaf.id)
        proof = self.tree.proof(wave_leaf(leaf))
        function = self.world.registry.functions.revokeUnmaterialized(
            self.tree.root, leaf.as_tuple(), proof, deadline, signature
        )
        if leaf.id in self.ledger.consents:
            self._expect_refusal(function, "stranger", "GrantRefused")
            return
        self.world.send(function, by="stranger")
        self.grants.append(leaf)
        self._keep(leaf, self.wave_granted, revoked=True)

    @precondition(lambda self: self.grants)
    @rule(pick=FEW, signed=st.booleans())
    def revoke(self, pick: int, signed: bool) -> None:
        grant = self._pick(self.grants, pick)
        functions = self.world.registry.functions
        function, by = (
            (functions.revoke(*self.world.signed_revocation(grant.id)), "stranger")
            if signed
            else (functions.revokeFor(grant.id), "revoker")
        )
        if self.ledger.consents[grant.id].revoked:
            self._expect_refusal(function, by, "AlreadyRevoked")
            return
        self.world.send(function, by=by)
        self.ledger.consents[grant.id].revoked = True

    @rule(seconds=st.integers(min_value=2, max_value=40))
    def time_passes(self, seconds: int) -> None:
        self.world.wait_until(self.world.now + seconds)

    # ------------------------------------------------------------ results

    @rule(
        purpose=st.sampled_from(PURPOSES),
        picks=st.lists(st.tuples(FEW, st.none() | FEW, st.booleans()), min_size=1, max_size=4),
    )
    def record(self, purpose: bytes, picks: list[tuple[int, int | None, bool]]) -> None:
        """Items on known or new claims, under known or unknown consents, now and then of another subject."""
        self._record(purpose, [self._item(*pick) for pick in picks])

    @precondition(lambda self: self.grants)
    @rule(pick=FEW)
    def record_in_scope(self, pick: int) -> None:
        grant = self._pick(self.grants, pick)
        self.claims.append(self.world.fresh())
        self._record(grant.scope, [self.world.result_for(grant, claim_key=self.claims[-1])])

    def _record(self, purpose: bytes, items: list[Item]) -> None:
        task = self.tasks[purpose]
        now = self.world.now  # preview looks at the latest block, recording comes a second later
        assert self.world.preview(task, *items) == self.ledger.refusals(items, purpose, now)
        expected = self.ledger.refusals(items, purpose, now + 1)
        bad = next((i for i, refusal in enumerate(expected) if refusal), None)
        function = self.world.store.functions.recordBatch(task, items)
        if bad is not None:
            error = self._expect_refusal(function, "recorder", "ItemRefused")
            assert error == ("ItemRefused", bad, items[bad][0], expected[bad])
            return
        event("recorded")
        self.world.send(function, by="recorder")
        for item in items:
            self.ledger.claims[item[0]] = Claim(last=(item[1], item[2], task))

    @precondition(lambda self: self.claims)
    @rule(pick=FEW, consent=FEW, in_scope=st.sampled_from((True, True, False)))
    def supersede(self, pick: int, consent: int, in_scope: bool) -> None:
        grant = self._pick(self.grants, consent)
        item = self.world.result_for(grant, claim_key=self._pick(self.claims, pick))
        purpose = grant.scope if in_scope else PURPOSES[grant.scope == PURPOSES[0]]
        task = self.tasks[purpose]
        function = self.world.store.functions.supersede(task, item)
        claim = self.ledger.claims.get(item[0])
        if claim is None:
            self._expect_refusal(function, "recorder", "ClaimUnknown")
            return
        refusal = self.ledger.consent_refusal(item[2], item[3], purpose, self.world.now + 1)
        if refusal:
            error = self._expect_refusal(function, "recorder", "ItemRefused")
            assert error == ("ItemRefused", 0, item[0], refusal)
            return
        event("superseded")
        self.world.send(function, by="recorder")
        claim.version, claim.state = claim.version + 1, PayoutState.RECORDED
        self._expect_refusal(function, "recorder", "ResultUnchanged")

    @precondition(lambda self: self.claims)
    @rule(picks=st.lists(st.tuples(FEW, st.sampled_from((0, 0, 0, 1))), min_size=1, max_size=2))
    def confirm(self, picks: list[tuple[int, int]]) -> None:
        keys = [self._pick(self.claims, pick) for pick, _ in picks]
        known = [self.ledger.claims.get(key) for key in keys]
        versions = [
            (claim.version if claim else 1) - behind for claim, (_, behind) in zip(known, picks, strict=True)
        ]
        function = self.world.store.functions.confirmPayouts(
            keys, versions, [self.world.fresh() for _ in keys]
        )
        paid: set[bytes] = set()
        for index, (key, version) in enumerate(zip(keys, versions, strict=True)):
            refusal = self.ledger.payout_refusal(key, version)
            if not refusal and key in paid:
                refusal = PayoutRefusal.ALREADY_PAID
            if refusal:
                error = self._expect_refusal(function, "payer", "PayoutRefused")
                assert error == ("PayoutRefused", index, key, version, refusal)
                return
            paid.add(key)
        event("confirmed")
        self.world.send(function, by="payer")
        for key in paid:
            claim = self.ledger.claims[key]
            claim.state = PayoutState.PAID
            claim.paid.append(claim.version)

    @precondition(lambda self: self.claims)
    @rule(pick=FEW)
    def reverse(self, pick: int) -> None:
        key = self._pick(self.claims, pick)
        claim = self.ledger.claims.get(key)
        function = self.world.store.functions.reverse(key, self.world.fresh())
        if claim is None or claim.state == PayoutState.REVERSED:
            self._expect_refusal(function, "recorder", "ClaimUnknown" if claim is None else "AlreadyReversed")
            return
        self.world.send(function, by="recorder")
        claim.state = PayoutState.REVERSED

    # ------------------------------------------------------------ what must hold

    @invariant()
    def the_contracts_and_the_model_tell_the_same(self) -> None:
        if not hasattr(self, "ledger"):
            return
        now = self.world.now
        for grant in [*self.grants[-1:], self.wave[0]]:
            assert self.world.liveness(grant, at=now) == Liveness(
                int(self.ledger.consent_refusal(grant.id, grant.subject, grant.scope, now))
            )
        store = self.world.store.functions
        for key in {self.claims[0], self.claims[-1]}:
            claim = self.ledger.claims.get(key)
            expected = (claim.version, claim.state) if claim else (0, PayoutState.NONE)
            assert (
                self.world.ask(store.versionOf(key)),
                self.world.ask(store.payoutStateOf(key)),
            ) == expected
            if claim:
                assert len(claim.paid) == len(set(claim.paid))

    # ------------------------------------------------------------ helpers

    def _pick(self, things: list[Any], pick: int) -> Any:
        return things[pick % len(things)]

    def _item(self, consent: int, claim: int | None, strange: bool) -> Item:
        grant = self.grants[consent % len(self.grants)] if self.grants and consent else self.world.new_grant()
        if claim is None or not self.claims:
            self.claims.append(self.world.fresh())
            key = self.claims[-1]
        else:
            key = self._pick(self.claims, claim)
        subject = self.world.fresh() if strange else grant.subject
        return key, self.world.fresh(), grant.id, subject

    def _keep(self, grant: Grant, granted: int, *, revoked: bool = False) -> None:
        self.ledger.consents[grant.id] = Consent(grant.scope, grant.subject, granted, grant.expires, revoked)

    def _expect_refusal(self, function: Any, by: str, error: str) -> tuple[object, ...]:
        with pytest.raises(Refused) as refused:
            self.world.send(function, by=by)
        assert refused.value.args[0] == error, refused.value.args
        return refused.value.args


Lives.TestCase.settings = settings(
    max_examples=LIVES,
    stateful_step_count=30,
    # Shrinking on a chain outlasts a test's time limit, which would then show no example at all.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    deadline=None,
)
TestLivesOfConsentsAndClaims = Lives.TestCase
