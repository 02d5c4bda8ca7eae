"""The quality of a hospital's data is told to it and to the operator, in numbers and as a picture."""

import json
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from engine.settlement.quality import QUALITY_RULES
from engine.store import quality
from engine.store.quality import Of
from tests.api.test_deliveries import post, register
from tests.api.world import OURS, THEIRS, World, settlement

_SVG = "{http://www.w3.org/2000/svg}"
_DAY = date(2026, 3, 18)


@pytest.fixture
def counted(world: World) -> World:
    """A day that no other test has: a hundred records of ours, two of theirs."""
    with world.ctx.database.transaction() as session:
        if list(quality.seen(session, _DAY, _DAY)):
            return world
        ours = {
            ("records", "accepted"): 97,
            ("records", "quarantined"): 3,
            ("lag", "2"): 90,
            ("lag", "9"): 7,
            ("error", "consistent"): 3,
            ("warning", "timely"): 7,
            ("rule", "settlement.identity.payer_split"): 3,
            ("rule", "settlement.timely.settlement"): 7,
        }
        quality.add(session, {Of(_DAY, OURS, "native", "e"): ours})
        quality.add(session, {Of(_DAY, THEIRS, "his", "e"): {("records", "refused"): 2, ("refused", "x"): 2}})
    return world


def get(world: World, path: str, who: str) -> Any:
    with world.http(who) as http:
        return http.get(f"/v1/quality/{path}")


def test_every_rule_is_listed(world: World) -> None:
    listed = get(world, "rules", "auditor").json()["items"]
    assert [rule["id"] for rule in listed] == list(QUALITY_RULES)
    assert listed[0] == asdict(next(iter(QUALITY_RULES.values())))


def test_what_is_received_today_is_on_the_scorecard(world: World) -> None:
    before = get(world, "scorecard", OURS).json()
    assert world.post_settlement(settlement(), "quality-1").status_code == 202
    assert world.post_settlement(settlement(medfee_sumamt="1.00"), "quality-2").status_code == 422
    after = get(world, "scorecard", OURS).json()
    one, two = ({card["source"]: card for card in told["items"]} for told in (before, after))
    assert two["native"]["accepted"] == one.get("native", {"accepted": 0})["accepted"] + 1
    assert two["native"]["quarantined"] == one.get("native", {"quarantined": 0})["quarantined"] + 1


def test_what_an_operator_puts_right_is_corrected_on_the_scorecard(world: World) -> None:
    register(world)
    native = settlement(setl_id="QUALITY-1")
    right = native["setlinfo"]["medfee_sumamt"]
    native["setlinfo"]["medfee_sumamt"] = "1.00"
    told = post(world, "/v1/deliveries?source=his", json.dumps(native).encode()).text.splitlines()
    quarantine_id = json.loads(told[1])["quarantine_id"]
    patch = json.dumps({"setlinfo": {"medfee_sumamt": right}}).encode()
    with world.http("operator") as http:
        headers = {"Content-Type": "application/merge-patch+json"}
        path = f"/v1/quarantine/{quarantine_id}:correct"
        answer = http.post(path, content=patch, headers=headers)
    assert answer.is_success, answer.text
    cards = {card["source"]: card for card in get(world, "scorecard", OURS).json()["items"]}
    assert (cards["correction"]["accepted"], cards["correction"]["corrected"]) == (1, 1)


def test_a_hospital_sees_its_own_scorecard_and_an_operator_all(counted: World) -> None:
    day = f"scorecard?day={_DAY}"
    by = {who: get(counted, day, who).json()["items"] for who in (OURS, THEIRS, "operator")}
    assert [card["hospital_code"] for card in by[OURS]] == [OURS]
    assert by[OURS] + by[THEIRS] == by["operator"]
    assert get(counted, f"{day}&hospital={THEIRS}", "operator").json()["items"] == by[THEIRS]
    refused = get(counted, f"{day}&hospital={THEIRS}", OURS)
    assert (refused.status_code, refused.json()["code"]) == (403, "quality.other_hospital")
    assert get(counted, "scorecard?day=yesterday", "operator").status_code == 422


def test_the_patrol_tells_an_operator_what_the_command_prints(world: World) -> None:
    day = date(2024, 5, 1)
    with world.ctx.database.transaction() as session:
        for week in range(1, 9):
            for code in (OURS, THEIRS):
                of = Of(day - timedelta(weeks=week), code, "patrolled", "e")
                quality.add(session, {of: {("records", "accepted"): 50}})
    told = get(world, f"patrol?day={day}", "operator").json()
    assert [(one["code"], one["hospital_code"]) for one in told["findings"]] == [
        *(("patrol.silent", OURS), ("patrol.silent", THEIRS)),
    ]
    home = str(world.ctx.settings.home)
    printed = CliRunner().invoke(app, ["quality", "patrol", "--day", str(day), "--home", home, "--json"])
    assert json.loads(printed.stdout[printed.stdout.index("{\n") :]) == told
    (one,) = get(world, f"patrol?day={day}&hospital={THEIRS}", "operator").json()["findings"]
    assert one["hospital_code"] == THEIRS


