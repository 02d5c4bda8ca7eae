"""What came of a settlement goes back to its hospital as X12 835: by the guide, and as the store has it."""

import re
from decimal import Decimal
from typing import Any

import pytest

from engine.errors import Conflict, NotFound
from engine.money import format_yuan, portion
from engine.payout.port import TransferStatus
from engine.pipeline import claims, deliveries, feed, record, remittance, sources
from tests.pipeline.world import OURS, RATIO_PERCENT, THEIRS, World
from tests.settlement.sources.claims import interchange
from tests.settlement.sources.test_x12 import what_the_guide_says
from tests.support.process import REPOSITORY

Native = dict[str, Any]
_MAPPING = (REPOSITORY / "seeds" / "sources" / "example-x12.yaml").read_text("utf-8")


def as_837i(world: World, native: Native) -> str:
    """The claim's id. 837I has no sums by category, and no invoice's check code here."""
    sources.register_source(world.ctx, _MAPPING.replace("H31011500010", OURS).encode())
    receipt = deliveries.deliver(world.ctx, OURS, "example-x12", interchange([native]).encode())
    (told,) = deliveries.read(world.ctx, OURS, receipt.delivery_id)
    assert told.claim_id is not None, told.errors
    return told.claim_id


def as_native(world: World, native: Native) -> str:
    return world.send(native).claim_id


def segments(world: World, setl_id: str) -> dict[str, list[list[str]]]:
    """Of the settlement's 835, which is one by pyx12's own validator and the same when asked for again."""
    _, written = remittance.remittance(world.ctx, OURS, setl_id)
    assert remittance.remittance(world.ctx, OURS, setl_id)[1] == written
    assert what_the_guide_says(written.decode("ascii")) == set()
    by_name: dict[str, list[list[str]]] = {}
    for line in written.decode("ascii").split("~\n"):
        name, *elements = line.split("*")
        by_name.setdefault(name, []).append(elements)
    return by_name


def reasons(found: dict[str, list[list[str]]]) -> dict[str, str]:
    """ "PR 100" -> yuan."""
    return {
        f"{group} {triplets[at]}": triplets[at + 1]
        for group, *triplets in found["CAS"]
        for at in range(0, len(triplets), 3)
    }


def tenfold(native: Native) -> Native:
    """The same bill with ten of everything."""

    def ten(name: str, value: Any) -> Any:
        priced = isinstance(value, str) and re.fullmatch(r"-?[0-9]+\.[0-9]{2}", value)
        return str(10 * Decimal(value)) if name == "cnt" or (priced and name != "pric") else value

    rows = ("iteminfo", "payinfo", "feedetail")
    more = {node: [{name: ten(name, row[name]) for name in row} for row in native[node]] for node in rows}
    info = {name: ten(name, value) for name, value in native["setlinfo"].items()}
    return {**native, "setlinfo": info, **more}


def refusal(world: World, setl_id: str) -> tuple[str, str]:
    with pytest.raises(Conflict) as refused:
        remittance.remittance(world.ctx, OURS, setl_id)
    return refused.value.code, refused.value.message


@pytest.mark.parametrize("send", [as_837i, as_native])
def test_what_the_patient_was_paid_goes_back_to_the_hospital(world: World, send: Any) -> None:
    native = world.native()
    info = native["setlinfo"]
    claim_id = send(world, native)
    world.confirmed(claim_id)
    claim, payout = world.claim(claim_id), world.payout(claim_id)
    decided = claims.get_claim(world.ctx, claim_id)["decision"]
    found = segments(world, info["setl_id"])
    assert found["TRN"] == [["1", payout.payout_id, "1000000000"]]
    assert found["BPR"][0][:4] == ["H", "0.00", "C", "NON"], "the hospital itself is paid nothing"
    (told,) = found["CLP"]
    assert told[:4] == [info["mdtrt_id"], "2", info["medfee_sumamt"], "0.00"]
    assert told[6] == f"{claim_id}-{claim.version}"
    why = reasons(found)
    (result,) = decided["benefits"]
    assert why["PR 100"] == format_yuan(payout.amount_fen)
    assert why["OA 23"] == info["fund_pay_sumamt"]
    assert why["PR 1"] == format_yuan(result["deductible_fen"])
    assert why["PR 2"] == format_yuan(
        result["eligible_fen"] - result["deductible_fen"] - result["payable_fen"]
    )
    assert "PR 119" not in why


