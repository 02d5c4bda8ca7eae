"""What a bundle proves, with which trust, and what became of the claim since."""

import importlib
import json
from dataclasses import replace

import pytest

from engine.evidence import collect
from engine.evidence.anchors import Anchor, TrustedBlock, TrustedDeployment
from engine.evidence.bundle import parse_bundle
from engine.evidence.report import Outcome, Report
from engine.evidence.verify import verify_bundle
from tests.evidence.world import SECRETS, Paid, World, settlement


def failed(report: Report) -> list[str]:
    return [step.name for step in report.steps if step.ok is False]


def step(report: Report, name: str) -> tuple[bool | None, str]:
    (found,) = (taken for taken in report.steps if taken.name == name)
    return found.ok, found.detail


def test_a_paid_claim_verifies_offline_against_one_trusted_block_hash(
    world: World, raw: bytes, paid: Paid
) -> None:
    report = verify_bundle(raw, world.anchor(raw))
    assert report.outcome is Outcome.VERIFIED
    assert [taken.name for taken in report.steps if taken.ok is not True] == []
    assert report.amount_fen == paid.documents.decision["payable_fen"] == 3_360_000
    assert (report.version, report.standing, report.exit_code) == (1, "paid", 0)


def test_a_bundle_holds_nothing_that_names_the_person_or_opens_a_commitment_to_them(
    world: World, raw: bytes, paid: Paid
) -> None:
    text = raw.decode()
    for secret in SECRETS:
        assert secret not in text
    kept_back = [*world.policy_salts.to_hex().values(), world.authorization_salts.to_hex()["subject"]]
    kept_back += [paid.salts.to_hex()[name] for name in ("claim_key", "settlement_reference")]
    for salt in kept_back:
        assert salt not in text


def test_the_same_claim_gives_the_same_bytes(world: World, raw: bytes, paid: Paid) -> None:
    assert world.bundle(paid) == raw


def test_without_any_trust_nothing_is_claimed_and_the_next_step_is_told(raw: bytes) -> None:
    report = verify_bundle(raw, Anchor())
    assert report.outcome is Outcome.UNANCHORED
    assert report.exit_code == 2
    assert failed(report) == []
    ok, detail = step(report, "anchor")
    assert ok is None
    assert "--rpc" in detail
    assert "--block-hash" in detail


def test_another_trusted_hash_refutes_the_bundle(world: World, raw: bytes) -> None:
    report = verify_bundle(raw, replace(world.anchor(raw), block_hash=b"\x01" * 32))
    assert failed(report) == ["anchor"]
    assert report.exit_code == 1


def test_a_block_on_the_list_anchors_and_one_that_contradicts_it_refutes(world: World, raw: bytes) -> None:
    note = world.anchor(raw)
    assert note.block_hash is not None
    number = verify_bundle(raw, note).anchor_number
    assert number is not None
    block = TrustedBlock(world.client.chain_id, number, "0x" + note.block_hash.hex(), "demo", "2024-11-20")
    other = replace(block, hash="0x" + "11" * 32)
    assert verify_bundle(raw, Anchor(blocks=(other, block))).outcome is Outcome.VERIFIED
    assert failed(verify_bundle(raw, Anchor(blocks=(other,)))) == ["anchor"]
    for unrelated in (replace(block, number=number + 1), replace(block, chain_id=1)):
        assert verify_bundle(raw, Anchor(blocks=(unrelated,))).outcome is Outcome.UNANCHORED


def test_look_alike_contracts_are_not_the_pools(world: World, raw: bytes) -> None:
    ours = world.anchor(raw).deployments[0]
    theirs = replace(ours, contracts={**ours.contracts, "MatchResultStore": "0x" + "22" * 20})
    assert failed(verify_bundle(raw, replace(world.anchor(raw), deployments=(theirs,)))) == ["contracts"]
    elsewhere = TrustedDeployment(1, ours.contracts, "test", "now")
    unknown = verify_bundle(raw, replace(world.anchor(raw), deployments=(elsewhere,)))
    assert step(unknown, "contracts")[0] is None
    assert unknown.outcome is Outcome.VERIFIED


def test_a_recording_far_from_the_payment_is_proven_by_the_state_and_by_an_endpoint(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "MAX_HEADERS", 4)
    far = world.bundle(world.pay(settlement(setl_id="S-FAR"), blocks_between=4))
    bundle, _ = parse_bundle(far)
    assert len(bundle.chain.headers) == 1
    offline = verify_bundle(far, world.anchor(far))
    assert offline.outcome is Outcome.VERIFIED
    assert step(offline, "record")[0] is None
    assert step(verify_bundle(far, world.live()), "record")[0] is True


