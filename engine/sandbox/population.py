"""A synthetic population: policies, and the discharges that hospitals then send, scenario by scenario.

Deterministic: the same seed and sizes make the same bytes, on any machine and at any time. Streaming: a
hundred thousand discharges need the memory of one. `python -m engine.sandbox.population --write` writes
the committed seeds.
"""

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any, Final

from engine.money import format_yuan, parse_yuan
from engine.rolls import CSV_COLUMNS
from engine.sandbox import people
from engine.sandbox.discharges import Stay, settlement
from engine.sandbox.people import Person
from engine.sandbox.price_list import item_for
from engine.settlement import load_register

SEED: Final = 20240701
POLICIES: Final = 240
SETTLEMENTS: Final = 66

PAYING_HOSPITALS: Final = tuple(
    hospital.code
    for hospital in load_register().hospitals.values()
    if hospital.kind == "ordinary" and hospital.grade >= 2 and hospital.area.startswith("31")
    if "ordinary" in hospital.wards
)
UNGRADED_HOSPITAL: Final = "H31011800013"
PROTON_CENTRE: Final = "H31011500010"
_STRANGERS: Final = 10_000_000
"""From this index on nobody is on a roll."""

OUTCOMES: Final[dict[str, str]] = {
    "plain_pay": "paid",
    "nothing_payable": "nothing",
    "first_stay_below_deductible": "nothing",
    "over_deductible_in_second_stay": "paid",
    "at_cap": "paid",
    "pre_existing": "paid",
    "proton": "paid",
    "uninsured": "uninsured",
    "consent_revoked": "no_consent",
    "duplicate": "duplicate",
    "conflict": "conflict",
    "reversal": "reversed",
    "identity_failure": "refused",
    "needs_review": "review",
}
"""Scenario -> what becomes of it."""


@dataclass(frozen=True, slots=True)
class Discharge:
    """One thing a hospital sends. Scenario and outcome are about it, never in it.

    policy_no is the policy that is meant to answer, None where there is none. A consent_revoked
    settlement is sent after that policy's authorization was revoked. A reversal has no settlement body
    but a reversal one, and undoes the settlement that came before it.
    """

    scenario: str
    outcome: str
    policy_no: str | None
    body: dict[str, Any]
    is_reversal: bool = False

    def document(self) -> dict[str, Any]:
        """As it stands in seeds/settlements/discharges.ndjson."""
        kind = "reversal" if self.is_reversal else "settlement"
        return {
            "scenario": self.scenario,
            "outcome": self.outcome,
            "policy_no": self.policy_no,
            kind: self.body,
        }


@dataclass(frozen=True, slots=True)
class Population:
    """policies, discharges, settlements and reversals are made anew at every call, in the same order.

    The outcomes hold while everyone has at most one turn: keep n_policies at 1.6 a settlement or more.
    Beyond that, people come again, and may meet a deductible used up or a cap reached.
    """

    n_policies: int
    n_settlements: int
    seed: int

    def policies(self) -> Iterator[dict[str, Any]]:
        """Coverage documents of the roll."""
        return people.policies(self.seed, self.n_policies)

    def discharges(self) -> Iterator[Discharge]:
        """n_settlements settlements in the order they are sent, each reversal after its settlement."""
        return _Hospitals(self).send()

    def settlements(self) -> Iterator[Discharge]:
        return (discharge for discharge in self.discharges() if not discharge.is_reversal)

    def reversals(self) -> Iterator[Discharge]:
        return (discharge for discharge in self.discharges() if discharge.is_reversal)

    def expectations(self) -> dict[str, int]:
        """How many settlements end in each outcome."""
        counted = dict.fromkeys(sorted(set(OUTCOMES.values())), 0)
        for discharge in self.settlements():
            counted[discharge.outcome] += 1
        return counted


def generate(n_policies: int = POLICIES, n_settlements: int = SETTLEMENTS, seed: int = SEED) -> Population:
    """A population; at least 40 policies, so that every scenario finds its person. Raises ValueError."""
    if n_policies < 40:
        raise ValueError("a population has at least 40 policies")
    return Population(n_policies, n_settlements, seed)


_ROUND: Final = (
    *("nothing_payable", "plain_pay", "second_stay", "pre_existing", "uninsured", "at_cap", "plain_pay"),
    *("needs_review", "duplicate", "conflict", "consent_revoked", "reversal", "identity_failure", "proton"),
    *("plain_pay", "plain_pay", "nothing_payable", "plain_pay", "pre_existing", "plain_pay", "plain_pay"),
    *("plain_pay", "second_stay", "plain_pay", "at_cap", "plain_pay", "plain_pay", "plain_pay"),
    *("pre_existing", "plain_pay", "plain_pay", "needs_review", "plain_pay", "plain_pay", "plain_pay"),
    *("nothing_payable", "plain_pay", "plain_pay", "plain_pay", "uninsured", "plain_pay", "plain_pay"),
    *("needs_review", "plain_pay", "plain_pay", "identity_failure", "plain_pay", "plain_pay", "plain_pay"),
    *("plain_pay", "plain_pay", "consent_revoked", "plain_pay", "plain_pay", "plain_pay", "plain_pay"),
)
"""The scenarios in turn; a second_stay sends two settlements, a duplicate and a conflict repeat the last."""


