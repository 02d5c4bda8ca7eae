"""The synthetic population is valid, deterministic, of realistic size, and ends as its scenarios say."""

import io
import json
import tracemalloc
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path

import pytest
from stdnum import luhn
from stdnum.cn import ric

from engine.adjudication import Coverage, History, adjudicate
from engine.rolls import PolicyRow, read_roll
from engine.sandbox import people
from engine.sandbox.population import OUTCOMES, Discharge, generate, write
from engine.settlement import (
    HospitalRegister,
    IdentityMissing,
    Settlement,
    check,
    content_digest,
    identity_of,
    load_register,
    validate_reversal,
)
from engine.terms import Terms, load_product

SEEDS = Path(__file__).resolve().parents[2] / "seeds"
POPULATION = generate()
SENT = list(POPULATION.settlements())


@pytest.fixture(scope="module")
def register() -> HospitalRegister:
    return load_register()


@pytest.fixture(scope="module")
def terms() -> dict[str, Terms]:
    editions = map(str, range(2021, 2026))
    return {edition: load_product(SEEDS / "products" / f"huhuibao-{edition}.yaml") for edition in editions}


def test_the_committed_seeds_are_what_the_generator_makes(tmp_path: Path) -> None:
    for folder in ("policies", "settlements"):
        (tmp_path / folder).mkdir()
    write(tmp_path, POPULATION)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(made) == 3
    for path in made:
        assert (tmp_path / path).read_bytes() == (SEEDS / path).read_bytes(), path


def test_the_seeds_are_large_enough_and_hold_every_scenario() -> None:
    assert len(list(POPULATION.policies())) >= 220
    assert len(SENT) >= 60
    assert {sent.scenario for sent in SENT} == set(OUTCOMES)
    assert {policy["edition"] for policy in POPULATION.policies()} == {str(y) for y in range(2021, 2026)}
    assert len(list(POPULATION.reversals())) == 1


def test_a_run_of_sixty_pays_at_least_thirty_and_holds_every_scenario() -> None:
    run = generate(n_settlements=60)
    assert run.expectations()["paid"] >= 30
    assert {sent.scenario for sent in run.settlements()} == set(OUTCOMES)
    assert sum(run.expectations().values()) == 60


def test_the_same_seed_makes_the_same_and_another_makes_others() -> None:
    again = generate()
    assert list(again.discharges()) == list(again.discharges()) == list(POPULATION.discharges())
    assert next(generate(seed=1).policies()) != next(POPULATION.policies())


def test_every_policy_passes_the_roll_and_names_an_invented_person() -> None:
    lines = io.BytesIO((SEEDS / "policies" / "huhuibao.ndjson").read_bytes())
    rows = list(read_roll(lines, "ndjson"))
    assert all(isinstance(row, PolicyRow) for row in rows)
    documents = [row.document for row in rows if isinstance(row, PolicyRow)]
    assert len({d["policy_no"] for d in documents}) == len(documents)
    assert all(ric.is_valid(d["person"]["cert_no"]) for d in documents)
    assert all(luhn.is_valid(d["payee"]["account"]) for d in documents)
    assert any(d["effective"][5:] != "07-01" for d in documents)
    assert any(d["continuous_years"] == 2 for d in documents)
    assert {c for d in documents for c in d["pre_existing"]} == set(people.PRE_EXISTING)


def test_the_csv_example_states_policies_of_the_roll() -> None:
    rows = list(read_roll(io.BytesIO((SEEDS / "policies" / "example.csv").read_bytes()), "csv"))
    documents = [row.document for row in rows if isinstance(row, PolicyRow)]
    assert len(documents) == len(rows) == 20
    assert documents == list(islice(POPULATION.policies(), 20))


def test_no_two_people_share_a_certificate() -> None:
    sample = [*range(3000), *range(27_000, 28_000), *range(189_000, 190_000), *range(10_000_000, 10_000_500)]
    assert len({people.person(1, index).cert_no for index in sample}) == len(sample)


@pytest.mark.parametrize("sent", SENT, ids=[f"{n}-{sent.scenario}" for n, sent in enumerate(SENT)])
def test_a_discharge_is_valid_and_of_realistic_size_unless_it_is_to_be_refused(
    sent: Discharge, register: HospitalRegister
) -> None:
    checked = check(sent.body)
    assert bool(checked.errors) is (sent.outcome == "refused")
    assert not checked.warnings
    assert 15 <= len(sent.body["feedetail"]) <= 41
    if sent.outcome != "refused":
        assert Settlement.parse(sent.body, register).total_fen > 0


