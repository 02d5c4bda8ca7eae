"""MatchResultStore, one store (test_migration.py has several)."""

from collections.abc import Callable

import pytest
from eth_abi.abi import encode
from eth_utils import keccak

from engine.chain.eip712 import Grant
from tests.contracts.model import PayoutRefusal, PayoutState, Refusal
from tests.contracts.world import GAS_LIMIT, YEAR, Refused, World, artifact, role

Item = tuple[bytes, bytes, bytes, bytes]


def version(world: World, claim: bytes) -> int:
    return int(world.ask(world.store.functions.versionOf(claim)))


def payout_state(world: World, claim: bytes) -> PayoutState:
    return PayoutState(world.ask(world.store.functions.payoutStateOf(claim)))


def commitment(item: Item, task: bytes, version: int) -> bytes:
    return keccak(encode(["bytes32", "bytes32", "bytes32", "uint32"], [item[1], item[2], task, version]))


def confirm(world: World, claim: bytes, version: int) -> bytes:
    digest = world.fresh()
    world.send(world.store.functions.confirmPayout(claim, version, digest), by="payer")
    return digest


def refused_by(world: World, task: bytes, *items: Item) -> tuple[object, ...]:
    with pytest.raises(Refused) as refused:
        world.record(task, *items)
    return refused.value.args


# ------------------------------------------------------------------ recording

Spoil = Callable[[World, Grant], tuple[Item, Refusal]]


def unknown(world: World, grant: Grant) -> tuple[Item, Refusal]:
    return world.result_for(grant, authorization_id=world.fresh()), Refusal.AUTHORIZATION_UNKNOWN


def revoked(world: World, grant: Grant) -> tuple[Item, Refusal]:
    world.send(world.registry.functions.revoke(*world.signed_revocation(grant.id)), by="stranger")
    return world.result_for(grant), Refusal.AUTHORIZATION_REVOKED


def expired(world: World, _: Grant) -> tuple[Item, Refusal]:
    short = world.granted(expires=world.now + 10)
    world.wait_until(short.expires)
    return world.result_for(short), Refusal.AUTHORIZATION_EXPIRED


def out_of_scope(world: World, _: Grant) -> tuple[Item, Refusal]:
    other = world.granted(scope=role("another purpose"))
    return world.result_for(other), Refusal.AUTHORIZATION_OUT_OF_SCOPE


def other_subject(world: World, grant: Grant) -> tuple[Item, Refusal]:
    return world.result_for(grant, subject=world.fresh()), Refusal.AUTHORIZATION_OTHER_SUBJECT


def already_recorded(world: World, grant: Grant) -> tuple[Item, Refusal]:
    claim, _, _ = world.recorded_claim()
    return world.result_for(grant, claim_key=claim), Refusal.ALREADY_RECORDED


def zero(field: str) -> Spoil:
    def spoil(world: World, grant: Grant) -> tuple[Item, Refusal]:
        return world.result_for(grant, **{field: bytes(32)}), Refusal.ZERO_FIELD

    spoil.__name__ = f"zero_{field}"
    return spoil


SPOILS: list[Spoil] = [
    unknown,
    revoked,
    expired,
    out_of_scope,
    other_subject,
    already_recorded,
    *(zero(field) for field in ("claim_key", "result_digest", "authorization_id", "subject")),
]


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_bad_item_refuses_the_batch_and_is_named_by_index(world: World, spoil: Spoil, place: int) -> None:
    """The reasons: each through recordBatch and through preview (two more need a predecessor or a repeat)."""
    task, good = world.running_task(), world.granted()
    bad, reason = spoil(world, world.granted())
    items = [bad if i == place else world.result_for(good) for i in range(3)]
    assert world.preview(task, *items) == [reason if i == place else Refusal.NONE for i in range(3)]
    assert refused_by(world, task, *items) == ("ItemRefused", place, bad[0], reason)
    known = bad[0] if reason == Refusal.ALREADY_RECORDED else None
    assert all(version(world, item[0]) == 0 for item in items if item[0] != known)


