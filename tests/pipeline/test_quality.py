"""What is counted of each record, with the record: the scorecard says what came, and nothing of whom."""

import json
from collections import Counter
from typing import Any

import pytest

from engine.errors import Conflict, NotAllowed, Refused
from engine.pipeline import deliveries, intake, sources
from engine.pipeline.scorecard import Scorecard, percentile, scorecards
from engine.settlement.sources.record import SourceRefused
from engine.store import quality
from engine.store.quality import DayStatement, QualityTally
from tests.pipeline.test_deliveries import CALLS, deliver, mapping, natives
from tests.pipeline.test_intake import rows
from tests.pipeline.world import OURS, THEIRS, World
from tests.settlement.sources.calls import call, of_settlement, written


def cards(world: World, hospital: str | None = None) -> dict[str, Scorecard]:
    """Of today, by source."""
    with world.ctx.database.reading() as session:
        return {one.source: one for one in scorecards(session, world.ctx.today(), hospital)}


def wrong(native: dict[str, Any]) -> dict[str, Any]:
    """Breaks two rules of one dimension, one of them in two places."""
    native["setlinfo"] |= {"medfee_sumamt": "1.00"}
    return native


def test_every_record_comes_to_one_count(either: World) -> None:
    good, bad = either.native(0), wrong(either.native(1))
    either.send(good)
    either.send(good)
    for _ in range(2):
        with pytest.raises(Refused):
            either.send(bad)
    good["diseinfo"][0]["diag_name"] = "another name"
    with pytest.raises(Conflict):
        either.send(good)
    with pytest.raises(NotAllowed):
        either.send(either.native(2), hospital=THEIRS)
    ours, theirs = (cards(either, code)["native"] for code in (OURS, THEIRS))
    counted = (ours.received, ours.accepted, ours.repeated, ours.quarantined, ours.refused)
    assert counted == (5, 1, 2, 1, 1)
    assert ours.refusals == {"settlement.conflict": 1}
    assert (theirs.received, theirs.refusals) == (1, {"settlement.other_hospital": 1})


def test_a_batch_is_counted_as_its_settlements_are(world: World) -> None:
    natives = [*(world.native(index) for index in range(3)), wrong(world.native(3))]
    list(intake.accept_batch(world.ctx, OURS, [json.dumps(one).encode() for one in natives]))
    card = cards(world)["native"]
    assert (card.accepted, card.quarantined, card.judged) == (3, 1, 4)
    fees = {line["med_chrgitm_type"] for line in natives[0]["feedetail"]}
    seen = {row.name: row.seen for row in rows(world, QualityTally) if row.what == "fee_category"}
    assert fees <= seen.keys()
    assert max(seen.values()) == 3


def test_a_rule_counts_once_a_record_and_against_its_dimension(world: World) -> None:
    with pytest.raises(Refused) as refused:
        world.send(wrong(world.native()))
    broken = {one["rule"] for one in refused.value.violations}
    world.send(world.native(1))
    card = cards(world)["native"]
    errors = {one.rule: one.records for one in card.top_rules if one.severity == "error"}
    assert errors == dict.fromkeys(broken, 1)
    by_dimension = {one.dimension: one for one in card.dimensions}
    assert (by_dimension["consistent"].with_error, by_dimension["consistent"].share_without_error) == (1, 0.5)
    assert by_dimension["valid"].share_without_error == 1.0


def test_warnings_are_counted_though_the_settlement_is_accepted(world: World) -> None:
    native = world.native()
    native["feedetail"][0]["fee_ocur_time"] = "2020-01-01 08:00:00"
    world.send(native)
    card = cards(world)["native"]
    warnings = {one.rule for one in card.top_rules}
    # The world's people fell ill in 2024, and its clock is the machine's.
    assert {"settlement.dates.line", "settlement.timely.discharge"} <= warnings
    by_dimension = {one.dimension: one for one in card.dimensions}
    assert (by_dimension["timely"].with_warning, by_dimension["timely"].with_error) == (1, 0)
    assert by_dimension["consistent"].with_warning == 1


def test_what_is_corrected_is_counted_when_it_is(world: World) -> None:
    native = world.native()
    right = native["setlinfo"]["medfee_sumamt"]
    with pytest.raises(Refused):
        world.send(wrong(native))
    assert cards(world)["native"].corrected == 0
    native["setlinfo"]["medfee_sumamt"] = right
    world.send(native)
    card = cards(world)["native"]
    assert (card.corrected, card.accepted, card.quarantined) == (1, 1, 1)


def test_the_lag_is_from_discharge_to_the_day_of_receipt(world: World) -> None:
    accepted = world.send(world.native())
    discharged = world.settlement(accepted.claim_id).discharged_on
    card = cards(world)["native"]
    assert card.lag_p50_days == card.lag_p95_days == min((world.ctx.today() - discharged).days, 999)


