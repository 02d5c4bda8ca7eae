"""Whatever is wrong in the database is named, and nothing else with it."""

from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from engine.fsck import CannotCheck
from engine.fsck.database import reading
from tests.fsck.breaking import break_database, named
from tests.fsck.conftest import Inspect
from tests.fsck.world import Built
from tests.support.postgres import sqlalchemy_url

SUM = ("sum.bank", "all payouts")
NOTHING, PAID, PAYOUT = "clm_nothing", "clm_confirmed", "po_confirmed"
TAKE_BACK = """
    INSERT INTO reversal SELECT 1, body_sealed, reason_digest, received_at FROM reversal LIMIT 1;
    UPDATE claim SET state = 'recovery_due', recovery_fen = payable_fen, reverse_tx = '0x01' WHERE id = 1;
    INSERT INTO claim_transition (claim_id, from_state, to_state, actor, reason, at)
        SELECT 1, from_state, to_state, actor, reason, at
        FROM claim_transition WHERE to_state = 'recovery_due'
"""
SKIP_THE_MATCH = """
    DELETE FROM claim_transition WHERE claim_id = 7 AND to_state = 'matched';
    UPDATE claim_transition SET from_state = 'accepted' WHERE claim_id = 7 AND to_state = 'nothing'
"""
FORGET_A_CLAIM = "DELETE FROM claim_transition WHERE claim_id = 7; DELETE FROM claim WHERE id = 7"
LOSE_A_SETTLEMENT = "DELETE FROM settlement WHERE id = 7; DELETE FROM claim WHERE id = 7"
REVERSE = "INSERT INTO reversal SELECT 1, body_sealed, reason_digest, received_at FROM reversal LIMIT 1"
OTHER_CONSENT = (
    "UPDATE claim SET authorization_id = (SELECT authorization_id FROM claim WHERE id = 2) WHERE id = 1"
)
OTHER_TRIGGER = """
    UPDATE payout SET (trigger_tx, trigger_block, trigger_log_index) =
        (SELECT trigger_tx, trigger_block, trigger_log_index FROM payout WHERE payout_id = 'po_other')
    WHERE payout_id = 'po_confirmed'
"""
OTHER_TERMS = "UPDATE product SET document = replace(document, '1600000', '1500000')"
TWO_CLAIMS = """
    INSERT INTO claim SELECT * FROM claim WHERE id = 7;
    UPDATE claim SET id = 99, claim_id = 'clm_copy', claim_key = NULL
        WHERE rowid = (SELECT max(rowid) FROM claim);
    INSERT INTO claim_transition (claim_id, from_state, to_state, actor, reason, at)
        SELECT 99, from_state, to_state, actor, reason, at
        FROM claim_transition WHERE claim_id = 7 ORDER BY id
"""
A_FURTHER_POLICY = """
    INSERT INTO policy (id, policy_no, product, edition, effective, expires, pseudonym, coverage_digest,
        coverage_sealed, salts_sealed, loaded_at)
        SELECT 2, 'P2', product, edition, effective, expires, pseudonym, coverage_digest, coverage_sealed,
        salts_sealed, loaded_at FROM policy WHERE id = 1;
    UPDATE claim SET beside = 'clm_nothing', policy_id = 2 WHERE id = 99
"""
TWO_PAYOUTS = """
    INSERT INTO payout SELECT * FROM payout WHERE payout_id = 'po_confirmed';
    UPDATE payout SET payout_id = 'po_twice', state = 'due' WHERE rowid = (SELECT max(rowid) FROM payout)
"""


def moves(where: str) -> str:
    return f"DELETE FROM claim_transition WHERE {where}"  # noqa: S608  the test's own words


def claim(change: str, row: int = 1) -> str:
    return f"UPDATE claim SET {change} WHERE id = {row}"  # noqa: S608  the test's own words