def test_an_authorization_granted_in_the_future_is_not_yet_granted(world: World) -> None:
    """The store asks at block time, so only a view of an earlier time can see this reason."""
    grant = world.granted()
    began = world.now
    assert world.liveness(grant, at=began - 1) == Refusal.AUTHORIZATION_NOT_YET_GRANTED
    world.record(world.running_task(), world.result_for(grant))


def test_a_revoked_authorization_cannot_be_recorded(world: World) -> None:
    task, grant = world.running_task(), world.granted()
    world.record(task, world.result_for(grant))
    world.send(world.registry.functions.revokeFor(grant.id), by="revoker")
    item = world.result_for(grant)
    assert refused_by(world, task, item) == ("ItemRefused", 0, item[0], Refusal.AUTHORIZATION_REVOKED)


def test_an_authorization_is_good_up_to_its_last_second(world: World) -> None:
    task = world.running_task()
    grant = world.granted(expires=world.now + 100)
    in_time, late = world.result_for(grant), world.result_for(grant)
    world.next_block_at(grant.expires - 1)
    world.record(task, in_time)
    assert refused_by(world, task, late) == ("ItemRefused", 0, late[0], Refusal.AUTHORIZATION_EXPIRED)


@pytest.mark.parametrize("places", [(0, 1), (0, 2), (1, 2)])
def test_a_claim_twice_in_one_batch_is_refused(world: World, places: tuple[int, int]) -> None:
    task, grant = world.running_task(), world.granted()
    claim = world.fresh()
    items = [world.result_for(grant, **({"claim_key": claim} if i in places else {})) for i in range(3)]
    expected = [Refusal.REPEATED_IN_BATCH if i == places[1] else Refusal.NONE for i in range(3)]
    assert world.preview(task, *items) == expected
    assert refused_by(world, task, *items) == (
        "ItemRefused",
        places[1],
        claim,
        Refusal.REPEATED_IN_BATCH,
    )
    assert version(world, claim) == 0


def test_the_first_bad_item_is_the_one_that_is_named(world: World) -> None:
    task, grant = world.running_task(), world.granted()
    items = [
        world.result_for(grant),
        world.result_for(grant, subject=world.fresh()),
        world.result_for(grant, authorization_id=world.fresh()),
    ]
    assert world.preview(task, *items) == [
        Refusal.NONE,
        Refusal.AUTHORIZATION_OTHER_SUBJECT,
        Refusal.AUTHORIZATION_UNKNOWN,
    ]
    assert refused_by(world, task, *items)[:2] == ("ItemRefused", 1)


def test_preview_and_recordBatch_agree(world: World) -> None:  # noqa: N802
    """What preview passes is recorded; a refused first occurrence still makes the second a repeat."""
    task, grant = world.running_task(), world.granted()
    claim = world.fresh()
    items = [
        world.result_for(grant, claim_key=claim, subject=world.fresh()),
        world.result_for(grant, claim_key=claim),
        world.result_for(grant),
    ]
    answer = world.preview(task, *items)
    assert answer == [Refusal.AUTHORIZATION_OTHER_SUBJECT, Refusal.REPEATED_IN_BATCH, Refusal.NONE]
    world.record(task, *(item for item, refusal in zip(items, answer, strict=True) if not refusal))
    assert version(world, items[2][0]) == 1


def test_a_batch_is_recorded_whole_or_not_at_all(world: World) -> None:
    task = world.running_task()
    items = [world.result_for(world.granted()) for _ in range(5)]
    receipt = world.record(task, *items)
    assert world.events(receipt, world.store) == [
        (
            "ResultRecorded",
            {
                "claimKey": claim,
                "authorizationId": authorization,
                "taskId": task,
                "resultDigest": digest,
                "version": 1,
            },
        )
        for claim, digest, authorization, _ in items
    ]
    for claim, *_ in items:
        assert (version(world, claim), payout_state(world, claim)) == (1, PayoutState.RECORDED)
        assert world.ask(world.store.functions.isRecorded(claim))
    unrecorded = world.fresh()
    assert (version(world, unrecorded), payout_state(world, unrecorded)) == (0, PayoutState.NONE)
    assert not world.ask(world.store.functions.isRecorded(unrecorded))