@pytest.mark.parametrize(
    ("histogram", "p50", "p95"),
    [
        ({}, None, None),
        ({3: 1}, 3, 3),
        ({1: 50, 9: 50}, 1, 9),
        ({0: 95, 30: 5}, 0, 0),
        ({0: 94, 30: 6}, 0, 30),
    ],
)
def test_percentiles_are_by_nearest_rank(histogram: dict[int, int], p50: int | None, p95: int | None) -> None:
    assert (percentile(histogram, 50), percentile(histogram, 95)) == (p50, p95)


def test_a_delivery_is_counted_by_its_source_record_for_record(world: World) -> None:
    sources.register_source(world.ctx, mapping())
    unmapped = world.native(1)
    unmapped["setlinfo"]["dscg_way"] = "回家"
    raw = written(of_settlement(world.native(0))) + b"\n" + natives(world, unmapped)
    _, told = deliver(world, raw)
    card = cards(world)[CALLS]
    outcomes = Counter(one.outcome for one in told)
    assert card.received == len(told)
    assert (card.accepted, card.quarantined, card.waiting, card.noted) == (
        *(outcomes[name] for name in ("accepted", "quarantined", "waiting", "noted")),
    )
    assert [one.rule for one in card.top_rules if one.severity == "error"] == ["source.code.unmapped"]


def test_a_reversal_in_the_engines_own_format_is_counted_too(world: World) -> None:
    claim = world.accepted(0)
    for _ in range(2):
        world.reverse(claim)
    card = cards(world)["native"]
    assert (card.received, card.accepted, card.reversed, card.repeated) == (3, 1, 1, 1)


def test_a_reversal_in_a_delivery_is_counted_as_what_came_of_it(world: World) -> None:
    sources.register_source(world.ctx, mapping())
    native = world.native()
    world.send(native)
    data = {name: native["setlinfo"][name] for name in ("setl_id", "mdtrt_id")}
    answer = {"setlinfo": {"setl_id": "R", "setl_time": native["setlinfo"]["setl_time"]}}
    undo = call("2305", native, {"data": data}, answer)
    unknown = call("2305", native, {"data": {**data, "setl_id": "S404"}}, answer)
    for raw in (written([undo, unknown]), written([undo])):
        deliver(world, raw)
    card = cards(world)[CALLS]
    assert (card.received, card.reversed, card.repeated, card.refused) == (3, 1, 1, 1)
    assert card.refusals == {"settlement.unknown": 1}


def test_bytes_that_cannot_be_read_are_one_record_refused(world: World) -> None:
    sources.register_source(world.ctx, mapping())
    receipt = deliveries.deliver(world.ctx, OURS, CALLS, b"\x00\xff" * 300)
    for _ in range(2):
        with pytest.raises(SourceRefused) as refused:
            list(deliveries.read(world.ctx, OURS, receipt.delivery_id))
    card = cards(world)[CALLS]
    assert (card.received, card.refused) == (1, 1)
    assert {one.rule for one in card.top_rules} == {one.rule for one in refused.value.violations}


def test_what_fails_to_be_kept_is_not_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("engine.store.settlements._mark_corrected", fails)
    with pytest.raises(OSError, match="no space"):
        world.send(world.native())
    assert rows(world, QualityTally) == []


def test_two_engines_add_to_rows_of_their_own(world: World) -> None:
    world.send(world.native(0))
    object.__setattr__(world.ctx, "engine_id", "another")
    world.send(world.native(1))
    accepted = [row for row in rows(world, QualityTally) if (row.what, row.name) == ("records", "accepted")]
    assert [row.seen for row in accepted] == [1, 1]
    assert cards(world)["native"].accepted == 2


def test_nothing_that_is_counted_names_anybody(world: World) -> None:
    native = world.native()
    world.send(native)
    with pytest.raises(Refused):
        world.send(wrong(world.native(1)))
    kept = "\n".join(str(row.model_dump()) for row in rows(world, QualityTally))
    info = native["setlinfo"]
    for name in ("psn_name", "certno", "mdtrt_id", "setl_id", "medcasno"):
        assert str(info[name]) not in kept, name


def test_what_a_hospital_counts_of_its_days_is_kept_the_last_it_said(world: World) -> None:
    sources.register_source(world.ctx, mapping())
    data = {"clr_type": "21", "stmt_begndate": "2025-12-19", "stmt_enddate": "2025-12-19"}
    said = [
        {**data, "fixmedins_setl_cnt": "3"},
        {**data, "fixmedins_setl_cnt": "4"},
        {**data, "clr_type": "11"},
    ]
    for one in said:
        deliver(world, written([call("3201", world.native(), {"data": one})]))
    (kept,) = rows(world, DayStatement)
    assert (kept.hospital_code, kept.clearing_type, kept.settlements) == (OURS, "21", 4)


def test_tallies_are_added_to_and_never_replaced(either: World) -> None:
    of = quality.Of(either.ctx.today(), OURS, "native", "e")
    for _ in range(2):
        with either.ctx.database.transaction() as session:
            quality.add(session, {of: {("records", "accepted"): 2, ("rule", "x"): 1}})
    with either.ctx.database.reading() as session:
        seen = list(quality.seen(session, of.day, of.day))
    assert [(one.what, one.name, one.seen) for one in seen] == [("records", "accepted", 4), ("rule", "x", 2)]
