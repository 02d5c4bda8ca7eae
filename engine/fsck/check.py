"""One check from end to end.

A running engine goes on while three things are read one after another. So chain and bank are read
before the database and again after it: what was there before, the database must know; what the
database knows, must be there after. Nothing that merely moved in between is named.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.fsck import beliefs, database
from engine.fsck.bank import Bank, Line
from engine.fsck.chain import RECORDED, Chain, Transport
from engine.fsck.claims import check_claims
from engine.fsck.log import check_access_log
from engine.fsck.payouts import check_bank, check_confirmations, check_payouts, statement_lacks_some
from engine.fsck.report import Code, Difference, Findings, Report
from engine.fsck.results import check_authorizations, check_results, check_terms

_MARGIN = timedelta(days=1)
"""The bank's days are not UTC's."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The three that are compared. manifest: the deployment's, naming the contracts."""

    database_url: str
    chain: Transport
    manifest: Path
    bank: Bank


def check(
    sources: Sources,
    clock: Callable[[], datetime],
    *,
    settled: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Compare all three. `settled`: nothing may be under way any more, what is counts as a difference.

    Raises CannotCheck. Reads only.
    """
    findings = Findings()
    progress("reading the chain")
    chain = Chain(sources.chain, sources.manifest)
    chain.read()
    checkpoint = chain.latest_checkpoint()
    first = datetime.fromtimestamp(chain.started_at(), UTC)
    progress("reading the bank's statement")
    before = _statement(sources.bank, first, clock())
    progress("reading the database")
    with database.reading(sources.database_url) as connection:
        records = database.Records(connection)
        log_entries = check_access_log(database.access_log(connection), checkpoint, findings)
    chain.read()
    after = _statement(sources.bank, first, clock()) if statement_lacks_some(records, before) else before
    progress("comparing")
    check_claims(records, findings)
    check_terms(records, chain, findings)
    check_authorizations(records, chain, findings)
    check_results(records, chain, findings)
    check_payouts(records, chain, findings)
    check_confirmations(records, chain, findings)
    sums = check_bank(records, before, after, findings)
    return _report(
        records,
        chain,
        findings,
        {"access_log": log_entries, "checkpoint": checkpoint[0], **sums},
        settled=settled,
    )


def _statement(bank: Bank, first: datetime, now: datetime) -> list[Line]:
    return bank.statement((min(first, now) - _MARGIN).date(), (now + _MARGIN).date())


def _report(
    records: database.Records, chain: Chain, findings: Findings, counts: dict[str, int], *, settled: bool
) -> Report:
    differences = list(findings.differences)
    if settled:
        differences += [Difference(Code.IN_FLIGHT, who, where) for who, where in findings.in_flight.items()]
    states = Counter(payout.state for payout in records.payouts)
    return Report(
        differences=differences,
        in_flight=findings.in_flight,
        counts={
            "accepted": len(records.settlements),
            "recorded": len(chain.events(*RECORDED)),
            "paid": sum(states[state] for state in beliefs.KEPT),
            "confirmed": len(chain.events("PayoutConfirmed")),
            "returned": states["returned"],
            "blocks": chain.head + 1,
            **counts,
        },
        claims_by_state=dict(sorted(Counter(claim.state for claim in records.claims).items())),
    )
