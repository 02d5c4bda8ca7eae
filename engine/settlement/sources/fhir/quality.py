"""What can be wrong with a bill before any mapping: FHIR allows it, the national list does not."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import chain, islice
from typing import Any, Final

from engine.settlement.errors import Violation
from engine.settlement.sources.fhir.bills import OVER, Bill
from engine.settlement.sources.fhir.document import Entry
from engine.settlement.sources.fhir.elements import amount, node, nodes, shanghai, text
from engine.settlement.sources.fhir.resources import Resources
from engine.settlement.sources.fhir.rows import certificate_of, submitted_total

CURRENCY: Final = "CNY"
MOST_VIOLATIONS: Final = 500
_FINAL: Final[Mapping[str, frozenset[str]]] = {
    "Claim": frozenset({"active"}),
    "ExplanationOfBenefit": frozenset({"active"}),
    "Encounter": OVER,
}
_RECORD_NUMBER: Final = "MR"
"""v2-0203: the hospital's own number of a patient, which is no certificate."""


def violations_of(bill: Bill, resources: Resources, certificates: Mapping[str, str]) -> tuple[Violation, ...]:
    """What joining the resources found first; of a bill that is all wrong, the first MOST_VIOLATIONS."""
    invalid = (problem for entry in bill.entries for problem in resources.problems(entry))
    checks = (_state(bill), _days(bill), _certificate(bill, certificates), _amounts(bill), _sums(bill))
    found = chain(bill.found, invalid, chain.from_iterable(checks))
    return tuple(islice(found, MOST_VIOLATIONS))


def _state(bill: Bill) -> Iterator[Violation]:
    for entry in bill.entries:
        final = _FINAL.get(entry.type)
        if final and text(entry.resource.get("status")) not in final:
            yield _at(entry, "/status", "not_final", f"must be {' or '.join(sorted(final))}")
    for own in (bill.claim, bill.benefit):
        if own is not None and own.resource.get("use") != "claim":
            yield _at(own, "/use", "use", "is no claim: care that was only asked about or approved")
    if bill.benefit is not None and bill.benefit.resource.get("outcome") != "complete":
        yield _at(bill.benefit, "/outcome", "not_final", "must be complete")


def _days(bill: Bill) -> Iterator[Violation]:
    entry, name = bill.encounter, "period"
    if entry is None:
        entry, name = (bill.claim if bill.is_purchase else None), "billablePeriod"
    elif "actualPeriod" in entry.resource:
        name = "actualPeriod"
    if entry is None:
        return
    period = node(entry.resource.get(name))
    for end in ("start", "end"):
        if not shanghai(period.get(end)):
            yield _at(entry, f"/{name}/{end}", "day", "must name a day: a stay is settled by its days")


def _certificate(bill: Bill, certificates: Mapping[str, str]) -> Iterator[Violation]:
    """A patient with no identifier at all is the national list's to judge: a newborn has none."""
    if bill.patient is None:
        return
    patient = bill.patient.resource
    others = [one for one in nodes(patient.get("identifier")) if not _is_record_number(one)]
    if others and not certificate_of(patient, certificates)[1]:
        yield _at(
            bill.patient,
            "/identifier",
            "certificate",
            "holds no identifier whose system or kind is known to be a certificate's",
        )


def _is_record_number(identifier: Mapping[str, Any]) -> bool:
    codings = nodes(node(identifier.get("type")).get("coding"))
    return any(coding.get("code") == _RECORD_NUMBER for coding in codings)


def _amounts(bill: Bill) -> Iterator[Violation]:
    """Precision 16,2 and yuan. A unit price may be finer than a fen, so it is left to the list's rule."""
    foreign: dict[str, list[str]] = {}
    for entry in (bill.claim, bill.benefit):
        if entry is None:
            continue
        for element in ("total", "payment", "item"):
            fine: list[str] = []
            for pointer, money in _money(entry.resource.get(element), f"/{element}"):
                currency = text(money.get("currency"))
                if currency != CURRENCY:
                    foreign.setdefault(currency, []).append(f"{entry.pointer}{pointer}/currency")
                if not pointer.endswith("/unitPrice") and _is_finer_than_a_fen(amount(money)):
                    fine.append(pointer)
            if fine:
                message = f"has more than two decimals; of its {element}, {len(fine)} amounts have"
                yield _at(entry, fine[0], "amount_precision", message)
    for currency, pointers in sorted(foreign.items()):
        stated = f"in {currency[:3]}" if currency else "without a currency"
        message = f"must be {CURRENCY}: {len(pointers)} amounts of the bill are {stated}"
        yield Violation(pointers[0], "source.fhir.currency", message)


def _is_finer_than_a_fen(stated: Decimal | None) -> bool:
    if stated is None:
        return False
    exponent = stated.normalize().as_tuple().exponent
    return isinstance(exponent, int) and exponent < -2


def _money(value: object, pointer: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every Money below: an object with a value and none of a Quantity's unit."""
    if isinstance(value, Mapping):
        if "value" in value and not pointer.endswith("/quantity"):
            if amount(value) is not None:
                yield pointer, value
            return
        for name, member in value.items():
            if name in _HOLDS_MONEY:
                yield from _money(member, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _money(member, f"{pointer}/{index}")


_HOLDS_MONEY: Final = frozenset({"amount", "net", "unitPrice", "adjudication", "detail"})


def _sums(bill: Bill) -> Iterator[Violation]:
    total = submitted_total(bill)
    entry = bill.speaking("item")
    if entry is not None:
        items = nodes(entry.resource.get("item"))
        nets = [net for item in items if (net := amount(item.get("net"))) is not None]
        if total is not None and total != sum(nets):
            yield _at(
                entry,
                "/total",
                "total_of_items",
                f"is {total:f} but the nets of the items add up to {sum(nets, Decimal(0)):f}",
            )
        for index, item in enumerate(items):
            yield from _sum_of_details(entry, index, item)
    if bill.claim is not None and bill.benefit is not None:
        claimed = amount(bill.claim.resource.get("total"))
        if claimed is not None and total is not None and claimed != total:
            yield _at(
                bill.claim,
                "/total",
                "totals_disagree",
                f"is {claimed:f} but the explanation of benefit says that {total:f} was billed",
            )


def _sum_of_details(entry: Entry, index: int, item: Mapping[str, Any]) -> Iterator[Violation]:
    details = nodes(item.get("detail"))
    net = amount(item.get("net"))
    nets = [one for detail in details if (one := amount(detail.get("net"))) is not None]
    if details and net is not None and net != sum(nets):
        yield _at(
            entry,
            f"/item/{index}/net",
            "total_of_items",
            f"is {net:f} but the nets of its details add up to {sum(nets, Decimal(0)):f}",
        )


def _at(entry: Entry, pointer: str, rule: str, message: str) -> Violation:
    return Violation(entry.pointer + pointer, f"source.fhir.{rule}", message)
