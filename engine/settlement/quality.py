"""Every rule there is, of settlements and of sources, in one list: what data quality is counted by."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from engine.settlement.rules import RULES, Dimension, Rule, Severity
from engine.settlement.sources.rules import SOURCE_RULES, SourceRule


@dataclass(frozen=True, slots=True)
class QualityRule:
    """dimension: the side of quality that a broken rule counts against."""

    id: str
    severity: Severity
    dimension: Dimension
    meaning: str


_ALL: Final[tuple[Rule | SourceRule, ...]] = (*RULES.values(), *SOURCE_RULES.values())
QUALITY_RULES: Final[Mapping[str, QualityRule]] = MappingProxyType(
    {rule.id: QualityRule(rule.id, rule.severity, rule.dimension, rule.description) for rule in _ALL}
)
