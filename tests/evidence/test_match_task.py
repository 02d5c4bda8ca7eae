"""A matching task is what its document says, and a result is committed to with everything it came to."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from engine.evidence.errors import DocumentInvalid
from engine.evidence.match_task import MatchCounts, MatchTask, releases_root

WORD = "0x" + "5e" * 32
TASK = MatchTask(
    provider="0x" + "5e" * 20,
    dataset=WORD,
    hospitals=("H31010100001", "H31010100002"),
    product="huhuibao",
    scope=WORD,
    terms_root=WORD,
    epoch=1,
    since=date(2025, 2, 1),
    until=date(2025, 2, 1),
    most=2,
    engine="voprf",
    nonce=WORD,
)
COUNTS = MatchCounts(elements=4, discharges=3, released=2, releases=releases_root(["a", "b"]))


def test_a_document_is_read_as_it_was_written_and_hashes_to_its_id() -> None:
    assert MatchTask.of(TASK.document) == TASK
    assert replace(TASK, most=3).task_id != TASK.task_id == MatchTask.of(TASK.document).task_id


@pytest.mark.parametrize(
    "change",
    [
        {"format": "autoclaim.matching.task/2"},
        {"further": 1},
        {"nonce": "5e"},
        {"provider": "0x" + "5E" * 20},
        {"provider": None},
        {"hospitals": ["H2", "H1"]},
        {"hospitals": []},
        {"hospitals": None},
        {"until": "2025-01-31"},
        {"from": "yesterday"},
        {"most": 0},
        {"most": "2"},
        {"epoch": 2**32},
        {"engine": "psi"},
    ],
)
def test_what_is_not_such_a_document_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DocumentInvalid):
        MatchTask.of(TASK.document | change)


@pytest.mark.parametrize("missing", list(TASK.document))
def test_a_document_that_lacks_a_field_is_refused(missing: str) -> None:
    with pytest.raises(DocumentInvalid):
        MatchTask.of({name: value for name, value in TASK.document.items() if name != missing})


def test_a_result_is_committed_to_with_each_of_its_counts_and_hidden_by_the_nonce() -> None:
    others = [
        TASK.result_digest(replace(COUNTS, **change))
        for change in ({"elements": 5}, {"discharges": 4}, {"released": 1}, {"releases": WORD})
    ]
    others.append(replace(TASK, nonce="0x" + "5f" * 32).result_digest(COUNTS))
    assert len({TASK.result_digest(COUNTS), *others}) == 1 + len(others)
    assert releases_root(["b", "a"]) == COUNTS.releases
