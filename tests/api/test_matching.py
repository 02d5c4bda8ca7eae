"""A provider asks and releases over HTTP; an operator publishes; nothing personal is logged of either."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from sqlmodel import select
from typer.testing import CliRunner

from api.cli.main import app
from api.http.matching import ANSWER_BYTES
from engine.matching.voprf import PROTOCOL, SUITE, Evaluated, Question, name_message, person_message
from engine.store.tables import AccessEntry
from tests.api.world import OURS, THEIRS, World

NUMBER, NAME = "11010519491231002X", "测试甲"


@pytest.fixture(scope="module")
def epoch(world: World) -> Iterator[int]:
    """The newest that stands, with one of the module's own before it."""
    with world.client("operator") as operator:
        operator.rotate_roll()
        yield operator.rotate_roll()["epoch"]


def _asked(number: int, question: Question, **changes: Any) -> dict[str, Any]:
    stated = {
        "protocol": PROTOCOL,
        "suite": SUITE,
        "epoch": number,
        "discharge": sha256(question.elements[0]).hexdigest(),
        "elements": [element.hex() for element in question.elements],
    }
    return stated | changes


def _post(world: World, path: str, body: dict[str, Any], who: str = OURS) -> httpx.Response:
    with world.http(who) as http:
        return http.post(f"/v1/match/{path}", json=body, auth=world.signer(who))


def test_a_question_is_answered_with_a_proof_in_one_size_and_never_twice(world: World, epoch: int) -> None:
    with world.client("operator") as operator:
        key = bytes.fromhex(operator.match_epochs()["items"][-1]["public_key"])
    sizes = set()
    questions = [
        Question.of(
            [person_message("01", NUMBER), *(name_message("01", NUMBER, f"{NAME}{i}") for i in range(names))]
        )
        for names in (0, 1, 7)
    ]
    for question in questions:
        response = _post(world, "evaluations", _asked(epoch, question))
        answer = response.json()
        evaluated = Evaluated(tuple(map(bytes.fromhex, answer["evaluated"])), bytes.fromhex(answer["proof"]))
        assert len(question.outputs(evaluated, key)) == len(question.elements)
        sizes.add(len(response.content))
    assert sizes == {ANSWER_BYTES}
    again = _post(world, "evaluations", _asked(epoch, questions[0]))
    assert (again.status_code, again.json()["code"]) == (409, "match.discharge_reused")
    # By another provider it is another question, whatever the first was named.
    assert _post(world, "evaluations", _asked(epoch, questions[0]), THEIRS).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"protocol": "autoclaim-match/0"}, 422, "match.protocol"),
        ({"suite": "P256-SHA256"}, 422, "match.protocol"),
        ({"mode": "OPRF"}, 422, "match.protocol"),
        ({"epoch": 77}, 404, "match.epoch_unknown"),
        ({"elements": ["00" * 32]}, 422, "match.element"),
        ({"elements": []}, 422, "match.element"),
        ({"person": NUMBER}, 422, "request.invalid"),
    ],
)
def test_what_is_not_spoken_is_refused_with_its_code(
    world: World, epoch: int, changes: dict[str, Any], status: int, code: str
) -> None:
    question = Question.of([person_message("01", NUMBER)])
    response = _post(world, "evaluations", _asked(epoch, question, **changes))
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert NUMBER not in response.text


@pytest.mark.parametrize("weaker", [{"protocol": "autoclaim-match/0"}, {"mode": "whole"}, {"mode": None}])
def test_a_release_in_another_version_or_mode_is_refused(
    world: World, epoch: int, weaker: dict[str, Any]
) -> None:
    stated = {
        "protocol": PROTOCOL,
        "mode": "settlement",
        "epoch": epoch,
        "discharge": "00" * 32,
        "handle": "00" * 32,
        "authorization": "0x" + "00" * 32,
        "document": {},
        "setl_id": "S1",
        "salt": "00" * 32,
    }
    spoken, other = (_post(world, "releases", stated | changes) for changes in ({}, weaker))
    assert (spoken.status_code, spoken.json()["code"]) == (404, "release.discharge_unknown")
    assert (other.status_code, other.json()["code"]) in {(422, "match.protocol"), (422, "request.invalid")}