def set_off(debtor: int, of: int, fen: int) -> str:
    columns = "debtor_id, claim_id, version, amount_fen, at"
    return f"INSERT INTO set_off ({columns}) VALUES ({debtor}, {of}, 1, {fen}, '2026-01-01')"  # noqa: S608


def payout(change: str) -> str:
    return f"UPDATE payout SET {change} WHERE payout_id = 'po_confirmed'"  # noqa: S608  the test's own words


BREAKS: dict[str, tuple[str, set[tuple[str, str]]]] = {
    "a settlement without its claim": (FORGET_A_CLAIM, {("claim.missing", "settlement 7")}),
    "a claim without its settlement": ("DELETE FROM settlement WHERE id = 7", {("claim.orphan", NOTHING)}),
    "moves of a claim that has gone": (LOSE_A_SETTLEMENT, {("claim.orphan", "claim row 7")}),
    "a claim that began nowhere": (
        moves("claim_id = 7 AND from_state IS NULL"),
        {("transition.start", NOTHING)},
    ),
    "a claim without any move": (moves("claim_id = 7"), {("transition.start", NOTHING)}),
    "a move missing in between": (
        moves("claim_id = 1 AND to_state = 'recorded'"),
        {("transition.gap", PAID)},
    ),
    "a state that no move led to": (claim("state = 'refused'", 7), {("transition.gap", NOTHING)}),
    "a move that is not allowed": (SKIP_THE_MATCH, {("transition.forbidden", NOTHING)}),
    "a claim taken back by nobody": (
        "DELETE FROM reversal WHERE settlement_id = 4",
        {("reversal.missing", "clm_recovered")},
    ),
    "a reversal without effect": (REVERSE, {("reversal.ignored", PAID)}),
    "a reversal said to be on chain": (TAKE_BACK, {("reversal.not_on_chain", PAID)}),
    "a changed entry of the access log": (
        "UPDATE access_log SET status = 403 WHERE seq = 2",
        {("access_log.broken", "entry 2")},
    ),
    "an entry cut out of the access log": (
        "DELETE FROM access_log WHERE seq = 3",
        {("access_log.broken", "entry 4")},
    ),
    "a time moved in the access log": (
        "UPDATE access_log SET at = datetime(at, '+1 hour') WHERE seq = 5",
        {("access_log.broken", "entry 5")},
    ),
    "terms changed after they were loaded": (OTHER_TERMS, {("terms.document", "huhuibao-2024")}),
    "terms that the catalogue never got": (
        "UPDATE product SET edition = '2023'",
        {("terms.not_published", "huhuibao-2023")},
    ),
    "a result unlike the decision": (claim("result_digest = '0x0b'"), {("result.content", PAID)}),
    "a result under another consent": (OTHER_CONSENT, {("result.content", PAID)}),
    "a result under another task": (claim("task_id = '0x0b'"), {("result.content", PAID)}),
    "a result said to be recorded": (claim("record_tx = '0x0c'", 7), {("result.missing", NOTHING)}),
    "a result recorded elsewhere": (claim("record_tx = '0x0d'"), {("result.transaction", PAID)}),
    "a payout of another settlement": (payout("settlement_id = 7"), {("payout.orphan", PAYOUT)}),
    "a payout that nothing triggered": (payout("trigger_log_index = 99"), {("payout.untriggered", PAYOUT)}),
    "a payout triggered in another block": (
        payout("trigger_block = trigger_block + 1"),
        {("payout.untriggered", PAYOUT)},
    ),
    "a payout triggered by another claim": (OTHER_TRIGGER, {("payout.untriggered", PAYOUT)}),
    "a payout that has gone": (
        "DELETE FROM payout WHERE payout_id = 'po_confirmed'",
        {("payout.missing", PAID), ("bank.unknown", PAYOUT), ("confirmation.foreign", "PLACE"), SUM},
    ),
    "a payout in another state than its claim": (payout("state = 'settled'"), {("payout.state", PAYOUT)}),
    "a payout that is said to be refused": (
        payout("state = 'refused'"),
        {("payout.state", PAYOUT), ("bank.unexpected", PAYOUT), ("confirmation.foreign", "PLACE"), SUM},
    ),
    "too little to recover": (claim("recovery_fen = 1", 10), {("payout.sum", "clm_covered")}),
    "nothing to recover of what was taken back": (
        claim("recovery_fen = 0", 4),
        {("payout.sum", "clm_recovered")},
    ),
    "something to recover of what is in order": (claim("recovery_fen = 7"), {("payout.sum", PAID)}),
    "a version that pays otherwise than was paid": (
        claim("payable_fen = payable_fen + 1", 10),
        {("payout.sum", "clm_covered")},
    ),
    "confirmed, and short of what came back": (
        "UPDATE payout SET state = 'returned' WHERE payout_id = 'po_topped_1'",
        {("payout.sum", "clm_topped"), ("bank.return_missing", "po_topped_1"), SUM},
    ),
    "a set-off that left what is to be recovered as it was": (
        set_off(4, 1, 5),
        {("payout.sum", "clm_recovered"), ("payout.amount", PAYOUT)},
    ),
    "a set-off of no claim's": (
        set_off(404, 1, 5),
        {("set_off.foreign", "set-off 1"), ("payout.amount", PAYOUT)},
    ),
    "more undone than was set off": (
        set_off(4, 1, -5),
        {
            ("set_off.foreign", "set-off 1"),
            ("payout.sum", "clm_recovered"),
            ("payout.amount", "po_recovered"),
        },
    ),
    "another policy's debt set off": (
        "; ".join((set_off(4, 1, 5), claim("recovery_fen = recovery_fen - 5, policy_id = NULL", 4))),
        {("set_off.foreign", "set-off 1"), ("payout.amount", PAYOUT)},
    ),
    "another amount than was decided": (claim("payable_fen = payable_fen + 1"), {("payout.amount", PAYOUT)}),
    "another amount than was paid": (
        payout("amount_fen = amount_fen + 1"),
        {("payout.amount", PAYOUT), ("bank.amount", PAYOUT), SUM},
    ),
    "another payout digest than was confirmed": (
        payout("payout_digest = '0x0e'"),
        {("confirmation.content", PAYOUT)},
    ),
    "a confirmation noted elsewhere": (payout("confirm_tx = '0x0f'"), {("confirmation.content", PAYOUT)}),
    "another reference than the bank's": (payout("bank_ref = 'SB-none'"), {("bank.reference", PAYOUT)}),
    # As much left the account, for another payout: the sums agree.
    "a payout that the bank never made": (
        payout("payout_id = 'po_never'"),
        {("bank.missing", "po_never"), ("bank.unknown", PAYOUT)},
    ),
}


