"""A provider asks blinded, finds its patient in the published roll, and releases: paid as if sent whole."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engine.errors import AutoclaimError, Refused
from engine.payout.port import TransferStatus
from engine.pipeline import decide, feed, match, publishing, record, releases
from engine.pipeline.context import Context
from engine.pipeline.dispatcher import Dispatcher
from engine.pipeline.sealed import settlement_body
from engine.store import claims
from tests.pipeline import further
from tests.pipeline.matching_provider import Found, Provider, published
from tests.pipeline.test_match import load
from tests.pipeline.world import THEIRS, World, policy


@pytest.fixture
def provider(world: World, tmp_path: Path) -> Provider:
    return published(world, tmp_path / "provider")


def found(provider: Provider, native: Mapping[str, Any]) -> Found:
    one = provider.ask(native)
    assert one is not None
    return one


def refused(ctx: Context, release: releases.Release) -> str:
    """The code; and nothing is kept."""
    before = _kept(ctx)
    with pytest.raises(AutoclaimError) as error:
        releases.release(ctx, release)
    assert _kept(ctx) == before
    return error.value.code


def _kept(ctx: Context) -> dict[str, int]:
    with ctx.database.reading() as session:
        return claims.count_by_state(session)


def confirmed(world: World, claim_id: str) -> None:
    """From matched to its end."""
    batch = world.batch(claim_id)
    decide.decide_batch(world.ctx, batch)
    record.record_batch(world.ctx, batch)
    feed.read_events(world.ctx)
    world.pay(claim_id)
    world.bank_says(claim_id, TransferStatus.SETTLED)
    world.confirm()


def test_a_released_settlement_is_paid_as_the_same_stay_sent_whole(either: World, tmp_path: Path) -> None:
    provider = published(either, tmp_path / "provider")
    # Two people under the same terms with the same bill, which differs in its number and in whose it is.
    whole, released = either.native(1), either.native(0)
    bill = {**released, "setlinfo": {**released["setlinfo"]}}
    for name in ("setl_id", "psn_name", "certno", "patn_cert_type", "brdy", "gend"):
        bill["setlinfo"][name] = whole["setlinfo"][name]
    sent = either.send(bill).claim_id
    either.confirmed(sent)
    kept = provider.release(released)
    assert (either.state(kept.claim_id), kept.created) == ("matched", True)
    assert not any(str(value) in repr(_body(either, kept.claim_id)) for value in _personal(released))
    confirmed(either, kept.claim_id)
    assert either.state(kept.claim_id) == either.state(sent) == "confirmed"
    assert either.payout(kept.claim_id).amount_fen == either.payout(sent).amount_fen > 0


def _body(world: World, claim_id: str) -> dict[str, Any]:
    return settlement_body(world.ctx.vault, world.settlement(claim_id), world.claim(claim_id))


def _personal(native: Mapping[str, Any]) -> list[Any]:
    info = native["setlinfo"]
    return [info[name] for name in ("psn_name", "certno", "mdtrt_id", "setl_id") if name in info]


def test_the_same_release_again_is_the_same_claim_and_paid_once(world: World, provider: Provider) -> None:
    native = world.native(0)
    release = provider.to_release(native, found(provider, native))
    first, again = releases.release(world.ctx, release), releases.release(world.ctx, release)
    assert (first.created, again.created, again.claim_id) == (True, False, first.claim_id)
    with pytest.raises(AutoclaimError, match="accepted with other content"):
        world.send(native)  # whole, besides
    anew = replace(release, discharge=found(provider, native).discharge)  # asked about once more
    assert releases.release(world.ctx, anew) == again
    other = provider.to_release(native, found(provider, native))  # under another reference
    assert refused(world.ctx, other) == "settlement.conflict"


def test_a_stay_that_was_sent_whole_is_not_released_besides(world: World, provider: Provider) -> None:
    native = world.native(0)
    world.accepted(0)
    world.send(native)
    assert refused(world.ctx, provider.to_release(native, found(provider, native))) == "settlement.conflict"


def test_each_policy_that_answers_has_its_own_release_of_one_settlement(world: World, tmp_path: Path) -> None:
    further.loaded(world)
    further.insured(world, 0)
    provider = published(world, tmp_path / "provider")
    native = world.native(0)
    one = found(provider, native)
    release = provider.to_release(native, one)
    first, second = (
        replace(release, handle=under.handle, authorization=under.authorization or "")
        for under in one.payload.policies
    )
    kept = [releases.release(world.ctx, first).claim_id]
    world.batch(*kept)  # which may have run by the time that the next comes
    kept += [releases.release(world.ctx, second).claim_id for _ in range(2)]
    assert len(set(kept)) == 2
    claim, beside = world.claim(kept[0]), world.claim(kept[1])
    assert claim.settlement_id == beside.settlement_id
    assert {claim.state, beside.state} == {"matched"}
    assert (claim.batch_id is None, beside.batch_id) == (False, None)


def test_two_policies_of_one_product_are_for_a_person_however_the_stay_comes(
    world: World, tmp_path: Path
) -> None:
    load(world, policy(0, policy_no="SECOND", expires="2025-06-29"))
    provider = published(world, tmp_path / "provider")
    native = world.native(0)
    one = found(provider, native)
    kept = releases.release(world.ctx, provider.to_release(native, one))
    assert kept.state == "review"
    assert world.reasons(kept.claim_id) == ["match.several_policies"]


def test_consent_withdrawn_between_match_and_release_releases_nothing(
    world: World, provider: Provider
) -> None:
    native, other = world.native(0), world.native(1)
    stale, given_up = found(provider, native), found(provider, other)
    world.revoke(0)
    assert refused(world.ctx, provider.to_release(native, stale)) == "release.consent"
    world.consent_again(0)  # another authorization than the one that the provider saw
    assert refused(world.ctx, provider.to_release(native, stale)) == "release.consent"
    _revoke_on_chain_alone(world, given_up.payload.policies[0].authorization)
    assert refused(world.ctx, provider.to_release(other, given_up)) == "release.consent"


def _revoke_on_chain_alone(world: World, authorization_id: str | None) -> None:
    """By a transaction that this engine did not send, so does not know of."""
    assert authorization_id is not None
    world.ctx.chain.registry.revoke_for(authorization_id)


def test_consent_withdrawn_after_the_release_pays_nothing(world: World, provider: Provider) -> None:
    kept = provider.release(world.native(0))
    batch = world.batch(kept.claim_id)
    decide.decide_batch(world.ctx, batch)
    record.record_batch(world.ctx, batch)
    feed.read_events(world.ctx)
    world.revoke(0)
    world.pay(kept.claim_id)
    assert (world.state(kept.claim_id), world.orders(kept.claim_id)) == ("no_consent", 0)


def test_a_released_claim_run_again_stays_with_its_policy_and_asks_for_no_name(
    world: World, provider: Provider
) -> None:
    kept = provider.release(world.native(0))
    batch = world.batch(kept.claim_id)
    decide.decide_batch(world.ctx, batch)
    world.revoke(0)
    record.record_batch(world.ctx, batch)
    assert world.state(kept.claim_id) == "no_consent"
    further.loaded(world)
    further.insured(world, 0)  # nobody released it for this one
    world.consent_again(0)
    world.again(kept.claim_id)
    assert match.match_batch(world.ctx, world.batch(kept.claim_id)) == 1
    assert world.state(kept.claim_id) == "matched"
    with world.ctx.database.reading() as session:
        assert len(claims.of_settlement(session, world.claim(kept.claim_id).settlement_id)) == 1


def test_what_is_released_is_taken_up_by_the_dispatcher(world: World, provider: Provider) -> None:
    kept = provider.release(world.native(0))
    batch_id, _ = Dispatcher(world.ctx)._take_claims(10)
    assert world.claim(kept.claim_id).batch_id == batch_id is not None


def test_a_handle_names_a_policy_in_its_epoch_and_to_who_asked(world: World, provider: Provider) -> None:
    native = world.native(0)
    one = found(provider, native)
    release = provider.to_release(native, one)
    assert refused(world.ctx, replace(release, handle="00" * 32)) == "release.handle_unknown"
    assert refused(world.ctx, replace(release, discharge="00" * 32)) == "release.discharge_unknown"
    assert refused(world.ctx, replace(release, provider=THEIRS)) == "release.discharge_unknown"
    publishing.rotate(world.ctx)
    assert refused(world.ctx, replace(release, epoch=2)) == "release.discharge_unknown"
    later = Provider(world.ctx, provider.folder, epoch=2)
    of_two = found(later, native)
    old_handle = later.to_release(native, of_two, one.payload.policies[0])
    assert refused(world.ctx, old_handle) == "release.handle_unknown"
    publishing.withdraw(world.ctx, 1)
    assert refused(world.ctx, release) == "match.epoch_withdrawn"


def test_a_question_is_for_one_settlement(world: World, provider: Provider) -> None:
    native, other = world.native(0), world.native(0, admitted=date(2024, 10, 2))
    one = found(provider, native)
    releases.release(world.ctx, provider.to_release(native, one))
    assert refused(world.ctx, provider.to_release(other, one)) == "release.discharge_used"


def test_a_stay_outside_the_cover_is_not_kept(world: World, provider: Provider) -> None:
    native = world.native(0, admitted=date(2023, 1, 2))
    assert refused(world.ctx, provider.to_release(native, found(provider, native))) == "release.not_covered"


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"psn_name": "测试甲"}, "/document/setlinfo/psn_name", "release.minimised"),
        ({"hosp_lv": "9"}, "/document/setlinfo/hosp_lv", "release.minimised"),
        ({"medfee_sumamt": "1.00"}, "/document/setlinfo/medfee_sumamt", None),
        ({"setl_id": "E-" + "0" * 32}, "/document/setlinfo/setl_id", "release.reference"),
    ],
)
def test_a_document_is_what_minimising_gives_and_nothing_more(
    world: World, provider: Provider, changes: dict[str, str], field: str, rule: str | None
) -> None:
    native = world.native(0)
    release = provider.to_release(native, found(provider, native))
    document = {**release.document, "setlinfo": {**release.document["setlinfo"], **changes}}
    with pytest.raises(Refused) as error:
        releases.release(world.ctx, replace(release, document=document))
    assert field in {one["field"] for one in error.value.violations}
    assert rule is None or rule in {one["rule"] for one in error.value.violations}