def test_a_question_is_signed_by_the_hospital_that_asks(world: World, epoch: int) -> None:
    body = _asked(epoch, Question.of([person_message("01", NUMBER)]))
    with world.http(OURS) as http:
        unsigned = http.post("/v1/match/evaluations", json=body)
        others = http.post("/v1/match/evaluations", json=body, auth=world.signer(THEIRS))
    assert (unsigned.status_code, unsigned.json()["code"]) == (401, "signature.missing")
    assert (others.status_code, others.json()["code"]) == (403, "signature.wrong_hospital")


def test_calls_are_logged_without_what_was_asked(world: World, epoch: int) -> None:
    body = _asked(epoch, Question.of([person_message("01", NUMBER)]))
    assert _post(world, "evaluations", body).status_code == 200
    with world.http(OURS) as http:
        update = http.get(f"/v1/match/epochs/{epoch}/updates/0")
        listed = http.get("/v1/match/epochs").json()["items"][-1]
    assert json.loads(update.content.split(b"\n", 1)[0])["public_key"] == listed["public_key"]
    with world.ctx.database.reading() as session:
        rows = session.exec(select(AccessEntry).order_by(AccessEntry.seq.desc()).limit(4)).all()  # type: ignore[union-attr]
    assert len({row.request_id for row in rows}) == len(rows), "a call is logged once"
    paths = [(row.method, row.path, row.status) for row in reversed(rows)][1:]
    assert paths == [
        ("POST", "/v1/match/evaluations", 200),
        ("GET", f"/v1/match/epochs/{epoch}/updates/0", 200),
        ("GET", "/v1/match/epochs", 200),
    ]
    told = json.dumps([row.model_dump(mode="json") for row in rows])
    assert body["discharge"] not in told
    assert body["elements"][0] not in told


def test_an_operator_publishes_rotates_withdraws_appoints_and_is_told_of_alarms(
    world: World, epoch: int, home: Path
) -> None:
    def run(*words: str) -> tuple[int, Any]:
        done = CliRunner().invoke(app, ["matching", *words, "--home", str(home), "--json"])
        return done.exit_code, json.loads(done.stdout.splitlines()[-1])  # the engine logs here, too

    asked = _asked(epoch, Question.of([person_message("01", NUMBER)]))
    assert [_post(world, "evaluations", asked).status_code for _ in range(2)] == [200, 409]
    exit_code, published = run("publish")
    assert exit_code == 0
    assert epoch in {update["epoch"] for update in published["items"]}
    exit_code, rotated = run("rotate")
    assert (exit_code, rotated["items"][0]["update"]) == (0, 0)
    number = rotated["items"][0]["epoch"]
    assert run("withdraw", str(number)) == (0, {"withdrawn": number})
    exit_code, told = run("status")
    assert exit_code == 1
    assert next(one for one in told["items"] if one["epoch"] == number)["withdrawn_at"]
    assert (OURS, "match.discharge_reused") in {(one["provider"], one["code"]) for one in told["alarms"]}
    address = Account.create().address
    exit_code, announced = run("appoint", address)
    assert (exit_code, announced["address"], announced["not_before"] is None) == (0, address, False)
    assert run("appoint", address) == (0, announced), "it is too early"
    assert CliRunner().invoke(app, ["matching", "appoint", "0x12", "--home", str(home)]).exit_code == 1
    assert run("sample", "--one-in", "3") == (0, {"withheld": 0, "demanded": []})
    nobodys = CliRunner().invoke(app, ["matching", "demand", "clm_none", "--home", str(home)])
    assert (nobodys.exit_code, "[claim.unknown]" in nobodys.stderr) == (1, True)
    refused = CliRunner().invoke(app, ["matching", "withdraw", "99", "--home", str(home)])
    assert (refused.exit_code, "[match.epoch_unknown]" in refused.stderr) == (1, True)
