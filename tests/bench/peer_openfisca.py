"""huhuibao-2024's B1 in OpenFisca: formulas over arrays of a whole population.

It fits in part. Lines are its persons; a settlement, a drug of it and a day of it are groups of lines; gates,
sums, the deductible, the ratio, limits and caps are formulas. What does not fit: a variable holds 32 bits, so
no exact numerator passes from one to another (the formulas reckon wider inside and hand on whole fen), and
an amount above 21 million yuan fits none; texts are slow Python objects, so codes are given as numbers, and
which drug a line is and whether it is a PET-CT is told, where ours and zen-engine read codes and names.
Nothing tells a review from a refusal, there is no reason and no trace in words, and settlements of one year
do not follow one another: what was used before is an input.

Its rate is that of a batch: the arrays are made before; each time a simulation goes from them to the amounts.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.bench.peer_zen import NOT_COVERED, Amounts, on_the_path

_PERIOD = "2024"
_COUNTED, _DRUGS, _MATERIAL, _EXAMINATION = (3, 4, 5, 8, 9, 11), (9, 11), 8, 3
_STAYS, _SHANGHAI, _GRADE_MIN, _ORDINARY = (21, 22, 23, 24), 31, 2, 1
_SINGLE_DRUG, _SURGICAL_MATERIAL, _CAP, _AGGREGATE_CAP = 30_000_000, 20_000_000, 100_000_000, 310_000_000
_BASIS = 10_000
_PET_CT = ("PET-CT", "PET/CT", "PETCT", "正电子发射")
_ITEM = {"X": 10, "Z": 11}
_GROUPS = ("settlement", "drug", "occasion")

_SETTLEMENT_INPUTS = (
    *("effective", "expires", "admitted", "claim_free_years", "pre_existing", "visit_type", "insured_area"),
    *("hospital_grade", "ordinary_ward", "cost_left", "used_deductible", "used_paid", "used_material"),
    *("used_pet_ct", "carried"),
)
_LINE_INPUTS = ("category", "pet_ct", "own_pay", "over_limit")
_RESULTS = ("payable", "eligible", "deductible")


class OpenFisca:
    """A batch of settlements, given as the contexts that zen-engine reads."""

    def __init__(self, contexts: Sequence[Mapping[str, Any]]) -> None:
        on_the_path()
        self._system = _system()
        self._settlements = len(contexts)
        self._inputs, self._groups = _arrays(contexts)

    def decide_all(self) -> Sequence[Any]:
        """Payable, eligible and deductible: an array each, fen."""
        from openfisca_core.simulations import SimulationBuilder

        builder = SimulationBuilder()
        builder.create_entities(self._system)
        builder.declare_person_entity("line", range(len(self._groups["settlement"])))
        for name, members in self._groups.items():
            group = builder.declare_entity(name, range(int(members.max()) + 1))
            group.members_entity_id = members
        simulation = builder.build(self._system)
        for name, values in self._inputs.items():
            simulation.set_input(name, _PERIOD, values)
        return [simulation.calculate(name, _PERIOD) for name in _RESULTS]

    def amounts(self) -> list[Amounts]:
        columns = [array.tolist() for array in self.decide_all()]
        return [Amounts(*row) if row[1] >= 0 else NOT_COVERED for row in zip(*columns, strict=True)]


def _arrays(contexts: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs by variable, and to which group of each kind a line belongs."""
    import numpy as np

    keys: dict[str, list[Any]] = {name: [] for name in _GROUPS}
    values: dict[str, list[int]] = {name: [] for name in (*_SETTLEMENT_INPUTS, *_LINE_INPUTS)}
    for number, context in enumerate(contexts):
        for name, value in _of_settlement(context).items():
            values[name].append(value)
        for line in context["lines"]:
            drug = int(line["category"]) in _DRUGS
            code = line["code"]
            values["category"].append(int(line["category"]))
            values["pet_ct"].append(any(part in line["name"] for part in _PET_CT))
            values["own_pay"].append(line["own_pay_fen"])
            values["over_limit"].append(line["over_limit_fen"])
            keys["settlement"].append(number)
            keys["drug"].append((number, code[: _ITEM.get(code[:1], len(code))] if drug else ""))
            keys["occasion"].append((number, line["occurred_on"]))
    places = {name: {key: place for place, key in enumerate(dict.fromkeys(keys[name]))} for name in _GROUPS}
    inputs = {name: np.array(column) for name, column in values.items()}
    inputs["used_drug"] = np.array(
        [contexts[number]["used"]["drugs"].get(item, 0) for number, item in places["drug"]]
    )
    groups = {name: np.array([places[name][key] for key in keys[name]]) for name in _GROUPS}
    return inputs, groups


