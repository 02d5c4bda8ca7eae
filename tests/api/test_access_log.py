"""Every call is written down before its answer leaves, and nothing personal with it."""

from typing import Any

import pytest

from engine.store import access_log
from engine.store.tables import AccessEntry
from tests.api.world import OURS, World, settlement


def _entry(world: World, request_id: str) -> AccessEntry:
    with world.ctx.database.reading() as session:
        newest, _ = access_log.head(session)
        entries = access_log.page(session, max(0, newest - 20), 100)
    [entry] = [entry for entry in entries if entry.request_id == request_id]
    return entry


def test_a_call_is_written_down_with_who_what_and_how_it_ended(world: World) -> None:
    with world.http("insurer") as http:
        answer = http.get("/v1/claims", params={"hospital": OURS})
    entry = _entry(world, answer.headers["x-request-id"])
    assert (entry.method, entry.path, entry.status) == ("GET", "/v1/claims", 200)
    assert (entry.role, entry.principal, entry.remote) == ("insurer", "the insurer", "127.0.0.1")
    assert entry.key_id == world.tokens["insurer"].split("_")[1]


def test_refused_calls_are_written_down_too(world: World) -> None:
    with world.http("auditor") as http:
        wrong_role = http.get("/v1/claims")
        no_route = http.get("/v1/11010519491231002X")
        nobody = http.get("/v1/claims", headers={"Authorization": "Bearer ak_wrong"})
    entry = _entry(world, wrong_role.headers["x-request-id"])
    assert (entry.status, entry.role, entry.path) == (403, "auditor", "/v1/claims")
    entry = _entry(world, no_route.headers["x-request-id"])
    assert (entry.status, entry.path) == (404, "(no route)")
    entry = _entry(world, nobody.headers["x-request-id"])
    assert (entry.status, entry.role, entry.key_id) == (401, None, None)


def test_reading_the_documentation_is_named_as_such(world: World) -> None:
    with world.http() as http:
        answer = http.get("/docs")
    assert _entry(world, answer.headers["x-request-id"]).path == "/docs"


def test_ids_that_say_nothing_of_a_person_stand_in_the_path(world: World) -> None:
    claim_key = "0x" + "ab" * 32
    with world.http("auditor") as http:
        answer = http.get(f"/v1/evidence/{claim_key}")
    assert _entry(world, answer.headers["x-request-id"]).path == f"/v1/evidence/{claim_key}"


def test_a_settlement_number_is_replaced_by_its_claim(world: World) -> None:
    native = settlement()
    setl_id = native["setlinfo"]["setl_id"]
    posted = world.post_settlement(native, f"log-{setl_id}")
    claim_id = posted.json()["claim_id"]
    assert _entry(world, posted.headers["x-request-id"]).path == f"/v1/settlements#{claim_id}"
    with world.http(OURS) as http:
        read = http.get(f"/v1/settlements/{setl_id}")
        missed = http.get("/v1/settlements/11010519491231002X")
    assert _entry(world, read.headers["x-request-id"]).path == "/v1/settlements/{setl_id}#" + claim_id
    assert _entry(world, missed.headers["x-request-id"]).path == "/v1/settlements/{setl_id}"


def test_the_log_over_http_is_a_chain_that_a_reader_can_walk(world: World) -> None:
    with world.client("auditor") as client:
        entries = list(client.access_log())
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    previous = access_log.GENESIS
    for entry in entries:
        assert entry["previous_digest"] == previous
        previous = entry["digest"]
    with world.ctx.database.reading() as session:
        assert access_log.verify_chain(session).broken_at is None


def test_an_answer_that_cannot_be_written_down_does_not_leave(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(access_log, "append_all", broken)
    with world.http("insurer") as http:
        withheld, probe = http.get("/v1/claims"), http.get("/healthz")
    assert (withheld.status_code, withheld.json()["code"]) == (503, "access_log.unavailable")
    assert "items" not in withheld.json()
    assert probe.status_code == 200