class _Hospitals:
    """Sends one population's discharges."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._people = people.people_in(population.n_policies)
        self._rng = Random(f"hospitals/{population.seed}")
        self._number = count(1)
        self._healthy = self._turns(pre_existing=False)
        self._ill = self._turns(pre_existing=True)
        self._strangers = count(_STRANGERS)
        self._turn = {"at_cap": 0, "needs_review": 0}
        self._last: Discharge | None = None

    def send(self) -> Iterator[Discharge]:
        sent = 0
        for index in count():
            for discharge in self._of(_ROUND[index % len(_ROUND)]):
                if not discharge.is_reversal:
                    if sent == self._population.n_settlements:
                        return
                    sent += 1
                yield discharge

    def _of(self, scenario: str) -> Iterator[Discharge]:
        special: dict[str, Callable[[], Iterator[Discharge]]] = {
            "second_stay": self._second_stay,
            "uninsured": self._uninsured,
            "duplicate": self._duplicate,
            "conflict": self._conflict,
            "reversal": self._reversal,
            "identity_failure": self._identity_failure,
            "at_cap": self._at_cap,
            "needs_review": self._needs_review,
        }
        if scenario in special:
            yield from special[scenario]()
            return
        who = self._person(self._ill if scenario == "pre_existing" else self._healthy)
        edition, stay = self._stay(who)
        if scenario == "nothing_payable":
            stay = replace(stay, self_paid_fen=self._rng.randint(50_000, 600_000))
        elif scenario == "proton":
            stay = replace(
                stay,
                hospital=PROTON_CENTRE,
                diagnosis=("C61.x00", "前列腺恶性肿瘤"),
                extra=((item_for("proton_therapy"), 1),),
            )
        discharge = self._discharge(scenario, people.policy_no(who, edition), stay)
        if scenario == "plain_pay":
            self._last = discharge
        yield discharge

    def _second_stay(self) -> Iterator[Discharge]:
        """The year's deductible is used up only by both stays together."""
        who = self._person(self._healthy)
        edition, stay = self._stay(who, days_left=120)
        policy_no = people.policy_no(who, edition)
        first = replace(stay, self_paid_fen=self._rng.randint(800_000, 900_000))
        later = stay.admitted + timedelta(days=stay.days + self._rng.randint(20, 60))
        second = replace(
            stay,
            number=next(self._number),
            admitted=later,
            self_paid_fen=self._rng.randint(1_650_000, 1_900_000),
        )
        yield self._discharge("first_stay_below_deductible", policy_no, first)
        yield self._discharge("over_deductible_in_second_stay", policy_no, second)

    def _uninsured(self) -> Iterator[Discharge]:
        who = people.person(self._population.seed, next(self._strangers))
        _, stay = self._stay(who)
        yield self._discharge("uninsured", None, stay)

    def _duplicate(self) -> Iterator[Discharge]:
        last = self._paid_before()
        yield replace(last, scenario="duplicate", outcome=OUTCOMES["duplicate"])

    def _conflict(self) -> Iterator[Discharge]:
        last = self._paid_before()
        body = {**last.body, "setlinfo": {**last.body["setlinfo"], "act_ipt_days": "1"}}
        yield replace(last, scenario="conflict", outcome=OUTCOMES["conflict"], body=body)

    def _reversal(self) -> Iterator[Discharge]:
        who = self._person(self._healthy)
        edition, stay = self._stay(who)
        original = self._discharge("reversal", people.policy_no(who, edition), stay)
        info = original.body["setlinfo"]
        yield original
        body = {
            "setl_id": info["setl_id"],
            "fixmedins_code": info["fixmedins_code"],
            "reason": "费用录入有误，整单退费后重新结算",
            "reversed_at": f"{stay.admitted + timedelta(days=stay.days + 1)} 09:30:00",
            "biz_sn": f"R{info['biz_sn']}",
            "medfee_sumamt": f"-{info['medfee_sumamt']}",
        }
        yield replace(original, body=body, is_reversal=True)

    def _identity_failure(self) -> Iterator[Discharge]:
        """The stated total is a fen off, so that no identity it stands in holds."""
        who = self._person(self._healthy)
        edition, stay = self._stay(who)
        discharge = self._discharge("identity_failure", people.policy_no(who, edition), stay)
        info = discharge.body["setlinfo"]
        info["medfee_sumamt"] = format_yuan(parse_yuan(info["medfee_sumamt"]) + 1)
        yield discharge

    def _at_cap(self) -> Iterator[Discharge]:
        """By turns a drug beyond its year's limit and surgical material beyond its stay's."""
        turn = self._next_turn("at_cap")
        capped = ((item_for("capped_drug"), 22),) if turn % 2 == 0 else ((item_for("capped_material"), 1),)
        who = self._person(self._healthy)
        edition, stay = self._stay(who)
        yield self._discharge("at_cap", people.policy_no(who, edition), replace(stay, extra=capped))

    def _needs_review(self) -> Iterator[Discharge]:
        """By turns a death, a hospital whose grade is unknown, and a newborn without a certificate."""
        turn = self._next_turn("needs_review") % 3
        who = self._person(self._healthy)
        edition, stay = self._stay(who)
        if turn == 0:
            stay = replace(stay, discharge_way="5")
        elif turn == 1:
            stay = replace(stay, hospital=UNGRADED_HOSPITAL)
        else:
            stay = replace(stay, newborn=True)
        policy_no = None if stay.newborn else people.policy_no(who, edition)
        yield self._discharge("needs_review", policy_no, stay)

    def _discharge(self, scenario: str, policy_no: str | None, stay: Stay) -> Discharge:
        rng = Random(f"stay/{self._population.seed}/{stay.number}")
        return Discharge(scenario, OUTCOMES[scenario], policy_no, settlement(stay, rng))

    def _stay(self, who: Person, days_left: int = 35) -> tuple[int, Stay]:
        """A stay well inside one of the person's editions, its self-paid costs above any deductible."""
        edition = self._rng.choice(who.editions)
        effective = date.fromisoformat(people.policy(who, edition)["effective"])
        last = date(edition + 1, 6, 30) - timedelta(days=days_left)
        admitted = effective + timedelta(days=self._rng.randint(0, (last - effective).days))
        return edition, Stay(
            number=next(self._number),
            who=who,
            hospital=self._rng.choice(PAYING_HOSPITALS),
            admitted=admitted,
            days=self._rng.randint(3, 21),
            self_paid_fen=self._rng.randint(2_600_000, 9_500_000),
        )

    def _turns(self, *, pre_existing: bool) -> Iterator[int]:
        """People one after the other, again from the first when all had their turn."""
        while True:
            yield from (i for i in range(self._people) if people.has_pre_existing(i) is pre_existing)

    def _person(self, turns: Iterator[int]) -> Person:
        return people.person(self._population.seed, next(turns))

    def _next_turn(self, scenario: str) -> int:
        turn = self._turn[scenario]
        self._turn[scenario] = turn + 1
        return turn

    def _paid_before(self) -> Discharge:
        if self._last is None:
            raise RuntimeError("a round sends a plain settlement before it repeats one")
        return self._last