def _of_settlement(context: Mapping[str, Any]) -> dict[str, int]:
    bill, used = context["bill"], context["used"]
    borne = min(bill["total_fen"] - bill["fund_fen"], bill["account_fen"] + bill["cash_fen"])
    return {
        **{name: context[name] for name in ("effective", "expires", "admitted", "claim_free_years")},
        "pre_existing": context["pre_existing"],
        "visit_type": int(context["visit_type"]),
        "insured_area": int(context["insured_area"]),
        "hospital_grade": context["hospital_grade"],
        "ordinary_ward": context["ward_type"] == "ordinary",
        "cost_left": max(borne - bill["other_compensation_fen"], 0),
        "used_deductible": used["deductible_fen"],
        "used_paid": used["paid_fen"],
        "used_material": used["material_fen"],
        "used_pet_ct": used["pet_ct"],
        "carried": used["carried"],
    }


def _system() -> Any:
    from openfisca_core.entities import build_entity
    from openfisca_core.taxbenefitsystems import TaxBenefitSystem

    line = build_entity(key="line", plural="lines", label="", is_person=True)
    groups = {
        name: build_entity(key=name, plural=f"{name}s", label="", roles=[{"key": "line"}]) for name in _GROUPS
    }
    system = TaxBenefitSystem([line, *groups.values()])
    of = {"line": line, **groups}
    for name in _SETTLEMENT_INPUTS:
        _add(system, name, groups["settlement"])
    for name in _LINE_INPUTS:
        _add(system, name, line)
    _add(system, "used_drug", groups["drug"])
    for entity, formula in _FORMULAS:
        _add(system, formula.__name__.lstrip("_"), of[entity], formula)
    return system


def _add(system: Any, name: str, entity: Any, formula: Callable[[Any, Any], Any] | None = None) -> None:
    """A variable of whole numbers a year."""
    from openfisca_core.periods import DateUnit
    from openfisca_core.variables import Variable

    body = {"value_type": int, "entity": entity, "definition_period": DateUnit.YEAR, "label": name}
    if formula is not None:
        body["formula"] = formula
    system.add_variable(type(name, (Variable,), body))


# ---------------------------------------------------------------------------------------- the formulas
# Named after what they answer. -1 eligible fen stand for a settlement that a gate turns away.


def _cost(line: Any, period: Any) -> Any:
    import numpy as np

    counted = np.isin(line("category", period), _COUNTED)
    return counted * (line("own_pay", period) + line("over_limit", period))


def _pet_ct_cost(line: Any, period: Any) -> Any:
    return line("cost", period) * line("pet_ct", period) * (line("category", period) == _EXAMINATION)