def test_a_recording_within_reach_is_linked_by_headers(world: World) -> None:
    near = world.bundle(world.pay(settlement(setl_id="S-NEAR"), blocks_between=3))
    assert len(parse_bundle(near)[0].chain.headers) == 5
    assert step(verify_bundle(near, world.anchor(near)), "record")[0] is True


def test_a_superseding_version_proves_the_difference_and_the_old_bundle_is_told_superseded(
    world: World,
) -> None:
    first = world.pay(settlement(6_000_000, "S-TWICE"))
    old = world.bundle(first)
    second = world.pay(settlement(9_000_000, "S-TWICE"), before=first)
    new = world.bundle(second)
    assert second.payment["amount_fen"] == 2_100_000
    report = verify_bundle(new, world.anchor(new))
    assert (report.outcome, report.amount_fen, report.version) == (Outcome.VERIFIED, 2_100_000, 2)
    assert verify_bundle(old, world.anchor(old)).standing == "paid"
    since = verify_bundle(old, world.live())
    assert (since.outcome, since.standing) == (Outcome.VERIFIED, "superseded")
    assert "version 2" in step(since, "standing")[1]


def test_a_bundle_of_a_reversed_claim_says_so(world: World) -> None:
    paid = world.pay(settlement(setl_id="S-REVERSED"))
    before = world.bundle(paid)
    reversal = world.client.results.reverse(paid.on_chain.claim_key, 1, b"\x07" * 32)
    after = world.bundle(paid, reversal.block_number)
    report = verify_bundle(after, world.anchor(after))
    assert (report.outcome, report.standing) == (Outcome.VERIFIED, "reversed")
    assert "REVERSED" in step(report, "payment")[1]
    assert verify_bundle(before, world.anchor(before)).standing == "paid"
    assert verify_bundle(before, world.live()).standing == "reversed"


def test_a_renewal_since_shows_and_takes_nothing_back(world: World) -> None:
    paid = world.pay(settlement(setl_id="S-RENEWED"))
    until = world.renew()
    report = verify_bundle(world.bundle(paid, world.client.block_number()), world.live())
    assert report.outcome is Outcome.VERIFIED
    assert f"expires {until}, renewed from" in step(report, "authorization")[1]


def test_a_payment_too_far_from_the_anchor_waits_for_an_endpoint(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "MAX_HEADERS", 2)
    paid = world.pay(settlement(setl_id="S-LATE"))
    world.mine(3)
    raw = world.bundle(paid, world.client.block_number())
    offline = verify_bundle(raw, world.anchor(raw))
    assert offline.outcome is Outcome.UNANCHORED
    assert step(offline, "payment")[0] is None
    assert verify_bundle(raw, world.live()).outcome is Outcome.VERIFIED


def test_a_revocation_after_the_recording_takes_nothing_back(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    world = World(tmp_path_factory.mktemp("revoked"))
    try:
        paid = world.pay()
        revocation = world.client.registry.revoke_for(world.authorization_id)
        raw = world.bundle(paid, revocation.block_number)
        report = verify_bundle(raw, world.anchor(raw))
        assert report.outcome is Outcome.VERIFIED
        assert "revoked after" in step(report, "authorization")[1]
    finally:
        world.client.close()


def test_another_engine_version_is_named_and_must_agree_in_all_else(
    world: World, raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.adjudication.decision.ENGINE_VERSION", "adjudication/9")
    ok, detail = step(verify_bundle(raw, world.anchor(raw)), "adjudication")
    assert ok
    assert "adjudication/9" in detail


def test_an_engine_that_decides_otherwise_is_told_with_the_place(
    world: World, raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = importlib.import_module("engine.adjudication.totals")
    monkeypatch.setattr(rules, "cost_left_fen", lambda bill: 100)
    report = verify_bundle(raw, world.anchor(raw))
    assert failed(report) == ["adjudication"]
    assert "/benefits/0/payable_fen: recorded 3360000, now 100" in step(report, "adjudication")[1]


def test_the_report_is_json_with_every_step(world: World, raw: bytes) -> None:
    report = verify_bundle(raw, world.anchor(raw))
    document = json.loads(json.dumps(report.document()))
    assert document["outcome"] == "verified"
    assert document["failed"] == []
    assert len(document["steps"]) == len(report.steps) == 24
