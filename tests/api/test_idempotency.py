"""A retry is answered as the first time; a correction is heard."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, select

from api.http.idempotency import InFlight
from engine.errors import Conflict
from engine.store import idempotency, settlements
from engine.store.tables import IdempotentAnswer, Settlement
from tests.api.world import OURS, THEIRS, World, settlement


def _settlements(world: World, setl_id: str) -> int:
    with world.ctx.database.reading() as session:
        return len(session.exec(select(Settlement).where(Settlement.setl_id == setl_id)).all())


def test_a_retry_gets_the_same_status_and_the_same_bytes(world: World) -> None:
    native = settlement()
    first = world.post_settlement(native, "retry-1")
    again = world.post_settlement(native, "retry-1")
    assert (first.status_code, first.content) == (202, again.content)
    assert again.status_code == 202
    assert "idempotent-replay" not in first.headers
    assert again.headers["idempotent-replay"] == "true"
    assert _settlements(world, native["setlinfo"]["setl_id"]) == 1


def test_the_same_settlement_under_another_key_answers_the_same(world: World) -> None:
    native = settlement()
    first = world.post_settlement(native, "same-1")
    again = world.post_settlement(native, "same-2")
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert "idempotent-replay" not in again.headers


def test_a_key_that_was_used_for_another_body_is_refused(world: World) -> None:
    assert world.post_settlement(settlement(), "reused-1").status_code == 202
    other = settlement()
    response = world.post_settlement(other, "reused-1")
    assert (response.status_code, response.json()["code"]) == (422, "idempotency.key_reused")
    assert _settlements(world, other["setlinfo"]["setl_id"]) == 0


def test_keys_of_two_callers_do_not_meet(world: World) -> None:
    assert world.post_settlement(settlement(), "shared-1").status_code == 202
    theirs = settlement(fixmedins_code=THEIRS)
    assert world.post_settlement(theirs, "shared-1", who=THEIRS).status_code == 202


def test_a_refused_settlement_can_be_corrected_and_sent_again_under_the_same_key(world: World) -> None:
    native = settlement(medfee_sumamt="30000.01")
    refused = world.post_settlement(native, "corrected-1")
    assert refused.status_code == 422
    problem = refused.json()
    assert problem["code"] == "settlement.invalid"
    assert "/setlinfo/medfee_sumamt" in {error["field"] for error in problem["errors"]}
    assert problem["quarantine_id"] is not None
    native["setlinfo"]["medfee_sumamt"] = "30000.00"
    assert world.post_settlement(native, "corrected-1").status_code == 202


def test_a_settlement_without_a_key_is_refused(world: World) -> None:
    with world.http(OURS) as http:
        response = http.post("/v1/settlements", json=settlement(), auth=world.signer())
        reversal = http.post("/v1/settlements/S1/reversal", json={}, auth=world.signer())
    for refused in (response, reversal):
        assert (refused.status_code, refused.json()["code"]) == (400, "idempotency.key_missing")


@pytest.mark.parametrize("key", ["", "with space", "x" * 256])
def test_a_key_that_is_none_is_refused(world: World, key: str) -> None:
    response = world.post_settlement(settlement(), key)
    assert (response.status_code, response.json()["code"]) == (400, "idempotency.key")


def test_a_second_request_while_the_first_is_answered_is_told_to_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, refused = threading.Event(), threading.Event()
    insert_all, take = settlements.insert_all, InFlight.take

    def slow(*given: Any) -> Any:
        entered.set()
        assert refused.wait(20)
        return insert_all(*given)

    def watched(*given: Any) -> Any:
        try:
            return take(*given)
        except Conflict:
            refused.set()
            raise

    monkeypatch.setattr(settlements, "insert_all", slow)
    monkeypatch.setattr(InFlight, "take", watched)
    native = settlement()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(world.post_settlement, native, "in-flight-1")
        assert entered.wait(20)
        second = world.post_settlement(native, "in-flight-1")
        assert first.result().status_code == 202
    assert (second.status_code, second.json()["code"]) == (409, "idempotency.in_progress")
    assert world.post_settlement(native, "in-flight-1").headers["idempotent-replay"] == "true"


def test_a_settlement_its_answer_and_the_entry_in_the_log_are_kept_together_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OperationalError("insert", {}, Exception("the disk is full"))

    native = settlement()
    with monkeypatch.context() as broken_disk:
        broken_disk.setattr(idempotency, "keep_all", broken)
        withheld = world.post_settlement(native, "together-1")
    assert (withheld.status_code, withheld.json()["code"]) == (503, "database.unavailable")
    assert "claim_id" not in withheld.text
    assert _settlements(world, native["setlinfo"]["setl_id"]) == 0
    again = world.post_settlement(native, "together-1")
    assert again.status_code == 202
    assert "idempotent-replay" not in again.headers
    assert _settlements(world, native["setlinfo"]["setl_id"]) == 1


def test_no_answer_is_kept_of_a_key_that_was_issued(world: World) -> None:
    with world.http("operator") as http:
        issued = http.post(
            "/v1/keys", json={"role": "auditor", "principal": "x"}, headers={"Idempotency-Key": "secret-1"}
        )
    assert issued.status_code == 201
    with world.ctx.database.reading() as session:
        assert not _kept(session, issued.json()["token"])


def _kept(session: Session, text: str) -> bool:
    return any(text.encode() in answer.body for answer in session.exec(select(IdempotentAnswer)))