def test_a_batch_of_a_hundred_fits_a_transaction_of_every_network(world: World) -> None:
    """2**24 gas is what EIP-7825 leaves a transaction on networks past Prague."""
    task, grant = world.running_task(), world.granted()
    receipt = world.send(
        world.store.functions.recordBatch(task, [world.result_for(grant) for _ in range(100)]),
        by="recorder",
        gas=2**24,
    )
    assert len(world.events(receipt, world.store)) == 100


def test_an_empty_batch_is_refused(world: World) -> None:
    task = world.running_task()
    assert refused_by(world, task) == ("EmptyBatch",)
    with pytest.raises(Refused, match="EmptyBatch"):
        world.preview(task)


def test_nothing_is_recorded_under_a_task_that_is_not_running(world: World) -> None:
    grant, item = world.granted(), None
    opened = world.opened_task(deadline=world.now + 1000)
    for task in (world.fresh(), opened):
        item = world.result_for(grant)
        with pytest.raises(Refused, match="TaskNotRunning"):
            world.preview(task, item)
        assert refused_by(world, task, item)[:2] == ("TaskNotRunning", task)
    deadline = world.now + 1000
    running = world.running_task(deadline=deadline)
    world.next_block_at(deadline)
    assert refused_by(world, running, world.result_for(grant))[:2] == ("DeadlinePassed", running)


def test_an_authorization_serves_only_tasks_of_its_purpose(world: World) -> None:
    task = world.running_task(purpose=role("another purpose"))
    item = world.result_for(world.granted())
    assert refused_by(world, task, item)[-1] == Refusal.AUTHORIZATION_OUT_OF_SCOPE


def test_the_commitment_is_the_stated_hash_in_the_stated_slot(world: World) -> None:
    task, grant = world.running_task(), world.granted()
    item = world.result_for(grant)
    world.record(task, item)
    layout = artifact("MatchResultStore")["storageLayout"]["storage"]
    slot = next(int(entry["slot"]) for entry in layout if entry["label"] == "_commitments")
    place = int.from_bytes(keccak(encode(["bytes32", "uint256"], [item[0], slot])), "big")

    def stored() -> bytes:
        return bytes(world.w3.eth.get_storage_at(world.store.address, place))  # type: ignore[arg-type]

    assert world.ask(world.store.functions.commitmentOf(item[0])) == commitment(item, task, 1)
    assert stored() == commitment(item, task, 1)
    confirm(world, item[0], 1)
    assert stored() == commitment(item, task, 1)
    second = world.result_for(grant, claim_key=item[0])
    world.send(world.store.functions.supersede(task, second), by="recorder")
    assert stored() == commitment(second, task, 2)


# ------------------------------------------------------------------ payouts


def test_a_payout_is_confirmed_once_a_version(world: World) -> None:
    claim, _, _ = world.recorded_claim()
    digest = world.fresh()
    receipt = world.send(world.store.functions.confirmPayout(claim, 1, digest), by="payer")
    assert world.events(receipt, world.store) == [
        ("PayoutConfirmed", {"claimKey": claim, "version": 1, "payoutDigest": digest})
    ]
    assert (version(world, claim), payout_state(world, claim)) == (1, PayoutState.PAID)
    with pytest.raises(Refused) as refused:
        confirm(world, claim, 1)
    assert refused.value.args == ("PayoutRefused", 0, claim, 1, PayoutRefusal.ALREADY_PAID)


@pytest.mark.parametrize("wrong", [0, 2, 2**32 - 1])
def test_only_the_current_version_is_confirmed(world: World, wrong: int) -> None:
    claim, _, _ = world.recorded_claim()
    with pytest.raises(Refused) as refused:
        confirm(world, claim, wrong)
    assert refused.value.args == (
        "PayoutRefused",
        0,
        claim,
        wrong,
        PayoutRefusal.NOT_THE_CURRENT_VERSION,
    )
    assert payout_state(world, claim) == PayoutState.RECORDED