@pytest.mark.parametrize("what", BREAKS)
def test_every_difference_is_named_alone(what: str, inspect: Inspect, home: Path, built: Built) -> None:
    sql, expected = BREAKS[what]
    confirmation = built.event("PayoutConfirmed", "confirmed")
    place = f"{confirmation.tx_hash}:{confirmation.log_index}"
    break_database(home, sql)
    assert named(inspect()) == {(code, subject.replace("PLACE", place)) for code, subject in expected}


def test_a_task_under_other_terms_is_named(inspect: Inspect, home: Path, built: Built) -> None:
    task = built.event("ResultRecorded", "confirmed").args["taskId"]
    break_database(home, "UPDATE processing_task SET terms_root = '0x01'")
    assert named(inspect()) == {("task.content", task)}
    break_database(home, "DELETE FROM processing_task")
    assert named(inspect()) == {("task.content", task)}


def test_two_claims_of_one_settlement_are_named(inspect: Inspect, home: Path) -> None:
    break_database(home, TWO_CLAIMS, loose="claim")
    assert named(inspect()) == {("claim.twice", "settlement 7")}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("state = state", set()),
        ("beside = 'clm_other'", {("claim.orphan", "clm_copy")}),
        ("beside = 'clm_none'", {("claim.orphan", "clm_copy")}),
        ("beside = 'clm_copy'", {("claim.orphan", "clm_copy")}),
        ("policy_id = 1", {("claim.twice", "clm_copy")}),
    ],
)
def test_a_further_policys_claim_stands_beside_its_settlements_own(
    change: str, expected: set[tuple[str, str]], inspect: Inspect, home: Path
) -> None:
    break_database(home, f"{TWO_CLAIMS}; {A_FURTHER_POLICY}; {claim(change, 99)}", loose="claim")
    assert named(inspect()) == expected


