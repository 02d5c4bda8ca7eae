"""Accepted means kept, once; refused means kept with its reasons until it is corrected."""

import json
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import pytest
from sqlmodel import Session, select

from engine.errors import Conflict, NotAllowed, NotFound, Refused
from engine.pipeline import claims, intake, quarantine
from engine.pipeline.keeping import Accepted
from engine.store import tables
from tests.pipeline.world import OURS, THEIRS, World


def rows(world: World, table: type[Any]) -> list[Any]:
    """Read through a connection that has seen nothing of the writer's."""
    with Session(world.ctx.database.engine) as session:
        return list(session.exec(select(table)).all())


def test_what_is_acknowledged_is_committed(either: World) -> None:
    accepted = either.send(either.native())
    (settlement,), (claim,) = rows(either, tables.Settlement), rows(either, tables.Claim)
    assert (claim.claim_id, claim.state, accepted.created) == (accepted.claim_id, "accepted", True)
    assert settlement.setl_id == accepted.setl_id
    assert [move.to_state for move in rows(either, tables.ClaimTransition)] == ["accepted"]


def test_a_commit_that_fails_acknowledges_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_session: Session) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Session, "commit", fails, raising=True)
    monkeypatch.setattr("sqlalchemy.orm.session.SessionTransaction.commit", fails)
    with pytest.raises(OSError, match="no space"):
        world.send(world.native())
    monkeypatch.undo()
    assert rows(world, tables.Claim) == []


def test_the_same_settlement_again_is_answered_the_same(either: World) -> None:
    native = either.native()
    first, second = either.send(native), either.send(native)
    assert (second.created, second.claim_id) == (False, first.claim_id)
    assert second.received_at == first.received_at
    assert len(rows(either, tables.Claim)) == 1


def test_spelled_otherwise_it_is_still_the_same_settlement(world: World) -> None:
    native = world.native()
    first = world.send(native)
    spelled = json.dumps(dict(reversed(native.items())), ensure_ascii=True, indent=2).encode()
    assert intake.accept_settlement(world.ctx, OURS, spelled).claim_id == first.claim_id