@pytest.mark.parametrize("paid_before", [False, True])
def test_a_reversed_version_is_never_paid(world: World, paid_before: bool) -> None:
    claim, _, _ = world.recorded_claim()
    if paid_before:
        confirm(world, claim, 1)
    reason = world.fresh()
    receipt = world.send(world.store.functions.reverse(claim, reason), by="recorder")
    assert world.events(receipt, world.store) == [
        ("ResultReversed", {"claimKey": claim, "version": 1, "reasonDigest": reason})
    ]
    assert payout_state(world, claim) == PayoutState.REVERSED
    with pytest.raises(Refused) as refused:
        confirm(world, claim, 1)
    assert refused.value.args == ("PayoutRefused", 0, claim, 1, PayoutRefusal.REVERSED)
    with pytest.raises(Refused) as again:
        world.send(world.store.functions.reverse(claim, reason), by="recorder")
    assert again.value.args == ("AlreadyReversed", claim, 1)


def test_a_reversed_claim_is_not_recorded_again(world: World) -> None:
    claim, task, grant = world.recorded_claim()
    world.send(world.store.functions.reverse(claim, world.fresh()), by="recorder")
    item = world.result_for(grant, claim_key=claim)
    assert refused_by(world, task, item) == ("ItemRefused", 0, claim, Refusal.ALREADY_RECORDED)


def test_a_reversal_needs_a_claim_and_a_reason(world: World) -> None:
    claim, _, _ = world.recorded_claim()
    stranger = world.fresh()
    for arguments, error in [
        ((stranger, world.fresh()), ("ClaimUnknown", stranger)),
        ((claim, bytes(32)), ("ZeroReason", claim)),
    ]:
        with pytest.raises(Refused) as refused:
            world.send(world.store.functions.reverse(*arguments), by="recorder")
        assert refused.value.args == error


def test_payouts_are_confirmed_in_a_batch(world: World) -> None:
    task = world.running_task()
    items = [world.result_for(world.granted()) for _ in range(4)]
    world.record(task, *items)
    keys = [item[0] for item in items]
    digests = [world.fresh() for _ in keys]
    receipt = world.send(world.store.functions.confirmPayouts(keys, [1] * 4, digests), by="payer")
    assert [arguments["payoutDigest"] for _, arguments in world.events(receipt, world.store)] == digests
    assert {payout_state(world, key) for key in keys} == {PayoutState.PAID}


@pytest.mark.parametrize("reason", list(PayoutRefusal)[1:])
@pytest.mark.parametrize("place", [0, 2])
def test_one_bad_confirmation_reverts_the_batch_and_is_named_by_index(
    world: World, reason: PayoutRefusal, place: int
) -> None:
    task = world.running_task()
    items = [world.result_for(world.granted()) for _ in range(3)]
    world.record(task, *items)
    keys, versions = [item[0] for item in items], [1, 1, 1]
    digests = [world.fresh() for _ in keys]
    if reason == PayoutRefusal.ZERO_FIELD:
        digests[place] = bytes(32)
    elif reason == PayoutRefusal.CLAIM_UNKNOWN:
        keys[place] = world.fresh()
    elif reason == PayoutRefusal.NOT_THE_CURRENT_VERSION:
        versions[place] = 2
    elif reason == PayoutRefusal.ALREADY_PAID:
        confirm(world, keys[place], 1)
    else:
        world.send(world.store.functions.reverse(keys[place], world.fresh()), by="recorder")
    with pytest.raises(Refused) as refused:
        world.send(world.store.functions.confirmPayouts(keys, versions, digests), by="payer")
    assert refused.value.args == ("PayoutRefused", place, keys[place], versions[place], reason)
    assert payout_state(world, keys[1]) == PayoutState.RECORDED


def test_a_claim_twice_in_one_confirmation_is_refused(world: World) -> None:
    claim, _, _ = world.recorded_claim()
    with pytest.raises(Refused) as refused:
        world.send(world.store.functions.confirmPayouts([claim] * 2, [1, 1], [world.fresh()] * 2), by="payer")
    assert refused.value.args == ("PayoutRefused", 1, claim, 1, PayoutRefusal.ALREADY_PAID)
    assert payout_state(world, claim) == PayoutState.RECORDED


