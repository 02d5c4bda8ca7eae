"""A second product beside the world's, and people who are insured under both."""

import json
from typing import Any

from engine.pipeline import claims, consent, enrolment, feed, record, reopen
from engine.pipeline.sealed import settlement_document
from engine.settlement import Settlement
from engine.store import claims as store
from engine.store import tables
from tests.pipeline.reopening import paid_on
from tests.pipeline.world import World, policy, signed, wallet, wording

PRODUCT = "yihaibao"
RATIO = 'ratio: {standard: "0.70", pre_existing: "0.50"}'
CHANGES = {
    "\nproduct: huhuibao\n": f"\nproduct: {PRODUCT}\n",
    "period: {from: 2024-07-01": "period: {from: 2024-06-01",
    "amount_yuan: 12000": "amount_yuan: 1000",
    "amount_yuan: 11000": "amount_yuan: 900",
    "amount_yuan: 10000": "amount_yuan: 800",
    RATIO: 'ratio: {standard: "0.90", pre_existing: "0.50"}',
}
DEDUCTIBLE_FEN, RATIO_PERCENT = 100_000, 90
"""Of the second product."""
BEFORE, AFTER = "2024-06-15", "2024-07-02"
"""First days of a policy that pays before, or after, the world's own."""


def loaded(world: World) -> None:
    enrolment.load_product(world.ctx, wording(1, changes=CHANGES), "yihaibao-2024.yaml")


def insured(world: World, index: int = 0, effective: str = BEFORE, *, consents: bool = True) -> str:
    """The person's policy of the second product; its number."""
    number = f"YHB-{index}"
    document: dict[str, Any] = policy(index, product=PRODUCT, policy_no=number, effective=effective)
    report = enrolment.load_policies(world.ctx, [json.dumps(document).encode()], "ndjson")
    assert (report.loaded, report.refused) == (1, [])
    if consents:
        consented(world, index)
    return number


def consented(world: World, index: int = 0) -> str:
    prepared = consent.prepare_authorization(world.ctx, f"YHB-{index}", wallet(index).address)
    signature = signed(index, prepared["typed_data"])
    consent.grant_authorizations(world.ctx, [(prepared["authorization_id"], signature)])
    authorization_id: str = prepared["authorization_id"]
    return authorization_id


def withdrawn(world: World, authorization_id: str, index: int = 0) -> None:
    to_sign = consent.revocation_to_sign(world.ctx, authorization_id)
    signature = signed(index, to_sign["typed_data"])
    consent.revoke_authorization(world.ctx, authorization_id, to_sign["deadline"], signature)


def beside(world: World, claim: str) -> str:
    """The further policy's claim of the settlement that was accepted as this one."""
    with world.ctx.database.reading() as session:
        row = claims.known(session, claim)
        (other,) = [one for one in store.of_settlement(session, row.settlement_id) if one.beside == claim]
        return other.claim_id


def in_order(world: World, claim: str) -> tuple[str, str]:
    """Both claims of the settlement, the one that pays first and the other."""
    with world.ctx.database.reading() as session:
        row = claims.known(session, claim)
        of_settlement = store.beside(session, [row.settlement_id])[row.settlement_id]
        first, second = (one.claim_id for one, _ in of_settlement)
    return first, second


def product_of(world: World, claim: str) -> str:
    with world.ctx.database.reading() as session:
        return session.get_one(tables.Policy, claims.known(session, claim).policy_id).product


def cost_fen(world: World, claim: str) -> int:
    """What the person bore of the stay, by the bill."""
    document = settlement_document(world.ctx.vault, world.settlement(claim), world.claim(claim))
    bill = Settlement.parse(document)
    return min(bill.total_fen - bill.fund_fen, bill.account_fen + bill.cash_fen)


HOUSEHOLD = "jiahubao"
_OWN_DEDUCTIBLE = """    deductible:
      amount_yuan: 12000
      ladder:
        by: claim_free_years
        steps:
          - {at_least: 2, amount_yuan: 11000}
          - {at_least: 3, amount_yuan: 10000}
"""
_SHARED = "deductibles:\n  - {id: household, amount_yuan: 12000, family: true}\nbenefits:\n"


def household(world: World, *indexes: int, family: str = "F-1") -> None:
    """These people, of nobody else's roll, as one family under a product whose deductible it bears once."""
    changes = {
        "\nproduct: huhuibao\n": f"\nproduct: {HOUSEHOLD}\n",
        _OWN_DEDUCTIBLE: "    deductible: {shared: household}\n",
        "\nbenefits:\n": "\n" + _SHARED,
    }
    enrolment.load_product(world.ctx, wording(1, changes=changes), "jiahubao-2024.yaml")
    for index in indexes:
        document = policy(index, product=HOUSEHOLD, policy_no=f"JHB-{index}", family=family)
        report = enrolment.load_policies(world.ctx, [json.dumps(document).encode()], "ndjson")
        assert (report.loaded, report.refused) == (1, [])
        prepared = consent.prepare_authorization(world.ctx, f"JHB-{index}", wallet(index).address)
        signature = signed(index, prepared["typed_data"])
        consent.grant_authorizations(world.ctx, [(prepared["authorization_id"], signature)])


def run_to_rest(world: World, *some: str) -> None:
    """Re-opened, recorded, paid and confirmed until nothing moves."""
    for _ in range(10):
        busy = reopen.reopen_touched(world.ctx, 10)
        for claim in some:
            if world.state(claim) == "decided":
                record.record_batch(world.ctx, world.batch(claim))
                feed.read_events(world.ctx)
                busy += 1
            if world.state(claim) == "recorded":
                paid_on(world, claim)
                busy += 1
        if not busy:
            return
    raise AssertionError("it does not come to rest")
