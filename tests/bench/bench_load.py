"""The whole line: discharges posted over HTTP, paid by the sandbox bank, confirmed on chain.

Bank and engine are processes of their own, people and hospitals the demo's. First a burst, sent as fast as
it is taken, whose times are mostly waiting for those before; then a few claims, each with the line to itself.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from statistics import median, quantiles

from api.cli.demo.evidence import PAID
from api.cli.demo.outcome import bank_duplicates, summarise
from api.cli.demo.play import Claim, Play, details
from api.cli.demo.players import HospitalDesk, Keys
from api.cli.demo.screen import Screen
from api.cli.demo.stage import Stage
from api.cli.demo.watching import co_sign
from api.client import wait_until
from engine.sandbox.population import Discharge, generate
from engine.settlement import load_register
from tests.bench import Row
from tests.bench.sampling import ProcessorTime
from tests.bench.stage import staged

_BURST = 400
_ALONE = 15
_POLICIES = 800
"""So many that those who come after the burst have no earlier stay that is still undecided."""
_ONE_WITHIN_S = 60.0


def run() -> list[Row]:
    with staged("load") as stage:
        play = Play(stage, generate(_POLICIES, _BURST), Screen(talk=False))
        with ProcessorTime(stage.engine.pid) as engine:
            claims = play.run()
        outcome = summarise(stage, claims, {}, bank_duplicates(stage), co_sign(stage, "auditor"))
        if outcome.duplicate_payouts:
            raise RuntimeError(f"{outcome.duplicate_payouts} paid twice: these figures are worth nothing")
        paid = list(details(play.insurer, [claim for claim in claims if claim["state"] in PAID]))
        alone = list(_one_by_one(stage, play))
    return [
        *_throughput(outcome.accepted, [claim for claim in paid if _moved(claim, "confirmed")], engine),
        *_times("in the burst", paid),
        *_times("with the line to itself", alone),
        Row("recorded and confirmed, in the burst", "gas a claim", outcome.chain["gas_per_claim"]),
    ]


def _one_by_one(stage: Stage, play: Play) -> Iterator[Claim]:
    """The plain ones of those who come after the burst, each sent when the one before is confirmed."""
    keys = Keys(stage.home, stage.operator())
    hospitals = load_register().hospitals
    for discharge in islice(_after_the_burst(), _ALONE):
        code = discharge.body["setlinfo"]["fixmedins_code"]
        desk = HospitalDesk(stage.url, hospitals[code], keys.of("hospital", code))
        claim_id = desk.send(discharge.body, "alone")["claim_id"]

        def confirmed(claim_id: str = claim_id) -> Claim | None:
            claim = play.insurer.claim(claim_id)
            return claim if _moved(claim, "confirmed") else None

        yield wait_until(confirmed, timeout_s=_ONE_WITHIN_S)


def _after_the_burst() -> Iterator[Discharge]:
    later = islice(generate(_POLICIES, 2 * _BURST).settlements(), _BURST, None)
    return (discharge for discharge in later if discharge.scenario == "plain_pay")


def _throughput(accepted: int, confirmed: Sequence[Claim], engine: ProcessorTime) -> list[Row]:
    """From the first acceptance to the last confirmation."""
    first = min(_at(claim, "accepted") for claim in confirmed)
    last = max(_at(claim, "confirmed") for claim in confirmed)
    whole_s, spent_ms = (last - first).total_seconds(), engine.spent_s(first, last) * 1000
    return [
        Row(f"burst of {accepted} accepted: all brought to rest", "settlements/s", accepted / whole_s),
        Row(f"of them {len(confirmed)} paid and confirmed", "claims/s", len(confirmed) / whole_s),
        Row("the engine's processor time, in the burst", "ms a settlement", spent_ms / accepted),
    ]


def _times(where: str, claims: Sequence[Claim]) -> list[Row]:
    rows = []
    for state in ("paid", "confirmed"):
        spans = [_ms(claim, state) for claim in claims if _moved(claim, state)]
        rows.append(Row(f"accepted to {state}, {where}: p50 of {len(spans)}", "ms", median(spans)))
        if len(spans) >= 100:
            p99 = quantiles(spans, n=100, method="inclusive")[-1]
            rows.append(Row(f"accepted to {state}, {where}: p99 of {len(spans)}", "ms", p99))
    return rows


def _ms(claim: Claim, state: str) -> float:
    return (_at(claim, state) - _at(claim, "accepted")).total_seconds() * 1000


def _moved(claim: Claim, state: str) -> bool:
    return any(move["to"] == state for move in claim["transitions"])


def _at(claim: Claim, state: str) -> datetime:
    moments: list[str] = [move["at"] for move in claim["transitions"] if move["to"] == state]
    return datetime.fromisoformat(moments[0])