def test_sent_by_many_at_once_it_is_one_claim(either: World) -> None:
    native = either.native()
    with ThreadPoolExecutor(8) as pool:
        answers = [future.result() for future in [pool.submit(either.send, native) for _ in range(24)]]
    assert len({answer.claim_id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1
    assert len(rows(either, tables.Claim)) == 1


def test_other_content_under_the_same_number_is_a_conflict_and_changes_nothing(world: World) -> None:
    native = world.native()
    first = world.send(native)
    before = rows(world, tables.Settlement)[0].model_dump()
    other = {**native, "setlinfo": {**native["setlinfo"], "dscg_way": "2"}}
    with pytest.raises(Conflict) as refused:
        world.send(other)
    assert refused.value.code == "settlement.conflict"
    assert [row.model_dump() for row in rows(world, tables.Settlement)] == [before]
    assert world.state(first.claim_id) == "accepted"
    assert rows(world, tables.Quarantined) == []


def test_the_number_is_each_hospitals_own(world: World) -> None:
    ours, theirs = world.native(0), world.native(1, hospital=THEIRS)
    theirs["setlinfo"]["setl_id"] = ours["setlinfo"]["setl_id"]
    assert world.send(ours).claim_id != world.send(theirs, THEIRS).claim_id


def test_another_hospitals_settlement_is_not_taken(world: World) -> None:
    with pytest.raises(NotAllowed) as refused:
        world.send(world.native(hospital=THEIRS), OURS)
    assert refused.value.code == "settlement.other_hospital"
    assert rows(world, tables.Claim) == []


def test_a_hospital_reads_its_own_settlements_only(world: World) -> None:
    accepted = world.send(world.native())
    assert intake.settlement_view(world.ctx, OURS, accepted.setl_id)["claim_id"] == accepted.claim_id
    with pytest.raises(NotFound):
        intake.settlement_view(world.ctx, THEIRS, accepted.setl_id)
    assert intake.list_settlements(world.ctx, THEIRS, 0, 10).items == []


def test_a_refused_body_is_kept_with_its_violations_until_its_correction(world: World) -> None:
    good = world.native()
    bad = {**good, "setlinfo": {**good["setlinfo"], "medfee_sumamt": "0.01", "dscg_way": "99"}}
    with pytest.raises(Refused) as refused:
        world.send(bad)
    assert {v["field"] for v in refused.value.violations} >= {"/setlinfo/dscg_way"}
    (kept,) = quarantine.list_quarantined(world.ctx, OURS, 0, 10).items
    assert kept["quarantine_id"] == refused.value.quarantine_id
    assert kept["violations"] == refused.value.violations
    assert kept["corrected"] is False
    assert claims.totals(world.ctx)["quarantined"] == 1
    row = rows(world, tables.Quarantined)[0]
    body = world.ctx.vault.unseal(row.body_sealed, f"quarantined.body/{row.body_digest}")
    assert json.loads(body) == bad

    world.send(good)
    assert quarantine.list_quarantined(world.ctx, OURS, 0, 10).items[0]["corrected"] is True
    assert claims.totals(world.ctx)["quarantined"] == 0


def test_another_settlements_acceptance_corrects_nothing(world: World) -> None:
    bad = world.native()
    bad["setlinfo"]["dscg_way"] = "99"
    with pytest.raises(Refused):
        world.send(bad)
    world.send(world.native())
    assert quarantine.list_quarantined(world.ctx, OURS, 0, 10).items[0]["corrected"] is False


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"setlinfo": {"a": 1, "a": 2}}', b"\xff\xfe"])
def test_a_body_that_cannot_be_read_is_kept_too(world: World, raw: bytes) -> None:
    ids = set()
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            intake.accept_settlement(world.ctx, OURS, raw)
        ids.add(refused.value.quarantine_id)
    assert len(ids) == 1, "the same bytes are kept once"
    assert len(quarantine.list_quarantined(world.ctx, OURS, 0, 10).items) == 1


def test_one_bad_item_of_a_batch_takes_no_other_with_it(world: World) -> None:
    good, other = world.native(0), world.native(1)
    bad = world.native(2)
    bad["setlinfo"]["dscg_way"] = "99"
    theirs = world.native(3, hospital=THEIRS)
    raws = [json.dumps(native).encode() for native in (good, bad, theirs, other, good)]
    outcomes = list(intake.accept_batch(world.ctx, OURS, raws))
    kinds = [type(outcome).__name__ for outcome in outcomes]
    assert kinds == ["Accepted", "Refused", "NotAllowed", "Accepted", "Accepted"]
    assert len(rows(world, tables.Claim)) == 2


def test_a_settlement_twice_in_one_batch_is_kept_once_and_with_other_content_is_refused(world: World) -> None:
    first = world.native(0)
    other = deepcopy(first)
    other["diseinfo"][0]["diag_name"] = "another name"
    raws = [json.dumps(native).encode() for native in (first, other, first)]
    kept, clash, again = intake.accept_batch(world.ctx, OURS, raws)
    assert isinstance(clash, Conflict)
    assert isinstance(kept, Accepted)
    assert isinstance(again, Accepted)
    assert (kept.created, again.created, again.claim_id) == (True, False, kept.claim_id)
    assert len(rows(world, tables.Claim)) == 1


def test_pages_go_on_where_they_ended(world: World) -> None:
    sent = [world.accepted(index) for index in range(5)]
    first = intake.list_settlements(world.ctx, OURS, 0, 3)
    assert isinstance(first.next, int)
    second = intake.list_settlements(world.ctx, OURS, first.next, 3)
    assert [item["claim_id"] for item in first.items + second.items] == sent
    assert second.next is None
