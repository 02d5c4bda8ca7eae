"""A person who is erased is nowhere any more; the amounts stay, and the chain verifies as before."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import SQLModel, select

from engine.errors import AutoclaimError, Conflict, NotFound, Refused, Unavailable
from engine.pipeline import (
    audit,
    claims,
    consent,
    deliveries,
    enrolment,
    erasure,
    quarantine,
    retention,
    reversal,
    sources,
)
from engine.pipeline.erasure import Erased
from engine.store import tables
from engine.store.deliveries import DeliveredBody, Delivery
from tests.pipeline.test_deliveries import CALLS, mapping, natives
from tests.pipeline.test_reopen_checked import fsck, run
from tests.pipeline.world import OURS, World, person, policy, policy_no, wallet, wording
from tests.settlement.sources.calls import of_settlement, written

SEALED = {
    tables.Settlement: ("body_sealed", "document_sealed"),
    tables.Claim: ("salts_sealed", "decision_sealed", "history_sealed"),
    tables.Policy: ("coverage_sealed", "salts_sealed"),
    tables.Authorization: ("salts_sealed",),
    tables.Payout: ("order_sealed",),
    tables.Quarantined: ("body_sealed",),
    tables.Reversal: ("body_sealed",),
    Delivery: ("body_sealed",),
    DeliveredBody: ("body_sealed",),
}


def sealed(world: World) -> dict[tuple[str, str, Any], bytes]:
    """Every sealed value of the database, by table, column and row."""
    found = {}
    with world.ctx.database.reading() as session:
        for table, columns in SEALED.items():
            for row in session.exec(select(table)).all():
                key = table.__table__.primary_key.columns.keys()  # type: ignore[attr-defined]
                for column in columns:
                    found[table.__tablename__, column, tuple(getattr(row, k) for k in key)] = getattr(
                        row, column
                    )
    return {place: value for place, value in found.items() if value}


def rows(world: World, table: type[SQLModel]) -> list[Any]:
    with world.ctx.database.reading() as session:
        return list(session.exec(select(table)).all())


def erase(world: World, index: int) -> Erased:
    return erasure.erase_person(world.ctx, "01", person(index).cert_no)


def paid(world: World, index: int, **stay: Any) -> str:
    claim = world.accepted(index, **stay)
    world.decided(claim)
    run(world)
    assert world.state(claim) == "confirmed"
    return claim


@pytest.fixture
def lived(alone: World) -> World:
    """Two people paid, the consent of the first withdrawn since."""
    paid(alone, 0)
    paid(alone, 1)
    alone.revoke(0)
    run(alone)
    return alone


def claim_of(world: World, index: int) -> str:
    pseudonym = world.ctx.pseudonymiser.of("01", person(index).cert_no)
    with world.ctx.database.reading() as session:
        query = select(tables.Claim.claim_id).join(tables.Settlement)
        return session.exec(query.where(tables.Settlement.pseudonym == pseudonym)).one()


def test_an_erased_person_is_gone_and_the_amounts_and_the_other_people_stay(lived: World) -> None:
    gone, stays = claim_of(lived, 0), claim_of(lived, 1)
    before, amounts = sealed(lived), [payout.amount_fen for payout in lived.payouts(gone)]
    told = claims.get_claim(lived.ctx, gone)
    done = erase(lived, 0)
    assert done == Erased(1, 1, 1, 1, 0, 0)
    after = sealed(lived)
    lost = before.keys() - after.keys()
    assert {table for table, _, _ in lost} == {"settlement", "claim", "policy", "authorization", "payout"}
    assert {place: before[place] for place in after} == after
    assert after.keys() >= {
        place for place in before if place[0] == "claim" and place[2] == (lived.claim(stays).id,)
    }
    assert [payout.amount_fen for payout in lived.payouts(gone)] == amounts != []
    left = claims.get_claim(lived.ctx, gone)
    assert left["decision"] is None
    assert [left[name] for name in ("state", "claim_key", "payable_fen", "record_tx", "transitions")] == [
        told[name] for name in ("state", "claim_key", "payable_fen", "record_tx", "transitions")
    ]


def test_no_sealed_value_of_an_erased_person_is_left_in_a_file(lived: World) -> None:
    """Not even one that was replaced before: the key that opens it is still there."""
    before = sealed(lived)
    erase(lived, 0)
    lost = [before[place] for place in before.keys() - sealed(lived).keys()]
    files = [path.read_bytes() for path in database_files(lived)]
    assert len(files) >= 1
    assert len(lost) >= 8
    assert [value for value in lost if any(value in content for content in files)] == []
    kept = [value for value in sealed(lived).values() if len(value) < 500]
    assert all(any(value in content for content in files) for value in kept), "the look finds what is there"


def database_files(world: World) -> Iterator[Path]:
    yield from world.ctx.settings.home.glob("engine.db*")


def test_no_pseudonym_of_an_erased_person_is_left(lived: World) -> None:
    pseudonym = lived.ctx.pseudonymiser.of("01", person(0).cert_no).encode()
    assert any(pseudonym in path.read_bytes() for path in database_files(lived))
    erase(lived, 0)
    assert not any(pseudonym in path.read_bytes() for path in database_files(lived))


def test_the_chain_verifies_and_fsck_calls_nothing_lost(lived: World) -> None:
    assert fsck(lived).differences == []
    erase(lived, 0)
    assert fsck(lived).differences == []


def test_what_asks_for_an_erased_claim_is_told_so(lived: World) -> None:
    gone = claim_of(lived, 0)
    setl_id = lived.settlement(gone).setl_id
    erase(lived, 0)
    for ask in (
        lambda: audit.evidence_bundle(lived.ctx, gone),
        lambda: claims.decide_claim(lived.ctx, gone, "readjudicate", "once more", "insurer test"),
        lambda: reversal.reverse_settlement(lived.ctx, OURS, setl_id, b"{}"),
    ):
        with pytest.raises(Conflict) as caught:
            ask()
        assert caught.value.code == "claim.erased"


def test_a_wording_that_changes_later_leaves_an_erased_claim_alone(lived: World) -> None:
    gone = claim_of(lived, 0)
    erase(lived, 0)
    other = claim_of(lived, 1)
    less = wording(
        2, changes={'standard: "0.70", pre_existing: "0.50"': 'standard: "0.60", pre_existing: "0.50"'}
    )
    enrolment.load_product(lived.ctx, less, "huhuibao-2024.yaml")
    run(lived)
    assert (lived.state(gone), lived.claim(gone).version) == ("confirmed", 1)
    assert lived.claim(other).version == 2
    assert rows(lived, tables.Reopening) == []


def test_whoever_is_erased_is_erased_once_and_comes_back_as_a_stranger(lived: World) -> None:
    erase(lived, 0)
    with pytest.raises(NotFound):
        erase(lived, 0)
    again = lived.accepted(0)
    lived.matched(again)
    assert lived.state(again) == "uninsured"


def test_a_roll_that_names_an_erased_persons_policy_again_brings_nobody_back(lived: World) -> None:
    erase(lived, 0)
    again = policy(0, other_certificates=[{"cert_type": "08", "cert_no": "E87654321"}])
    report = enrolment.load_policies(lived.ctx, [json.dumps(again).encode() + b"\n"], "ndjson")
    assert [one["rule"] for one in report.refused] == ["policy.erased"]
    assert rows(lived, tables.PolicyAlias) == []
    with pytest.raises(Conflict, match="erased"):
        consent.prepare_authorization(lived.ctx, policy_no(0), wallet(0).address)


def test_while_others_read_the_file_it_is_said_and_asked_again_it_lets_go(lived: World) -> None:
    before = sealed(lived)
    with lived.ctx.database.reading() as session:
        session.exec(select(tables.Claim)).all()
        quick_to_give_up(lived)
        with pytest.raises(Unavailable, match="ask again"):
            erase(lived, 0)
    with pytest.raises(NotFound):
        erase(lived, 0)
    lost = [before[place] for place in before.keys() - sealed(lived).keys()]
    files = [path.read_bytes() for path in database_files(lived)]
    assert [value for value in lost if any(value in content for content in files)] == []


def quick_to_give_up(world: World) -> None:
    """Its connections wait a moment for others, not half a minute."""

    @event.listens_for(world.ctx.database.engine, "checkout")
    def _soon(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA busy_timeout=200")


def refusal(world: World, index: int) -> AutoclaimError:
    before = sealed(world)
    with pytest.raises(AutoclaimError) as caught:
        erase(world, index)
    assert sealed(world) == before
    assert person(index).cert_no not in str(caught.value)
    return caught.value


def test_a_person_of_whom_something_is_under_way_is_not_erased(world: World) -> None:
    for stop, state in (
        (lambda claim: None, "accepted"),
        (world.recorded, "recorded"),
        (world.settled, "paid"),
    ):
        index = ("accepted", "recorded", "paid").index(state)
        claim = world.accepted(index)
        stop(claim)
        assert world.state(claim) == state
        error = refusal(world, index)
        assert (error.code, claim in str(error)) == ("person.claim_under_way", True)


def test_a_person_whose_policy_is_in_force_or_whose_consent_is_live_is_not_erased(world: World) -> None:
    world.clock.ahead = -timedelta(days=600)
    assert refusal(world, 0).code == "person.policy_in_force"
    world.clock.ahead = timedelta(0)
    error = refusal(world, 0)
    assert (error.code, ":revoke" in error.message) == ("person.consent_live", True)


def test_nobody_by_that_certificate_and_no_certificate_at_all_are_told_apart(world: World) -> None:
    with pytest.raises(NotFound):
        erase(world, 600)
    with pytest.raises(Refused) as caught:
        erasure.erase_person(world.ctx, "01", "123")
    assert [one["field"] for one in caught.value.violations] == ["/cert_no"]


def test_one_certificate_of_several_erases_what_came_under_any(world: World) -> None:
    other = [{"cert_type": "08", "cert_no": "E87654321"}]
    report = enrolment.load_policies(
        world.ctx, [json.dumps(policy(500, other_certificates=other)).encode() + b"\n"], "ndjson"
    )
    assert report.loaded == 1
    native = world.native(500)
    native["setlinfo"] |= {"patn_cert_type": "08", "certno": "E87654321"}
    claim = world.send(native).claim_id
    world.matched(claim)
    assert world.state(claim) == "no_consent"
    done = erase(world, 500)
    assert (done.policies, done.settlements, done.claims) == (1, 1, 1)
    assert rows(world, tables.PolicyAlias) == []


def test_what_was_refused_of_a_person_is_erased_and_what_was_of_others_is_not(world: World) -> None:
    refused = []
    for index in (500, 501):
        native = world.native(index)
        native["setlinfo"]["medfee_sumamt"] = "1.00"
        with pytest.raises(Refused) as caught:
            world.send(native)
        refused.append(caught.value.quarantine_id)
    assert erase(world, 500).quarantined == 1
    kept = {row.id: row.body_sealed for row in rows(world, tables.Quarantined)}
    assert (kept[refused[0]], bool(kept[refused[1]])) == (b"", True)


def test_the_bytes_of_a_delivery_go_with_a_person_in_it_and_the_others_claims_stay(world: World) -> None:
    sources.register_source(world.ctx, mapping())
    mine, theirs = world.native(500), world.native(1)
    raw = natives(world, mine, theirs)
    receipt = deliveries.deliver(world.ctx, OURS, CALLS, raw)
    told = list(deliveries.read(world.ctx, OURS, receipt.delivery_id))
    gone, stays = (str(one.claim_id) for one in told)
    world.matched(gone)
    assert world.state(gone) == "uninsured"
    assert erase(world, 500).deliveries == 1
    (delivery,) = rows(world, Delivery)
    assert (delivery.body_sealed, delivery.body_digest) == (b"", receipt.body_digest)
    with pytest.raises(Conflict) as caught:
        list(deliveries.read(world.ctx, OURS, receipt.delivery_id))
    assert caught.value.code == "delivery.erased"
    assert deliveries.deliver(world.ctx, OURS, CALLS, raw).created is False
    world.decided(stays)
    assert world.state(stays) == "decided"


def test_parts_of_a_persons_stay_are_erased_with_it(world: World) -> None:
    sources.register_source(world.ctx, mapping())
    for index in (500, 501):
        receipt = deliveries.deliver(world.ctx, OURS, CALLS, written(of_settlement(world.native(index))))
        told = list(deliveries.read(world.ctx, OURS, receipt.delivery_id))
        world.matched(str(told[-1].claim_id))
    kept = len([row for row in rows(world, DeliveredBody) if row.body_sealed])
    assert erase(world, 500).deliveries == 1
    left = len([row for row in rows(world, DeliveredBody) if row.body_sealed])
    assert 0 < left < kept
    first = min(rows(world, Delivery), key=lambda row: row.received_at).delivery_id
    assert [row for row in rows(world, DeliveredBody) if row.delivery_id == first and row.body_sealed] == []


def test_what_is_kept_beyond_its_period_is_due(world: World) -> None:
    sources.register_source(world.ctx, mapping())
    world.matched(world.accepted(600))
    native = world.native(601)
    native["setlinfo"]["medfee_sumamt"] = "1.00"
    with pytest.raises(Refused):
        world.send(native)
    deliveries.deliver(world.ctx, OURS, CALLS, b"{}")
    assert {row["kind"]: row["due"] for row in retention.due(world.ctx)} == {
        "policies": 0,
        "unmatched_settlements": 0,
        "quarantined": 0,
        "deliveries": 0,
    }
    world.clock.ahead = timedelta(days=366)
    some = {row["kind"]: row["due"] for row in retention.due(world.ctx)}
    assert some == {"policies": 0, "unmatched_settlements": 1, "quarantined": 1, "deliveries": 1}
    world.clock.ahead = timedelta(days=1828)
    assert {row["kind"]: row["due"] for row in retention.due(world.ctx)}["policies"] == 45
    assert quarantine.list_quarantined(world.ctx, OURS, 0, 10).items != [], "a report deletes nothing"
