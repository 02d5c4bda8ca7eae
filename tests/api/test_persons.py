"""An operator erases a person and sees what is due; whom it was about stands in no log."""

import json
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from engine.pipeline import claims, match
from engine.sandbox import people
from engine.sandbox.population import SEED
from tests.api.test_deliveries import lines, post, register
from tests.api.world import OURS, World, settlement

_indexes = count(700)


@pytest.fixture
def somebody(world: World) -> str:
    """The certificate of a person on no roll, of whom a claim came that no policy answers for."""
    who = people.person(SEED, next(_indexes))
    native = settlement(certno=who.cert_no, brdy=who.born.isoformat(), age="40")
    answer = world.post_settlement(native, native["setlinfo"]["setl_id"])
    assert answer.status_code in (201, 202), answer.text
    batch_id = answer.json()["claim_id"]
    with world.ctx.database.transaction() as session:
        claims.known(session, answer.json()["claim_id"], lock=True).batch_id = batch_id
    match.match_batch(world.ctx, batch_id)
    return who.cert_no


def test_a_person_is_erased_over_http_once_and_stands_in_no_log(
    world: World, somebody: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with world.http("operator") as http:
        done = http.post("/v1/persons:erase", json={"cert_type": "01", "cert_no": somebody})
        again = http.post("/v1/persons:erase", json={"cert_type": "01", "cert_no": somebody})
        wrong = http.post("/v1/persons:erase", json={"cert_type": "01", "cert_no": "123"})
    assert (done.status_code, done.json()["claims"]) == (200, 1)
    assert (again.status_code, again.json()["code"]) == (404, "person.unknown")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "/cert_no")
    with world.client("auditor") as client:
        log = json.dumps(list(client.access_log()))
    assert "/v1/persons:erase" in log
    assert somebody not in log + "".join(capfd.readouterr()) + again.text + wrong.text


def test_the_command_reads_the_certificate_from_standard_input(
    world: World, somebody: str, home: Path
) -> None:
    asked = ["erase", "--person", "01", "--home", str(home), "--json"]
    done = CliRunner().invoke(app, asked, input=f"{somebody}\n")
    assert (done.exit_code, json.loads(done.stdout.splitlines()[-1])["settlements"]) == (0, 1)
    again = CliRunner().invoke(app, asked, input=f"{somebody}\n")
    assert (again.exit_code, "[person.unknown]" in again.stderr) == (1, True)


def test_what_is_due_is_listed_and_the_command_says_no(world: World, somebody: str, home: Path) -> None:
    asked = ["retention", "--home", str(home), "--json"]
    assert CliRunner().invoke(app, asked).exit_code == 0
    world.clock.ahead = timedelta(days=366)
    try:
        told = CliRunner().invoke(app, asked)
    finally:
        world.clock.ahead = timedelta(0)
    due = {item["kind"]: item["due"] for item in json.loads(told.stdout.splitlines()[-1])["items"]}
    assert told.exit_code == 1
    assert due["unmatched_settlements"] >= 1
    assert due["policies"] == 0


def test_what_the_purpose_does_not_list_is_dropped_and_the_drop_is_listed(world: World) -> None:
    register(world)
    native = settlement(coner_tel="00031384245")
    _, record, _ = lines(post(world, "/v1/deliveries?source=his", json.dumps(native).encode()))
    assert record["outcome"] == "accepted"
    for who in (OURS, "operator"):
        with world.http(who) as http:
            items = http.get("/v1/sources/dropped", params={"limit": 500}).json()["items"]
        assert ["his", 1] in [
            [one["source"], one["seen"]] for one in items if one["field"].endswith("coner_tel")
        ]
