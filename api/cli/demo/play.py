"""The play itself: set up, send every discharge, and follow each claim until it rests."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from api.cli.demo.players import HospitalDesk, Keys, enrol, patiently, withdraw
from api.cli.demo.provider import Provider
from api.cli.demo.screen import Screen
from api.cli.demo.stage import Stage
from api.cli.products import SEEDS
from api.client import ApiError, Client, wait_until
from engine.sandbox.population import Discharge, Population
from engine.settlement import load_register

Claim = dict[str, Any]
INSURER = "沪惠保共保体"
RESTING = frozenset(
    {
        "uninsured",
        "no_consent",
        "review",
        "nothing",
        "refused",
        "confirmed",
        "covered",
        "reversed",
        "recovery_due",
        "returned",
    }
)
_SENDERS = 8
_AT_REST_WITHIN_S = 600.0


class Play:
    """One run over a population. Every act may be repeated, so an interrupted run is played again.

    provider: a hospital whose settlements go to a node of its own; all others' go to the engine.
    """

    def __init__(
        self, stage: Stage, population: Population, screen: Screen, provider: Provider | None = None
    ) -> None:
        self._stage = stage
        self._population = population
        self._screen = screen
        keys = Keys(stage.home, stage.operator())
        self.insurer = Client(stage.url, keys.of("insurer", INSURER))
        hospitals = load_register().hospitals.values()
        self._provider = provider
        self._desks: dict[str, HospitalDesk | Provider] = {
            h.code: HospitalDesk(stage.url, h, keys.of("hospital", h.code)) for h in hospitals
        }
        if provider is not None:
            self._desks[provider.hospital.code] = provider
        self._policies = {policy["policy_no"]: policy for policy in population.policies()}
        self._shown: set[str] = set()
        self._scenario: dict[str, str] = {}

    def run(self) -> list[Claim]:
        """Play to the end; the claims, each at rest."""
        self._set_up()
        sent = [d for d in self._population.discharges() if not d.is_reversal]
        self._consent(sent)
        if self._provider is not None:
            self._provider.open()
            self._screen.joined(self._stage, self._provider)
        self._stage.platform.issue(discharge.body for discharge in sent)
        self._screen.sending(len(sent))
        self._send(sent)
        self._follow()
        for reversal in self._population.reversals():
            patiently(lambda r=reversal: self._desks[r.body["fixmedins_code"]].reverse(r.body))  # type: ignore[misc]
        return self._follow()

    def _set_up(self) -> None:
        operator = self._stage.operator()
        for desk in self._desks.values():
            patiently(lambda d=desk: operator.register_hospital(d.entry()))  # type: ignore[misc]
        for path in sorted(SEEDS.glob("*.yaml")):
            patiently(lambda p=path: self.insurer.load_product(p.read_bytes()))  # type: ignore[misc]
        roll = [_line(policy) for policy in self._policies.values()]
        report = patiently(lambda: self.insurer.load_policies(b"".join(roll)))
        self._screen.loaded(report, len(self._desks))

    def _consent(self, sent: list[Discharge]) -> None:
        """Once a run. Taken up again, it would grant anew what was withdrawn, and a claim sent before the
        interruption could be matched and paid before it is withdrawn again."""
        done = self._stage.home / "consents.done"
        if done.exists():
            return
        for number in enrol(self.insurer, list(self._policies.values())):
            self._screen.enrolled(number, len(self._policies))
        if self._provider is not None:
            # Before anybody withdraws: that a consent stands no more, the node then finds on chain by itself.
            patiently(self._stage.operator().publish_roll)
        for discharge in sent:
            if discharge.scenario == "consent_revoked" and discharge.policy_no is not None:
                withdraw(self.insurer, self._policies[discharge.policy_no])
        done.touch()

    def _send(self, sent: list[Discharge]) -> None:
        """Hospitals send side by side; what belongs to one person goes in order, through one of them."""
        lanes: list[list[Discharge]] = [[] for _ in range(_SENDERS)]
        for discharge in sent:
            person = discharge.body["setlinfo"].get("certno", discharge.body["setlinfo"]["setl_id"])
            lanes[sum(person.encode()) % _SENDERS].append(discharge)
        done = threading.Event()
        with ThreadPoolExecutor(_SENDERS) as pool:
            follower = pool.submit(self._show_until, done) if self._screen.talk else None
            for result in [pool.submit(self._send_lane, lane) for lane in lanes if lane]:
                result.result()
            done.set()
            if follower is not None:
                follower.result()

    def _send_lane(self, lane: list[Discharge]) -> None:
        for discharge in lane:
            info = discharge.body["setlinfo"]
            try:
                accepted = self._desks[info["fixmedins_code"]].send(discharge.body, discharge.scenario)
            except ApiError as error:
                self._screen.refused(discharge.scenario, info["setl_id"], error)
            else:
                if "claim_id" in accepted:
                    self._scenario.setdefault(accepted["claim_id"], discharge.scenario)
                else:
                    self._screen.stayed(accepted, discharge.scenario)
                self._screen.accepted(discharge.scenario, info["setl_id"])

    def _show_until(self, done: threading.Event) -> None:
        while not done.wait(0.3):
            self._show_new()

    def _follow(self) -> list[Claim]:
        """Wait until every claim rests, and no decision is to be looked at again."""
        operator = self._stage.operator()

        def all_at_rest() -> list[Claim] | None:
            before = patiently(operator.totals)["to_reopen"]
            claims = self._show_new()
            touched = before or patiently(operator.totals)["to_reopen"]
            return claims if not touched and all(claim["state"] in RESTING for claim in claims) else None

        return wait_until(all_at_rest, timeout_s=_AT_REST_WITHIN_S, every_s=0.2)

    def _show_new(self) -> list[Claim]:
        claims = patiently(lambda: list(self.insurer.claims()))
        for claim in claims:
            mark = f"{claim['claim_id']}/{claim['state']}"
            if claim["state"] in RESTING and mark not in self._shown:
                self._shown.add(mark)
                if self._screen.talk:
                    whole = patiently(lambda c=claim: self.insurer.claim(c["claim_id"]))  # type: ignore[misc]
                    self._screen.at_rest(whole, self._scenario.get(claim["claim_id"], ""))
        return claims


def details(insurer: Client, claims: list[Claim]) -> Iterator[Claim]:
    """Each claim with its transitions and payouts."""
    return (patiently(lambda c=claim: insurer.claim(c["claim_id"])) for claim in claims)  # type: ignore[misc]


def _line(policy: dict[str, Any]) -> bytes:
    return json.dumps(policy, ensure_ascii=False).encode() + b"\n"
