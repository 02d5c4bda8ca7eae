"""docs/sources.md is right: its examples are read off the page and run."""

import io
import re
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

from engine.settlement.sources.formats import READERS
from engine.settlement.sources.mapping_file import load_mapping_text
from engine.settlement.sources.record import Record
from engine.settlement.sources.standardise import Standardiser
from engine.settlement.sources.verdict import errors_of
from tests.support.process import REPOSITORY

PAGE = (REPOSITORY / "docs" / "sources.md").read_text(encoding="utf-8")
DAY = "2024-09-10"
_EXAMPLE = re.compile(r"```yaml\n(.*?)```\n```csv\n(.*?)```\n\n((?:\|[^\n]*\n)+)", re.DOTALL)
_BASE = re.search(r"without what every one has:\n\n((?: {4}.*\n)+)", PAGE)


class Example(NamedTuple):
    """One example of the page; claims are (received, where, field, becomes)."""

    title: str
    mapping: str
    table: str
    claims: list[list[str]]


def examples() -> Iterator[Example]:
    for found in _EXAMPLE.finditer(PAGE):
        title = re.findall(r"^## (.*)$", PAGE[: found.start()], re.MULTILINE)[-1]
        rows = [[cell.strip() for cell in row.strip("|\n").split("|")] for row in found[3].splitlines()]
        yield Example(title, found[1], found[2], rows[2:])


def merged(base: Any, fragment: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(fragment, dict):
        return fragment
    return {**base, **{key: merged(base.get(key), value) for key, value in fragment.items()}}


def records(example: Example, day: str) -> dict[str, Record]:
    assert _BASE
    yaml, out = YAML(typ="safe"), io.StringIO()
    yaml.allow_unicode = True
    yaml.dump(merged(yaml.load(_BASE[1]), yaml.load(example.mapping)), out)
    mapping = load_mapping_text(out.getvalue().encode(), example.title)
    standardiser = Standardiser(mapping, date.fromisoformat(day))
    raws = READERS[mapping.format](io.BytesIO(example.table.encode()), mapping.layout)
    return {record.place: record for record in map(standardiser.record, raws)}


def becomes(record: Record, pointer: str) -> set[str]:
    """The value at a pointer, and the rules broken there."""
    node: Any = record.body
    for step in pointer.split("/")[1:]:
        try:
            node = node[int(step) if isinstance(node, list) else step]
        except (KeyError, IndexError):
            node = "nothing"
            break
    return {str(node)} | {one.rule for one in errors_of(record) if one.field == pointer}


def test_the_page_has_an_example_of_each_feature() -> None:
    assert [one.title for one in examples()] == [
        *(
            "Names",
            "Constants",
            "Codes",
            "Values",
            "Values",
            "The header",
            "Rows",
            "Lists in columns",
            "Two files",
        ),
    ]


@pytest.mark.parametrize("example", [*examples()], ids=lambda one: one.title)
def test_an_example_comes_to_what_the_page_says(example: Example) -> None:
    read = {day: records(example, day) for day in {received or DAY for received, *_ in example.claims}}
    for received, where, field, expected in example.claims:
        assert expected in becomes(read[received or DAY][where], field), (where, field)
    told = {where for _, where, *_ in example.claims}
    assert told == set(read[DAY]), "a record of which the page says nothing"
