"""Cursor pagination: a page and where the next one starts."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is the cursor of the following page, or None at the end."""

    items: list[dict[str, Any]]
    next: int | str | None