def test_a_scorecard_has_numbers_and_no_adjectives(counted: World) -> None:
    (card,) = get(counted, f"scorecard?day={_DAY}", OURS).json()["items"]
    assert (card["received"], card["judged"], card["lag_p50_days"], card["lag_p95_days"]) == (100, 100, 2, 9)
    shares = {one["dimension"]: one["share_without_error"] for one in card["dimensions"]}
    assert shares == {"complete": 1, "valid": 1, "consistent": 0.97, "unique": 1, "timely": 1}
    assert [(one["rule"], one["records"]) for one in card["top_rules"]] == [
        ("settlement.timely.settlement", 7),
        ("settlement.identity.payer_split", 3),
    ]


def drawn(picture: str | bytes) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314  our own


def texts(picture: str) -> list[str]:
    return ["".join(one.itertext()).strip() for one in drawn(picture).iter(f"{_SVG}text")]


def test_the_picture_is_valid_and_says_in_words_what_it_shows(counted: World) -> None:
    response = get(counted, f"scorecard.svg?day={_DAY}", "operator")
    assert response.headers["content-type"] == "image/svg+xml"
    root = drawn(response.content)
    ids = {one.get("id"): one for one in root}
    assert root.get("aria-labelledby", "").split() == ["title", "desc"]
    assert str(_DAY) in str(ids["title"].text)
    for number in ("100 records received", "97 accepted", "3 quarantined", "consistent 97.00 %"):
        assert number in str(ids["desc"].text)
    shown = texts(response.text)
    assert {"97.00 % (97)", "100.00 % (100), 7 with a warning", f"{OURS}  native", f"{THEIRS}  his"} <= {
        *shown
    }
    assert "none judged (0)" in shown


def test_every_bar_stays_in_the_picture_and_has_its_number_beside_it(counted: World) -> None:
    root = drawn(get(counted, f"scorecard.svg?day={_DAY}", "operator").content)
    width, height = (float(one) for one in root.get("viewBox", "").split()[2:])
    numbers = {float(one.get("y", "0")) for one in root.iter(f"{_SVG}text") if float(one.get("x", "0")) > 400}
    bars = [one for one in root.iter(f"{_SVG}rect") if one.get("x")]
    wide = [float(bar.get("width", "nan")) for bar in bars]
    tracks, filled = wide[::2], wide[1::2]
    assert len(filled) > 10
    # Accepted, quarantined, complete, valid, consistent of ours, in this order.
    assert filled[:5] == [pytest.approx(tracks[0] * share, abs=0.1) for share in (0.97, 0.03, 1, 1, 0.97)]
    for bar in bars:
        x, y, its = (float(bar.get(name, "nan")) for name in ("x", "y", "width"))
        assert 0 <= its <= tracks[0]
        assert x + its <= width
        assert y < height
        assert any(0 <= number - y <= 15 for number in numbers)


def test_a_rule_that_there_no_longer_is_stays_on_the_scorecards_of_its_days(world: World) -> None:
    day = date(2024, 6, 1)
    with world.ctx.database.transaction() as session:
        quality.add(session, {Of(day, OURS, "native", "e"): {("rule", "settlement.once"): 4}})
    (card,) = get(world, f"scorecard?day={day}", OURS).json()["items"]
    assert card["top_rules"] == [
        {"rule": "settlement.once", "severity": None, "dimension": None, "records": 4}
    ]
    assert "settlement.once" in get(world, f"scorecard.svg?day={day}", OURS).text


def test_no_text_runs_out_of_the_picture(counted: World) -> None:
    """As wide as the widest of the usual sans-serif faces draws them: 0.61 of the size a letter."""
    root = drawn(get(counted, f"scorecard.svg?day={_DAY}", "operator").content)
    width = float(root.get("viewBox", "").split()[2])
    for one in root.iter(f"{_SVG}text"):
        size = float(one.get("font-size", "13"))
        assert float(one.get("x", "nan")) + 0.61 * size * len(one.text or "") <= width, one.text


def test_a_day_on_which_nothing_came_says_so(world: World) -> None:
    assert "Nothing was received." in texts(get(world, "scorecard.svg?day=2001-01-01", OURS).text)
    assert get(world, "scorecard?day=2001-01-01", OURS).json()["items"] == []
