"""A paid claim's evidence verifies against the chain; events are found and paged; nothing comes too early."""

import pytest

from engine.chain.rpc import ReadOnlyRpc
from engine.errors import Conflict, NotFound
from engine.evidence.anchors import Anchor
from engine.evidence.report import Outcome
from engine.evidence.verify import verify_bundle
from engine.payout.port import TransferStatus
from engine.pipeline import audit, reversal
from tests.pipeline.world import World


class Endpoint:
    """The chain as an auditor's own client reads it."""

    def __init__(self, world: World) -> None:
        self._rpc = ReadOnlyRpc(world.ctx.chain)

    def request(self, method: str, params: list[object]) -> object:
        import json

        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return json.loads(self._rpc.handle(json.dumps(call).encode()))["result"]


def verified(world: World, claim: str) -> tuple[Outcome, int | None, str | None]:
    report = verify_bundle(audit.evidence_bundle(world.ctx, claim), Anchor(endpoint=Endpoint(world)))
    return report.outcome, report.amount_fen, report.standing


def test_the_evidence_of_a_paid_claim_verifies(either: World) -> None:
    claim = either.accepted(0)
    either.confirmed(claim)
    row = either.claim(claim)
    assert verified(either, claim) == (Outcome.VERIFIED, row.payable_fen, "paid")
    assert row.claim_key is not None
    by_key = audit.evidence_bundle(either.ctx, row.claim_key)
    assert by_key == audit.evidence_bundle(either.ctx, claim)


def test_the_evidence_of_a_second_stay_carries_its_history(world: World) -> None:
    from datetime import date

    first = world.accepted(0, admitted=date(2024, 8, 1), self_paid_fen=900_000)
    second = world.accepted(0, admitted=date(2024, 10, 1), self_paid_fen=2_000_000)
    world.decided(first)
    world.confirmed(second)
    assert verified(world, second)[0] is Outcome.VERIFIED


def test_the_evidence_of_a_later_version_verifies(world: World) -> None:
    claim = world.accepted(0)
    world.submitted(claim)
    world.bank_says(claim, TransferStatus.REFUSED, "account_closed")
    world.again(claim)
    world.confirmed(claim)
    assert verified(world, claim) == (Outcome.VERIFIED, world.claim(claim).payable_fen, "paid")


def test_the_evidence_of_what_was_taken_back_says_so(world: World) -> None:
    claim = world.accepted(0)
    world.confirmed(claim)
    world.reverse(claim)
    reversal.reverse_on_chain(world.ctx, 10)
    outcome, _, standing = verified(world, claim)
    assert (outcome, standing) == (Outcome.VERIFIED, "reversed")


def test_evidence_of_another_claims_chain_does_not_verify(world: World) -> None:
    claim, other = world.accepted(0), world.accepted(1)
    world.confirmed(claim, other)
    ours, theirs = (audit.evidence_bundle(world.ctx, one) for one in (claim, other))
    key, other_key = (str(world.claim(one).claim_key).encode() for one in (claim, other))
    assert key in ours
    report = verify_bundle(ours.replace(key, other_key), Anchor(endpoint=Endpoint(world)))
    assert report.outcome is Outcome.FAILED
    assert theirs != ours


@pytest.mark.parametrize("step", ["accepted", "recorded", "submitted", "settled"])
def test_there_is_no_evidence_before_the_payment_is_confirmed(world: World, step: str) -> None:
    claim = world.accepted(0)
    if step != "accepted":
        getattr(world, step)(claim)
    with pytest.raises(Conflict) as refused:
        audit.evidence_bundle(world.ctx, claim)
    assert refused.value.code == "evidence.not_yet"


def test_there_is_no_evidence_of_an_unknown_claim(world: World) -> None:
    for name in ("clm_none", "0x" + "00" * 32):
        with pytest.raises(NotFound):
            audit.evidence_bundle(world.ctx, name)


def test_events_are_found_by_claim_by_authorization_and_by_task(world: World) -> None:
    claim, other = world.accepted(0), world.accepted(1)
    world.confirmed(claim, other)
    row = world.claim(claim)

    def found(**by: str | None) -> list[str]:
        wanted = {"claim_key": None, "authorization_id": None, "task_id": None} | by
        page = audit.chain_events(world.ctx, **wanted, from_block=0, limit=500)
        assert page.next is None
        return [item["event"] for item in page.items]

    assert found(claim_key=row.claim_key) == ["ResultRecorded", "PayoutConfirmed"]
    assert row.claim_key is not None
    assert found(claim_key=row.claim_key.upper().replace("0X", "0x")) == found(claim_key=row.claim_key)
    assert found(authorization_id=row.authorization_id) == ["AuthorizationGranted", "ResultRecorded"]
    under_task = found(task_id=row.task_id)
    assert under_task.count("ResultRecorded") == 2
    assert "TaskOpened" in under_task
    assert found(claim_key=row.claim_key, authorization_id=row.authorization_id) == ["ResultRecorded"]
    assert found(claim_key="0x" + "00" * 32) == []


@pytest.mark.parametrize("limit", [1, 7])
def test_pages_of_events_join_to_the_whole_without_loss_or_repeat(world: World, limit: int) -> None:
    world.confirmed(world.accepted(0))
    whole = audit.chain_events(world.ctx, None, None, None, 0, 10_000)
    joined, block = [], 0
    while True:
        page = audit.chain_events(world.ctx, None, None, None, block, limit)
        joined += page.items
        if page.next is None:
            break
        assert isinstance(page.next, int)
        assert page.next > block
        block = page.next
    assert joined == whole.items
    assert len(whole.items) > 30