def test_two_payouts_of_one_claim_are_named(inspect: Inspect, home: Path) -> None:
    break_database(home, TWO_PAYOUTS, loose="payout")
    assert named(inspect()) == {
        ("payout.twice", "policy 1, settlement 1, version 1"),
        ("payout.state", "po_twice"),
    }


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("subject = '0x01'", "authorization.content"),
        ("scope = '0x01'", "authorization.content"),
        ("state = 'revoked'", "authorization.state"),
    ],
)
def test_a_consent_unlike_the_registrys_is_named(
    change: str, code: str, inspect: Inspect, home: Path, built: Built
) -> None:
    authorization = "0x" + built.results["other"].authorization_id.hex()
    update = f"UPDATE \"authorization\" SET {change} WHERE authorization_id = 'TARGET'"  # noqa: S608
    break_database(home, update, target=authorization)
    assert named(inspect()) == {(code, authorization)}


def test_a_consent_that_the_registry_does_not_know_is_named(
    inspect: Inspect, home: Path, built: Built
) -> None:
    authorization = "0x" + built.results["nothing"].authorization_id.hex()
    rename = """UPDATE "authorization" SET authorization_id = '0x0a' WHERE authorization_id = 'TARGET'"""
    break_database(home, rename, target=authorization)
    assert named(inspect()) == {("authorization.state", "0x0a")}


def test_a_withdrawal_that_only_the_chain_knows_is_named(inspect: Inspect, home: Path, built: Built) -> None:
    authorization = "0x" + built.results["revoked"].authorization_id.hex()
    break_database(home, "UPDATE \"authorization\" SET state = 'granted'")
    assert named(inspect()) == {("authorization.state", authorization)}


def test_a_database_on_postgres_is_read_alike(inspect: Inspect, built: Built, postgres_url: str) -> None:
    built.fill(sqlalchemy_url(postgres_url))
    assert inspect(database_url=postgres_url).differences == []
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE payout SET amount_fen = amount_fen + 1 WHERE payout_id = 'po_other'")
        connection.execute("ALTER TABLE access_log DISABLE TRIGGER USER")
        connection.execute("UPDATE access_log SET path = '/v1/policies' WHERE seq = 1")
    assert named(inspect(database_url=postgres_url)) == {
        ("payout.amount", "po_other"),
        ("bank.amount", "po_other"),
        SUM,
        ("access_log.broken", "entry 1"),
    }


def test_the_database_is_never_written_to(inspect: Inspect, home: Path) -> None:
    before = (home / "engine.db").read_bytes()
    inspect()
    assert (home / "engine.db").read_bytes() == before
    with (
        reading(f"sqlite:///{home / 'engine.db'}") as connection,
        pytest.raises(OperationalError, match="readonly"),
    ):
        connection.execute(text("DELETE FROM payout"))


@pytest.mark.parametrize("what", ["is not there", "has no tables"])
def test_a_database_that_cannot_be_read_is_an_answer(what: str, inspect: Inspect, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    if what == "has no tables":
        path.touch()
    with pytest.raises(CannotCheck, match="database"):
        inspect(database_url=f"sqlite:///{path}")
    assert path.exists() is (what == "has no tables")
