"""Long answers, a JSON line a record."""

from collections.abc import Iterator
from itertools import islice

MOST_TOGETHER = 100


def together(lines: Iterator[bytes]) -> Iterator[bytes]:
    """As many lines a write as are worth one: each changes threads twice."""
    while some := b"".join(islice(lines, MOST_TOGETHER)):
        yield some
