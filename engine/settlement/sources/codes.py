"""Local code -> standard code: by the mapping on its days, else by the dictionary, never by a guess."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from engine.settlement.checks import BadValue
from engine.settlement.dictionaries import Dictionary, dictionary, operator_dictionary
from engine.settlement.fields import OPEN_DICTIONARIES
from engine.settlement.sources.cleaning import narrow
from engine.settlement.sources.mapping import CodeRule
from engine.settlement.sources.nodes import DICTIONARIES


@dataclass(frozen=True, slots=True, eq=False)  # one is itself, and may be a key
class Dictionaries:
    """The dictionaries in force. An open one of which the operator gives no list is known by its form."""

    given: Mapping[str, Dictionary] = field(default_factory=dict)

    @classmethod
    def of_folder(cls, folder: Path) -> "Dictionaries":
        """With the operator's lists: <open dictionary>.csv. Raises OSError, ValueError."""
        given = {path.stem: operator_dictionary(path) for path in sorted(folder.glob("*.csv"))}
        for name in given.keys() - OPEN_DICTIONARIES.keys():
            raise ValueError(f"{folder / name}.csv: a list is one of {', '.join(sorted(OPEN_DICTIONARIES))}")
        return cls(given)

    def states(self, name: str, code: str, day: date | None) -> bool:
        """Is it a standard code on a day (None: on any)?"""
        listed = self.given.get(name)
        if listed is None and name in OPEN_DICTIONARIES:
            try:
                OPEN_DICTIONARIES[name](code)
            except BadValue:
                return False
            return True
        listed = listed or dictionary(name)
        return code in listed.entries if day is None else listed.holds(code, day)

    def digests(self) -> dict[str, str]:
        """name -> digest of the version in force, for whoever asks later what a record was cleaned with."""
        closed = {name: dictionary(name) for name in DICTIONARIES - OPEN_DICTIONARIES.keys()}
        return {name: one.digest_hex for name, one in sorted({**closed, **self.given}.items())}


SHIPPED = Dictionaries()


class CodeMap:
    """The code rules of one mapping on one day."""

    def __init__(self, rules: Mapping[str, tuple[CodeRule, ...]], day: date, known: Dictionaries) -> None:
        self._day, self._known = day, known
        self._standard = {
            (name, narrow(rule.local)): rule.standard
            for name, listed in rules.items()
            for rule in listed
            if rule.first_day <= day <= rule.last_day
        }

    def standard(self, name: str, local: str) -> str | None:
        """The standard code that a local one (narrow spelling) stands for; None when nothing says so."""
        mapped = self._standard.get((name, local))
        if mapped is not None:
            return mapped
        return local if self._known.states(name, local, self._day) else None
