"""From discharge to paid, on real parts: the demo's promises, on SQLite and on Postgres."""

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.sandbox.population import generate
from tests.e2e.demo_run import SETTLEMENTS, DemoRun, totals
from tests.support.anvil import fund, running_anvil

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoRun, dict[str, Any]]:
    """One undisturbed run on SQLite."""
    run = DemoRun(tmp_path_factory.mktemp("demo"))
    return run, run.outcome()


def test_every_discharge_ends_as_its_scenario_says(finished: tuple[DemoRun, dict[str, Any]]) -> None:
    _, outcome = finished
    expected = generate(240, SETTLEMENTS).expectations()
    assert outcome["paid"] == expected["paid"] + expected["reversed"]  # reversed only after it was paid
    assert outcome["nothing"] == expected["nothing"]
    assert outcome["review"] == expected["review"]
    assert outcome["uninsured"] == expected["uninsured"]
    assert outcome["no_consent"] == expected["no_consent"]
    assert outcome["reversed"] == expected["reversed"]
    assert outcome["quarantined"] == expected["refused"]
    kept_out = expected["duplicate"] + expected["conflict"] + expected["refused"]
    assert outcome["accepted"] == SETTLEMENTS - kept_out


def test_nothing_is_paid_twice_and_every_payment_is_proven(finished: tuple[DemoRun, dict[str, Any]]) -> None:
    _, outcome = finished
    assert outcome["paid"] >= 30
    assert outcome["duplicate_payouts"] == 0
    assert outcome["evidence_verified"] == outcome["paid"]


def test_a_hospital_with_a_node_of_its_own_shows_the_engine_what_it_releases_and_a_count(
    finished: tuple[DemoRun, dict[str, Any]],
) -> None:
    run, outcome = finished
    node, sent = outcome["provider"], Counter[str]()
    kept_back = []
    for discharge in generate(240, SETTLEMENTS).settlements():
        info = discharge.body["setlinfo"]
        if info["fixmedins_code"] == node["hospital"]:
            sent[discharge.outcome] += 1
            if discharge.outcome in ("uninsured", "no_consent"):
                kept_back += [info["setl_id"], info["mdtrt_id"], info["certno"]]
    assert {"paid", "uninsured", "no_consent"} <= set(sent)
    kept_out = sent["duplicate"] + sent["conflict"] + sent["refused"]
    assert node["kept"] == node["asked"] == node["engine"]["questions"] == sent.total() - kept_out
    assert (node["nobodys"], node["no_consent"]) == (sent["uninsured"], sent["no_consent"])
    assert node["released"] == node["engine"]["claims"] == node["kept"] - node["nobodys"] - node["no_consent"]
    assert (node["refused"], node["doubtful"], node["alarms"]) == (sent["refused"], 0, 0)
    engine = b"".join(path.read_bytes() for path in (run.home / "engine").rglob("*") if path.is_file())
    assert [number for number in kept_back if number.encode() in engine] == []


def test_the_invoice_of_every_claim_that_names_one_was_looked_up_and_found_good(
    finished: tuple[DemoRun, dict[str, Any]],
) -> None:
    """What a provider releases names none: its bill's number would lead to the patient."""
    run, outcome = finished
    with sqlite3.connect(run.home / "engine" / "engine.db") as connection:
        found = connection.execute("SELECT outcome, count(*) FROM invoice_check GROUP BY outcome").fetchall()
    connection.close()
    released = outcome["provider"]["engine"]["claims"]
    assert dict(found) == {"good": outcome["matched"] - released, "not_named": released}


def test_a_bundle_verifies_by_itself_afterwards_and_not_when_a_fen_is_changed(
    finished: tuple[DemoRun, dict[str, Any]], tmp_path: Path
) -> None:
    run, outcome = finished
    bundle = Path(outcome["evidence"][0])
    assert run.autoclaim("verify", str(bundle), "--json").returncode == 0
    amount = json.loads(bundle.read_text())["documents"]["payment"]["amount_fen"]
    forged = tmp_path / "forged.json"
    forged.write_text(bundle.read_text().replace(f'"amount_fen":{amount},', f'"amount_fen":{amount + 1},'))
    answer = run.autoclaim("verify", str(forged), "--json")
    assert answer.returncode == 1
    assert {"amount", "payment"} <= set(json.loads(answer.stdout)["failed"])


def test_the_audit_log_is_on_chain_co_signed_by_an_auditor(finished: tuple[DemoRun, dict[str, Any]]) -> None:
    run, outcome = finished
    checkpoint = outcome["checkpoint"]
    assert checkpoint["signed_by"] == ["auditor", "engine"]
    assert checkpoint["size"] > outcome["accepted"]
    assert len(checkpoint["tx"]) == 66
    answer = run.autoclaim("fsck", "--home", str(run.home / "engine"), "--json")
    assert json.loads(answer.stdout)["counts"]["checkpoint"] == checkpoint["size"]


def test_fsck_finds_database_chain_and_bank_in_agreement(finished: tuple[DemoRun, dict[str, Any]]) -> None:
    run, _ = finished
    answer = run.autoclaim("fsck", "--home", str(run.home / "engine"), "--settled", "--json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert json.loads(answer.stdout)["differences"] == []


def test_an_engine_killed_thrice_at_work_and_a_node_killed_too_end_in_the_same_totals(
    finished: tuple[DemoRun, dict[str, Any]], tmp_path: Path
) -> None:
    """While settlements arrive, after the first batch that was decided, and while the bank answers."""
    run = DemoRun(tmp_path)
    run.kill_engine(lambda run: '"/v1/settlements"' in run.engine_log())
    run.kill_engine(lambda run: '"batch.done"' in run.engine_log())
    run.kill_engine(lambda run: "/v1/bank/callback" in run.engine_log())
    run.kill_node(lambda run: '"/v1/match/evaluations"' in run.engine_log())
    outcome = run.outcome()
    assert outcome["engine_restarts"] >= 3
    assert outcome["provider"]["restarts"] >= 1
    assert totals(outcome) == totals(finished[1])


def test_a_demo_killed_whole_goes_on_where_it_stopped(
    finished: tuple[DemoRun, dict[str, Any]], tmp_path: Path
) -> None:
    first = DemoRun(tmp_path)
    first.kill_demo(lambda run: '"batch.done"' in run.engine_log())
    assert totals(DemoRun(tmp_path).outcome()) == totals(finished[1])


def test_the_same_on_postgres_and_on_another_chain(
    finished: tuple[DemoRun, dict[str, Any]], tmp_path: Path, postgres_url: str
) -> None:
    """One setting each; the role keys are new, so the first start says whom to fund."""
    with running_anvil(tmp_path / "anvil.log") as chain_url:
        settings = {"AUTOCLAIM_DATABASE_URL": postgres_url, "AUTOCLAIM_CHAIN_RPC_URL": chain_url}
        assert "[chain.no_funds]" in DemoRun(tmp_path, **settings).refusal()
        for keys in ("engine/keys", "provider"):
            fund(chain_url, keystore_addresses(tmp_path / "demo" / keys))
        run = DemoRun(tmp_path, **settings)
        run.kill_engine(lambda r: '"batch.done"' in r.engine_log())
        outcome = run.outcome()
    assert outcome["chain"]["kind"] == "rpc"
    assert totals(outcome) == totals(finished[1])
    assert not list((run.home / "engine").glob("*.db"))


def keystore_addresses(keys: Path) -> list[str]:
    return ["0x" + json.loads(path.read_text())["address"].removeprefix("0x") for path in keys.glob("*.json")]