def test_discharges_cover_the_fee_categories() -> None:
    seen = {line["med_chrgitm_type"] for sent in SENT for line in sent.body["feedetail"]}
    assert seen >= {"01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "14"}


def test_repeated_settlements_repeat_what_they_say_they_repeat() -> None:
    first: dict[str, Discharge] = {}
    for sent in SENT:
        setl_id = sent.body["setlinfo"]["setl_id"]
        if sent.scenario in ("duplicate", "conflict"):
            same = content_digest(sent.body) == content_digest(first[setl_id].body)
            assert same is (sent.scenario == "duplicate")
        else:
            assert first.setdefault(setl_id, sent) is sent


def test_a_reversal_follows_the_settlement_it_undoes() -> None:
    before: dict[str, Discharge] = {}
    for sent in POPULATION.discharges():
        if sent.is_reversal:
            original = before[sent.body["setl_id"]]
            assert original.scenario == "reversal"
            assert validate_reversal(sent.body, Settlement.parse(original.body)) == []
        else:
            before[sent.body["setlinfo"]["setl_id"]] = sent


@pytest.mark.parametrize(("n_policies", "n_settlements"), [(240, 66), (800, 480)])
def test_the_published_terms_decide_each_scenario_as_it_is_tagged(
    n_policies: int, n_settlements: int, register: HospitalRegister, terms: dict[str, Terms]
) -> None:
    population = generate(n_policies, n_settlements)
    policies = {policy["policy_no"]: policy for policy in population.policies()}
    history: dict[str, list[dict[str, object]]] = defaultdict(list)
    decided: Counter[tuple[str, str]] = Counter()
    expected = {
        "paid": "pay",
        "nothing": "nothing",
        "review": "review",
        "no_consent": "pay",
        "reversed": "pay",
    }
    for sent in population.settlements():
        if sent.outcome not in expected:
            continue
        settlement = Settlement.parse(sent.body, register)
        if sent.policy_no is None:
            with pytest.raises(IdentityMissing):
                identity_of(sent.body)
            continue
        policy = policies[sent.policy_no]
        identity = identity_of(sent.body)
        assert (identity.cert_no, identity.name) == (policy["person"]["cert_no"], policy["person"]["name"])
        assert policy["effective"] <= settlement.admitted_on.isoformat() <= policy["expires"]
        past = history[sent.policy_no]
        decision = adjudicate(
            terms[policy["edition"]], Coverage.parse(policy), History.of(past), settlement
        ).document()
        past.append(decision)
        decided[sent.scenario, decision["decision"]] += 1
        assert decision["decision"] == expected[sent.outcome], (sent.scenario, decision["reasons"])
    assert decided["at_cap", "pay"] >= 2


def test_at_a_cap_the_cap_is_what_is_paid(register: HospitalRegister, terms: dict[str, Terms]) -> None:
    policies = {policy["policy_no"]: policy for policy in POPULATION.policies()}
    paid = set()
    for sent in SENT:
        if sent.scenario == "at_cap" and sent.policy_no:
            policy = policies[sent.policy_no]
            settlement = Settlement.parse(sent.body, register)
            decision = adjudicate(
                terms[policy["edition"]], Coverage.parse(policy), History.of([]), settlement
            )
            paid.add(decision.document()["payable_fen"])
    assert paid == {30_000_000, 20_000_000}


def test_a_stranger_is_on_no_roll() -> None:
    insured = {policy["person"]["cert_no"] for policy in POPULATION.policies()}
    strangers = [sent for sent in SENT if sent.scenario == "uninsured"]
    assert len(strangers) >= 2
    assert not any(sent.body["setlinfo"]["certno"] in insured for sent in strangers)


def test_a_long_stream_needs_the_memory_of_one_discharge() -> None:
    stream = generate(160_000, 100_000).discharges()
    list(islice(stream, 50))
    tracemalloc.start()
    for _ in islice(stream, 400):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_a_population_too_small_for_its_scenarios_is_refused() -> None:
    with pytest.raises(ValueError, match="40 policies"):
        generate(10)


def test_every_line_of_the_seeds_is_one_document() -> None:
    for line in (SEEDS / "settlements" / "discharges.ndjson").read_text("utf-8").splitlines():
        document = json.loads(line)
        assert document.keys() in (
            {"scenario", "outcome", "policy_no", "settlement"},
            {"scenario", "outcome", "policy_no", "reversal"},
        )