def test_until_it_is_paid_there_is_none_and_it_says_what_is_missing(world: World) -> None:
    setl_id = (native := world.native())["setlinfo"]["setl_id"]
    claim_id = as_native(world, native)
    code, missing = refusal(world, setl_id)
    assert (code, f"{claim_id} is accepted" in missing) == ("remittance.not_paid", True)
    world.submitted(claim_id)
    assert "the bank has not paid it yet" in refusal(world, setl_id)[1]
    world.bank_says(claim_id, TransferStatus.RETURNED, "account_closed")
    assert "due again" in refusal(world, setl_id)[1]
    with pytest.raises(NotFound):
        remittance.remittance(world.ctx, THEIRS, setl_id)


def test_a_payment_that_is_taken_back_is_a_reversal_of_the_same_amounts(world: World) -> None:
    first, second = world.native(0), world.native(1)
    paid, unpaid = as_native(world, first), as_native(world, second)
    world.confirmed(paid)
    before = segments(world, first["setlinfo"]["setl_id"])
    for claim_id in (paid, unpaid):
        world.reverse(claim_id)
    after = segments(world, first["setlinfo"]["setl_id"])
    assert [one[0][1] for one in (before["CLP"], after["CLP"])] == ["2", "22"]
    assert after["CLP"][0][2] == f"-{before['CLP'][0][2]}"
    assert reasons(after) == {why: f"-{amount}" for why, amount in reasons(before).items()}
    assert after["TRN"] == before["TRN"]
    assert refusal(world, second["setlinfo"]["setl_id"])[0] == "remittance.taken_back"


def test_a_settlement_that_pays_nothing_says_why(world: World) -> None:
    native = world.native(self_paid_fen=500_000)
    claim_id = as_native(world, native)
    world.decided(claim_id)
    assert world.state(claim_id) == "nothing"
    found = segments(world, native["setlinfo"]["setl_id"])
    (result,) = claims.get_claim(world.ctx, claim_id)["decision"]["benefits"]
    assert found["TRN"][0][1] == f"{claim_id}-1"
    assert reasons(found)["PR 1"] == format_yuan(result["deductible_fen"]) != "0.00"
    assert "PR 100" not in reasons(found)


def test_what_a_limit_cuts_off_is_told_apart_from_the_patients_share(world: World) -> None:
    native = tenfold(world.native(self_paid_fen=30_000_000))
    claim_id = as_native(world, native)
    world.confirmed(claim_id)
    (result,) = claims.get_claim(world.ctx, claim_id)["decision"]["benefits"]
    after = result["eligible_fen"] - result["deductible_fen"]
    why = reasons(segments(world, native["setlinfo"]["setl_id"]))
    at_the_ratio = portion(after, RATIO_PERCENT, 100)
    assert result["payable_fen"] < at_the_ratio
    assert why["PR 119"] == format_yuan(at_the_ratio - result["payable_fen"])
    assert why["PR 2"] == format_yuan(after - at_the_ratio)


def test_of_a_persons_ruling_no_clause_is_told(world: World) -> None:
    native = world.native(discharge_way="5")
    claim_id = as_native(world, native)
    world.decided(claim_id)
    claims.decide_claim(world.ctx, claim_id, "pay", "to the estate", "insurer test", 10_000)
    record.record_batch(world.ctx, world.batch(claim_id))
    feed.read_events(world.ctx)
    world.pay(claim_id)
    world.bank_says(claim_id, TransferStatus.SETTLED)
    why = reasons(segments(world, native["setlinfo"]["setl_id"]))
    assert (why["PR 100"], why.keys()) == ("100.00", {"OA 23", "PR 100", "PR 96"})