def _covered(settlement: Any, period: Any) -> Any:
    import numpy as np

    admitted = settlement("admitted", period)
    return (
        (admitted >= settlement("effective", period))
        & (admitted <= settlement("expires", period))
        & np.isin(settlement("visit_type", period), _STAYS)
        & (settlement("insured_area", period) // _BASIS == _SHANGHAI)
        & (settlement("hospital_grade", period) >= _GRADE_MIN)
        & (settlement("ordinary_ward", period) == _ORDINARY)
    )


def _pet_ct_of_day(occasion: Any, period: Any) -> Any:
    return occasion.sum(occasion.members("pet_ct_cost", period))


def _counted(settlement: Any, period: Any) -> Any:
    """The costs, of several PET-CT days the dearest alone and none where one was paid before."""
    lines = settlement.members
    of_day = lines.occasion("pet_ct_of_day", period)
    kept = settlement.max(of_day) * (settlement("used_pet_ct", period) < 1)
    return settlement.sum(lines("cost", period) - lines("pet_ct_cost", period)) + kept


def _ratio_bp(settlement: Any, period: Any) -> Any:
    return 7_000 - 2_000 * settlement("pre_existing", period)


def _borne(settlement: Any, period: Any) -> Any:
    import numpy as np

    years = settlement("claim_free_years", period)
    of_year = 1_200_000 - 100_000 * (years >= 2) - 100_000 * (years >= 3)
    left = np.maximum(of_year - settlement("used_deductible", period), 0)
    return np.minimum(settlement("counted", period), left)


def _of_drug(drug: Any, period: Any) -> Any:
    import numpy as np

    lines = drug.members
    return drug.sum(lines("cost", period) * np.isin(lines("category", period), _DRUGS))


def _above(cost: Any, left: Any, after: Any, ratio: Any, counted: Any) -> Any:
    """Where cost * after * ratio / (counted * 10000) exceeds what the limit leaves; exact."""
    import numpy as np

    near = cost.astype(np.int64) * ratio > left.astype(np.int64) * _BASIS
    above = np.zeros(len(cost), dtype=bool)
    exact = [part[near].astype(object) for part in (cost, after, ratio, left, counted)]
    above[near] = exact[0] * exact[1] * exact[2] > exact[3] * exact[4] * _BASIS
    return above


def _drug_left(drug: Any, period: Any) -> Any:
    import numpy as np

    return np.maximum(_SINGLE_DRUG - drug("used_drug", period), 0)


def _limited_line(line: Any, period: Any) -> Any:
    """1 for a line whose drug is cut to its limit."""
    settlement = line.settlement
    counted, ratio = settlement("counted", period), settlement("ratio_bp", period)
    after = counted - settlement("borne", period)
    cost, left = line.drug("of_drug", period), line.drug("drug_left", period)
    return _above(cost, left, after, ratio, counted)


def _payable(settlement: Any, period: Any) -> Any:
    import numpy as np

    lines = settlement.members
    counted, ratio = settlement("counted", period), settlement("ratio_bp", period)
    after = counted - settlement("borne", period)
    limited = lines("limited_line", period) > 0
    first = lines.simulation.populations["drug"].members_position == 0
    lefts = settlement.sum(limited * first * lines.drug("drug_left", period))
    cost = lines("cost", period)
    material = settlement.sum(cost * (lines("category", period) == _MATERIAL))
    left = np.maximum(_SURGICAL_MATERIAL - settlement("used_material", period), 0)
    over = _above(material, left, after, ratio, counted)
    # Its sums are floats, exact below 2^53.
    rest = (counted - settlement.sum(limited * cost) - over * material).astype(np.int64)
    denominator = np.maximum(counted, 1).astype(object) * _BASIS
    numerator = rest.astype(object) * after.astype(object) * ratio.astype(object)
    numerator += (lefts + over * left).astype(np.int64).astype(object) * denominator
    numerator += settlement("carried", period).astype(object) * counted.astype(object)
    numerator = np.maximum(numerator, 0) * (after > 0)
    rounded = ((2 * numerator + denominator) // (2 * denominator)).astype(np.int64)
    caps = min(_CAP, _AGGREGATE_CAP) - settlement("used_paid", period)
    payable = np.minimum(np.minimum(rounded, np.maximum(caps, 0)), settlement("cost_left", period))
    return payable * settlement("covered", period)


def _eligible(settlement: Any, period: Any) -> Any:
    import numpy as np

    return np.where(settlement("covered", period), settlement("counted", period), -1)


def _deductible(settlement: Any, period: Any) -> Any:
    return settlement("borne", period) * settlement("covered", period)


_FORMULAS: Sequence[tuple[str, Callable[[Any, Any], Any]]] = (
    *(("line", formula) for formula in (_cost, _pet_ct_cost, _limited_line)),
    *(("drug", formula) for formula in (_of_drug, _drug_left)),
    ("occasion", _pet_ct_of_day),
    *(
        ("settlement", formula)
        for formula in (_covered, _counted, _ratio_bp, _borne, _payable, _eligible, _deductible)
    ),
)
