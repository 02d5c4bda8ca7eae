"""Many rows by a name of two columns, in one statement that uses their index.

SQLite reads the whole table for `(a, b) IN (VALUES …)`; Postgres does not mind either form.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_


def named(first: Any, second: Any, names: Iterable[tuple[str, str]]) -> ColumnElement[bool]:
    """Rows whose `first` and `second` are one of `names`: a search for each value of `first`."""
    of: dict[str, list[str]] = {}
    for one, other in names:
        of.setdefault(one, []).append(other)
    return or_(false(), *(and_(first == one, second.in_(others)) for one, others in of.items()))
