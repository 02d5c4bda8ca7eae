"""Deliveries: the bytes are kept before anything is made of them, and every record comes to one answer."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.errors import Conflict, NotFound, Refused
from engine.pipeline import claims, deliveries, lineage, quarantine, sources
from engine.pipeline.records import Told
from engine.settlement import minimise, parse_body
from engine.settlement.sources.codes import Dictionaries
from engine.settlement.sources.mapping_file import load_mapping_text
from engine.settlement.sources.record import Raw, SourceRefused
from engine.settlement.sources.standardise import standardise
from engine.store import tables
from engine.store.deliveries import Correction, DeliveredBody, DeliveredRecord, Delivery, Reading, Tally
from engine.store.quality import QualityTally
from tests.pipeline.test_intake import rows
from tests.pipeline.world import OURS, THEIRS, World
from tests.settlement.sources.calls import call, of_settlement, written

CALLS = "his-calls"


def mapping(number: int = 1, hospital: str = OURS, codes: dict[str, str] | None = None) -> bytes:
    rules = "".join(
        f'    - {{local: "{local}", standard: "{code}"}}\n' for local, code in (codes or {}).items()
    )
    version = f"version: {{number: {number}, holds_from: 2024-01-01}}\n"
    listed = "codes:\n  discharge_way:\n" + rules if rules else ""
    return f"source: {CALLS}\nhospital: {hospital}\nformat: national\n{version}{listed}".encode()


@pytest.fixture
def world(world: World) -> World:
    sources.register_source(world.ctx, mapping())
    return world


def deliver(world: World, raw: bytes, hospital: str = OURS) -> tuple[str, list[Told]]:
    receipt = deliveries.deliver(world.ctx, hospital, CALLS, raw)
    return receipt.delivery_id, list(deliveries.read(world.ctx, hospital, receipt.delivery_id))


def natives(world: World, *natives: dict[str, Any]) -> bytes:
    """Whole settlements, a line each."""
    return b"\n".join(json.dumps(native, ensure_ascii=False).encode() for native in natives)


def test_the_parts_of_a_stay_wait_for_each_other_and_come_to_what_it_is_whole(world: World) -> None:
    native = world.native()
    _, told = deliver(world, written(of_settlement(native)))
    assert {one.outcome for one in told[:-1]} <= {"waiting", "noted"}
    assert told[-1].outcome == "accepted"
    claim_id = str(told[-1].claim_id)
    kept = world.ctx.vault.unseal_json(world.settlement(claim_id).body_sealed, f"settlement.body/{claim_id}")
    assert minimise(kept) == minimise(native)


@pytest.mark.parametrize("turn", [1, 3])
def test_the_parts_of_a_stay_may_come_in_any_order_and_in_deliveries_of_their_own(
    world: World, turn: int
) -> None:
    calls = of_settlement(world.native())
    calls = [*calls[turn:], *calls[:turn]]
    told = [one for call in calls for one in deliver(world, written([call]))[1]]
    assert [one.outcome for one in told].count("accepted") == 1
    assert len(rows(world, tables.Claim)) == 1


def test_the_same_bytes_again_are_the_same_delivery_and_tell_the_same(world: World) -> None:
    raw = natives(world, world.native(0), world.native(1))
    first, told = deliver(world, raw)
    second, again = deliver(world, raw)
    assert first == second
    assert [(one.outcome, one.setl_id) for one in again] == [(one.outcome, one.setl_id) for one in told]
    assert len(rows(world, Delivery)) == len(rows(world, Reading)) == 1


def test_two_that_read_at_once_keep_every_record_once_and_tell_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = (world.native(index) for index in range(4))
    raw = natives(world, first, undoing(first), *others) + b"\n{"
    receipt = deliveries.deliver(world.ctx, OURS, CALLS, raw)
    readings = [deliveries.read(world.ctx, OURS, receipt.delivery_id) for _ in range(2)]
    told: list[list[Told]] = [[], []]
    for chunk, reader, number in ((1, 0, 1), (1, 1, 3), (2, 0, 2), (3, 1, 1), (2, 0, 1)):
        monkeypatch.setattr(deliveries, "_CHUNK", chunk)
        told[reader] += islice(readings[reader], number)
    for reader, reading in enumerate(readings):
        with pytest.raises(SourceRefused):
            told[reader].extend(reading)
    assert told[0] == told[1]
    assert [one.ordinal for one in told[0]] == list(range(1, len(told[0]) + 1))
    assert len(rows(world, DeliveredRecord)) == len(told[0])
    counted = {row.name: row.seen for row in rows(world, QualityTally) if row.what == "records"}
    assert counted == {**Counter(one.outcome for one in told[0]), "refused": 1}


def test_what_no_mapping_reads_is_not_kept(world: World) -> None:
    with pytest.raises(NotFound) as unknown:
        deliveries.deliver(world.ctx, THEIRS, CALLS, b"{}")
    assert unknown.value.code == "source.unknown"
    assert rows(world, Delivery) == []


def test_a_mapping_put_right_reads_the_delivery_again_and_empties_the_quarantine(world: World) -> None:
    native = world.native()
    native["setlinfo"]["dscg_way"] = "回家"
    delivery_id, (told,) = deliver(world, natives(world, native))
    assert (told.outcome, [one["rule"] for one in told.errors]) == ("quarantined", ["source.code.unmapped"])
    (tally,) = [row for row in rows(world, Tally) if row.what == "unmapped"]
    assert (tally.name, tally.seen) == ("discharge_way/回家", 1)
    sources.register_source(world.ctx, mapping(2, codes={"回家": "1"}))
    (accepted,) = deliveries.read(world.ctx, OURS, delivery_id)
    assert accepted.outcome == "accepted"
    assert [item["corrected"] for item in quarantine.list_quarantined(world.ctx, OURS, 0, 9).items] == [True]
    found = lineage.lineage(world.ctx, str(accepted.claim_id))
    assert [(one["delivery_id"], one["run"], one["mapping_number"]) for one in found["delivered"]] == [
        (delivery_id, 2, 2)
    ]


def test_a_reading_that_was_interrupted_goes_on_where_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "_CHUNK", 2)
    raw = natives(world, *(world.native(index) for index in range(5)))
    receipt = deliveries.deliver(world.ctx, OURS, CALLS, raw)
    begun: Iterator[Told] = deliveries.read(world.ctx, OURS, receipt.delivery_id)
    assert [one.ordinal for one in islice(begun, 3)] == [1, 2, 3]
    begun.close()  # type: ignore[attr-defined]
    told = list(deliveries.read(world.ctx, OURS, receipt.delivery_id))
    assert [(one.ordinal, one.outcome) for one in told] == [(n, "accepted") for n in range(1, 6)]
    assert len(rows(world, DeliveredRecord)) == len(rows(world, tables.Claim)) == 5
    (reading,) = rows(world, Reading)
    assert reading.ended_at is not None


def test_what_came_before_bytes_that_cannot_be_read_is_kept(world: World) -> None:
    raw = natives(world, world.native()) + b"\n{" + b"[" * 20_000
    receipt = deliveries.deliver(world.ctx, OURS, CALLS, raw)
    reading = deliveries.read(world.ctx, OURS, receipt.delivery_id)
    assert next(reading).outcome == "accepted"
    with pytest.raises(SourceRefused):
        list(reading)
    view = deliveries.delivery_view(world.ctx, OURS, receipt.delivery_id)
    assert view["readings"][0]["refused"]
    with pytest.raises(SourceRefused):
        list(deliveries.read(world.ctx, OURS, receipt.delivery_id))


def undoing(native: dict[str, Any]) -> dict[str, Any]:
    """The call that takes a settlement back."""
    info = native["setlinfo"]
    return {
        "infno": "2305",
        "msgid": "undo",
        "fixmedins_code": OURS,
        "inf_time": info["setl_time"],
        "input": {"data": {"setl_id": info["setl_id"], "mdtrt_id": info["mdtrt_id"]}},
        "output": {"setlinfo": {"setl_id": info["setl_id"] + "R", "setl_time": info["setl_time"]}},
    }


def test_a_call_takes_back_what_was_settled(world: World) -> None:
    native = world.native()
    _, told = deliver(world, written(of_settlement(native)))
    _, (taken_back,) = deliver(world, written([undoing(native)]))
    assert taken_back.kind == "reversal"
    assert (taken_back.outcome, taken_back.claim_id) == ("reversed", told[-1].claim_id)
    assert world.state(str(told[-1].claim_id)) == "reversed"


def test_a_settlement_in_other_words_is_refused_and_not_kept_twice(world: World) -> None:
    native = world.native()
    world.send(native)
    native["diseinfo"][0]["diag_name"] = "another name"
    _, (told,) = deliver(world, natives(world, native))
    assert (told.outcome, told.code) == ("refused", "settlement.conflict")


def test_another_hospital_learns_nothing_of_a_delivery(world: World) -> None:
    delivery_id, _ = deliver(world, natives(world, world.native()))
    with pytest.raises(NotFound):
        next(deliveries.read(world.ctx, THEIRS, delivery_id))
    with pytest.raises(NotFound):
        deliveries.delivery_view(world.ctx, THEIRS, delivery_id)


def test_a_mapping_never_changes(world: World) -> None:
    held = sources.register_source(world.ctx, mapping())
    assert (held["number"], held["holds_from"]) == (1, date(2024, 1, 1))
    with pytest.raises(Conflict):
        sources.register_source(world.ctx, mapping(1, codes={"回家": "1"}))
    with pytest.raises(Refused) as refused:
        sources.register_source(world.ctx, b"source: x\n")
    assert refused.value.violations
    with pytest.raises(NotFound):
        sources.register_source(world.ctx, mapping(hospital="H99999999999"))


def test_what_is_kept_of_a_delivery_names_nobody_in_the_clear(world: World) -> None:
    native = world.native()
    name = native["setlinfo"]["psn_name"]
    deliver(world, written(of_settlement(native)[:1]) + b"\n" + natives(world, world.native(1)))
    for row in (*rows(world, Delivery), *rows(world, DeliveredBody), *rows(world, DeliveredRecord)):
        assert name.encode() not in repr(row.model_dump()).encode()


def test_an_operator_puts_one_record_right_and_the_lineage_says_so(world: World) -> None:
    native = world.native()
    native["setlinfo"]["dscg_way"] = "回家"
    native["feedetail"][1]["cnt"] = "many"
    delivery_id, (told,) = deliver(world, natives(world, native))
    number = int(told.quarantine_id or 0)
    shown = json.dumps(quarantine.show(world.ctx, number), ensure_ascii=False, default=str)
    assert "many" in shown
    assert native["setlinfo"]["psn_name"] not in shown
    assert native["setlinfo"]["certno"] not in shown
    half = json.dumps({"setlinfo": {"dscg_way": "1"}}).encode()
    with pytest.raises(Refused) as refused:
        quarantine.correct(world.ctx, number, half, "operator")
    assert {one["field"] for one in refused.value.violations} == {"/feedetail/1/cnt"}
    assert rows(world, Correction) == []
    whole = json.dumps(
        {"setlinfo": {"dscg_way": "1"}, "feedetail": {"1": {"cnt": quantity(native)}}}
    ).encode()
    accepted = quarantine.correct(world.ctx, number, whole, "operator")
    found = lineage.lineage(world.ctx, accepted.claim_id)
    assert [one["delivery_id"] for one in found["delivered"]] == [delivery_id]
    assert [(one["quarantine_id"], one["actor"]) for one in found["corrected"]] == [(number, "operator")]
    with pytest.raises(Conflict):
        quarantine.correct(world.ctx, number, whole, "operator")


def test_the_reports_on_a_stay_are_found_from_its_claim_and_say_nothing_there(world: World) -> None:
    native = world.native()
    info, claim_id = native["setlinfo"], world.send(native).claim_id
    visit, other = info["mdtrt_id"], world.native(1)["setlinfo"]["mdtrt_id"]
    calls = [report(native, number, stay) for number, stay in enumerate((visit, other, visit))]
    results = written([*calls, *of_settlement(native)[:1]])
    _, told = deliver(world, results)
    assert [one.outcome for one in told][:4] == [*["noted"] * 3, "waiting"]
    sources.register_source(world.ctx, mapping().replace(CALLS.encode(), b"laboratory"))
    beside = written([report(native, 3, visit)])
    receipt = deliveries.deliver(world.ctx, OURS, "laboratory", beside)
    list(deliveries.read(world.ctx, OURS, receipt.delivery_id))
    sources.register_source(world.ctx, mapping(hospital=THEIRS))
    deliver(world, written([report(native, 4, visit, THEIRS)]), THEIRS)
    found = lineage.lineage(world.ctx, claim_id)["reports"]
    digests = [hashlib.sha256(raw).hexdigest() for raw in (results, results, beside)]
    assert [one["body_digest"] for one in found] == digests
    assert found[0]["place"] != found[1]["place"]
    assert lineage.list_reports(world.ctx, OURS, info["setl_id"]) == found
    with pytest.raises(NotFound):
        lineage.list_reports(world.ctx, THEIRS, info["setl_id"])
    shown = claims.get_claim(world.ctx, claim_id)
    assert shown["reports"] == 3
    assert "88.17" not in json.dumps([found, shown], default=str)


def report(native: dict[str, Any], number: int, visit: str, hospital: str = OURS) -> dict[str, Any]:
    """A test of that visit, with its result."""
    made = call("4502", native, {"labinfo": {"mdtrt_id": visit, "rpotc_no": f"R{number}"}})
    made["input"]["iteminfo"] = [{"exam_rslt_val": "88.17"}]
    return {**made, "fixmedins_code": hospital, "msgid": f"report {number}"}


def quantity(native: dict[str, Any]) -> str:
    line = native["feedetail"][1]
    return str(Decimal(line["det_item_fee_sumamt"]) / Decimal(line["pric"]))


def test_the_operators_code_lists_are_held_to_and_stand_in_the_lineage(world: World, tmp_path: Path) -> None:
    raw = natives(world, world.native())
    _, (told,) = deliver(world, raw)
    before = lineage.lineage(world.ctx, str(told.claim_id))["delivered"][0]["dictionaries"]
    (tmp_path / "icd10.csv").write_text("code,name,from,to\nZ99,none of ours,,\n", "utf-8")
    world.ctx.dictionaries = Dictionaries.of_folder(tmp_path)
    _, (quarantined,) = deliver(world, natives(world, world.native()))
    assert {one["rule"] for one in quarantined.errors} == {"source.code.unmapped"}
    again, (second,) = deliver(world, raw)
    assert second.outcome == "quarantined", "another reading, under other lists"
    runs = deliveries.delivery_view(world.ctx, OURS, again)["readings"]
    assert [run["dictionaries"] == before for run in runs] == [True, False]


def test_names_that_a_sender_makes_up_are_counted_together_until_the_next_mapping(
    either: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MOST_NAMES", 4)
    sources.register_source(either.ctx, mapping())
    sent = [either.native(index) for index in range(8)]
    for index, native in enumerate(sent):
        native["setlinfo"] |= {"dscg_way": f"way {index}", f"made up {index}": "1"}
        native["setlinfo"] |= {name_of_megabytes(index): "1", "same": "1"}
    delivery_id, told = deliver(either, natives(either, *sent))
    assert {one.outcome for one in told} == {"quarantined"}
    for number in (2, 3):
        sources.register_source(either.ctx, mapping(number, codes={f"mapped in {number}": "1"}))
        list(deliveries.read(either.ctx, OURS, delivery_id))
    codes = sources.list_unmapped(either.ctx, OURS, 500)
    assert {(one["mapping_number"], one["local"], one["seen"]) for one in codes} == {
        (number, *counted)
        for number in (1, 2, 3)
        for counted in (("(others)", 4), ("way 0", 1), ("way 1", 1), ("way 2", 1), ("way 3", 1))
    }
    fields = [one for one in sources.list_dropped(either.ctx, None, 500) if one["mapping_number"] == 3]
    assert [one["field"] for one in fields][:1] == ["setlinfo/(others)"]
    assert len(fields) == 5
    assert sum(one["seen"] for one in fields) == sum(dropped(native) for native in sent)


def name_of_megabytes(index: int) -> str:
    """In letters that no index makes shorter."""
    return base64.b64encode(Random(index).randbytes(1_000_000)).decode()


def dropped(native: dict[str, Any]) -> int:
    record = standardise(
        Raw("settlement", "", native), load_mapping_text(mapping(), "mapping"), date(2024, 9, 1)
    )
    return sum(record.dropped.values())


def test_a_settlement_too_large_for_a_body_is_quarantined_and_its_delivery_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.settlement.submission.parse_body", partial(parse_body, max_bytes=100))
    _, told = deliver(world, natives(world, world.native(), world.native(1)))
    assert [one.outcome for one in told] == ["quarantined", "quarantined"]
    assert {one["rule"] for item in told for one in item.errors} == {"settlement.body.too_large"}