def test_an_empty_or_lopsided_confirmation_is_refused(world: World) -> None:
    claim, digest = world.fresh(), world.fresh()
    for arguments, error in [
        (([], [], []), ("EmptyBatch",)),
        (([claim], [], [digest]), ("LengthMismatch", 1, 0, 1)),
        (([claim], [1], []), ("LengthMismatch", 1, 1, 0)),
        (([claim], [1, 1], [digest]), ("LengthMismatch", 1, 2, 1)),
    ]:
        with pytest.raises(Refused) as refused:
            world.send(world.store.functions.confirmPayouts(*arguments), by="payer")
        assert refused.value.args == error


# ------------------------------------------------------------------ versions


@pytest.mark.parametrize("before", ["recorded", "paid", "reversed"])
def test_superseding_raises_the_version_and_opens_a_new_payout(world: World, before: str) -> None:
    claim, task, grant = world.recorded_claim()
    if before == "paid":
        confirm(world, claim, 1)
    if before == "reversed":
        world.send(world.store.functions.reverse(claim, world.fresh()), by="recorder")
    item = world.result_for(grant, claim_key=claim)
    receipt = world.send(world.store.functions.supersede(task, item), by="recorder")
    assert world.events(receipt, world.store) == [
        (
            "ResultRecorded",
            {
                "claimKey": claim,
                "authorizationId": grant.id,
                "taskId": task,
                "resultDigest": item[1],
                "version": 2,
            },
        )
    ]
    assert (version(world, claim), payout_state(world, claim)) == (2, PayoutState.RECORDED)
    with pytest.raises(Refused) as refused:
        confirm(world, claim, 1)
    assert refused.value.args[-1] == PayoutRefusal.NOT_THE_CURRENT_VERSION
    confirm(world, claim, 2)
    assert (version(world, claim), payout_state(world, claim)) == (2, PayoutState.PAID)


@pytest.mark.parametrize(
    "spoil",
    [s for s in SPOILS if s.__name__ not in ("already_recorded", "zero_claim_key")],
    ids=lambda spoil: spoil.__name__,
)
def test_superseding_is_enforced_like_a_new_result(world: World, spoil: Spoil) -> None:
    claim, task, _ = world.recorded_claim()
    bad, reason = spoil(world, world.granted())
    item = (claim, *bad[1:])
    with pytest.raises(Refused) as refused:
        world.send(world.store.functions.supersede(task, item), by="recorder")
    assert refused.value.args == ("ItemRefused", 0, claim, reason)
    assert version(world, claim) == 1


def test_superseding_needs_a_running_task(world: World) -> None:
    claim, _, grant = world.recorded_claim()
    with pytest.raises(Refused, match="TaskNotRunning"):
        world.send(
            world.store.functions.supersede(world.opened_task(), world.result_for(grant, claim_key=claim)),
            by="recorder",
        )


def test_an_unrecorded_claim_is_not_superseded(world: World) -> None:
    task, item = world.running_task(), world.result_for(world.granted())
    with pytest.raises(Refused) as refused:
        world.send(world.store.functions.supersede(task, item), by="recorder")
    assert refused.value.args == ("ClaimUnknown", item[0])


def test_sending_the_same_supersession_twice_opens_one_payout(world: World) -> None:
    claim, task, grant = world.recorded_claim()
    item = world.result_for(grant, claim_key=claim)
    world.send(world.store.functions.supersede(task, item), by="recorder")
    with pytest.raises(Refused) as refused:
        world.send(world.store.functions.supersede(task, item), by="recorder")
    assert refused.value.args == ("ResultUnchanged", claim, 2)
    assert version(world, claim) == 2


def test_a_version_may_come_from_another_task_and_authorization(world: World) -> None:
    claim, _, _ = world.recorded_claim()
    task, grant = world.running_task(deadline=world.now + 2 * YEAR), world.granted()
    item = world.result_for(grant, claim_key=claim)
    world.send(world.store.functions.supersede(task, item), by="recorder", gas=GAS_LIMIT // 2)
    assert world.ask(world.store.functions.commitmentOf(claim)) == commitment(item, task, 2)
