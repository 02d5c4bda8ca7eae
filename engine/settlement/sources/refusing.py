"""Refusing a delivery as a whole."""

from typing import NoReturn

from engine.settlement.errors import Violation
from engine.settlement.sources.record import SourceRefused


def refuse(rule: str, message: str, field: str = "") -> NoReturn:
    """Raises SourceRefused with the one violation."""
    raise SourceRefused([Violation(field, rule, message)])