def csv_cells(policy: dict[str, Any]) -> list[str]:
    """One policy as a row of CSV, in the order of CSV_COLUMNS."""
    flat = {
        **{name: value for name, value in policy.items() if not isinstance(value, dict | list)},
        **policy["person"],
        "pre_existing": "|".join(policy["pre_existing"]),
        "renewed": "true" if policy["renewed"] else "false",
        **{f"payee_{name}": value for name, value in policy["payee"].items()},
    }
    return [str(flat.get(name, "")) for name in CSV_COLUMNS]


def write(seeds: Path, population: Population) -> None:
    """(Re)create the committed policies and settlements under seeds."""
    _write_ndjson(seeds / "policies" / "huhuibao.ndjson", population.policies())
    _write_ndjson(
        seeds / "settlements" / "discharges.ndjson",
        (discharge.document() for discharge in population.discharges()),
    )
    with (seeds / "policies" / "example.csv").open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(CSV_COLUMNS.values())
        rows.writerows(csv_cells(policy) for policy in islice(population.policies(), 20))


def _write_ndjson(path: Path, documents: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for document in documents:
            file.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the synthetic population.")
    parser.add_argument("--write", action="store_true", help="rewrite the committed seeds")
    parser.add_argument("--policies", type=int, default=POLICIES)
    parser.add_argument("--settlements", type=int, default=SETTLEMENTS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--seeds", type=Path, default=Path(__file__).resolve().parents[2] / "seeds")
    arguments = parser.parse_args()
    population = generate(arguments.policies, arguments.settlements, arguments.seed)
    if arguments.write:
        write(arguments.seeds, population)
        sys.stderr.write(f"wrote {arguments.seeds}\n")
    sys.stdout.write(json.dumps(population.expectations()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
