"""How a list is cut: both sides alike, everything found again, and the sizes seen by the other say little."""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest

from engine.matching.scale.buckets import (
    IN_BUCKET,
    STEP,
    Bucket,
    Spool,
    announced,
    buckets_for,
    read_rows,
    size_of_bucket,
)

_RUN = bytes(range(32))


def _spooled(folder: Path, items: list[bytes], run: bytes = _RUN) -> Spool:
    spool = Spool(folder, run)
    spool.take(items)
    return spool


def _ids(path: Path) -> list[str]:
    return [line.partition(",")[0] for line in path.read_text(encoding="ascii").splitlines()[1:]]


def _found(home: Path, mine: list[bytes], theirs: list[bytes], buckets: int) -> list[int]:
    """What the provider makes of it, if the library does as it says: the lines of one that another has."""
    sides = _spooled(home / "mine", mine), _spooled(home / "theirs", theirs)
    put, got, other = (home / name for name in ("mine.csv", "got.csv", "theirs.csv"))
    found: list[int] = []
    for number in range(buckets):
        bucket, against = (
            side.bucket(number, buckets).filled(size_of_bucket(announced(side.count), buckets), os.urandom)
            for side in sides
        )
        bucket.write(put)
        against.write(other)
        both = set(_ids(other))
        head, *lines = put.read_text(encoding="ascii").splitlines(keepends=True)
        got.write_text(
            head + "".join(line for line in lines if line.partition(",")[0] in both), encoding="ascii"
        )
        found += bucket.found(read_rows(got)).tolist()
    return sorted(found)


def _lists() -> Iterator[tuple[list[bytes], list[bytes]]]:
    rng = Random(6)
    for mine, theirs in ((0, 0), (0, 5), (5, 0), (1, 1), (2, 1), (1000, 7), (3000, 3000)):
        people = [rng.randbytes(rng.randrange(1, 40)) for _ in range(mine + theirs)]
        shared = people[: (mine + theirs) * 2 // 3]
        yield [rng.choice(shared) for _ in range(mine)], [rng.choice(shared) for _ in range(theirs)]
    yield [b"one"] * 5000, [b"another", b"one"]


@pytest.mark.parametrize("buckets", [1, 4])
def test_all_that_both_have_is_found_however_often_it_is_listed(tmp_path: Path, buckets: int) -> None:
    for case, (mine, theirs) in enumerate(_lists()):
        expected = [place for place, item in enumerate(mine) if item in set(theirs)]
        assert _found(tmp_path / str(case), mine, theirs, buckets) == expected


def test_a_bucket_holds_nothing_twice_and_always_something_random(tmp_path: Path) -> None:
    for count in (0, 1, STEP - 1, STEP, STEP + 1):
        items = [index.to_bytes(4, "big") for index in range(count)]
        bucket = _spooled(tmp_path / str(count), items * 2).bucket(0, 1)
        assert bucket.rows == count
        full = bucket.filled(announced(count), os.urandom)
        full.write(tmp_path / "csv")
        ids = _ids(tmp_path / "csv")
        assert len(set(ids)) == len(ids) == full.rows
        assert count < full.rows <= count + STEP
        assert full.rows % STEP == 0


def test_buckets_are_of_one_size_wherever_the_items_fall(tmp_path: Path) -> None:
    rng = Random(7)
    spool = _spooled(tmp_path / "list", [rng.randbytes(16) for _ in range(64 * 1008)])
    size = size_of_bucket(announced(spool.count), 64)
    loads = [spool.bucket(number, 64) for number in range(64)]
    assert len({announced(load.rows) for load in loads}) > 1
    assert {load.filled(size, os.urandom).rows for load in loads} == {size}


def test_a_bucket_that_is_fuller_than_foreseen_is_not_cut_off() -> None:
    records = np.zeros(5000, dtype=[("high", "<u8"), ("low", "<u8"), ("index", "<i8")])
    records["low"] = records["index"] = range(5000)
    assert Bucket.of(records).filled(STEP, os.urandom).rows == announced(5000)


def test_ids_of_another_run_are_other_ids(tmp_path: Path) -> None:
    one, again, another = (
        _spooled(tmp_path / name, [b"person"], run).bucket(0, 1).ids
        for name, run in (("one", _RUN), ("again", _RUN), ("another", bytes(32)))
    )
    assert one == again != another


def test_a_list_is_told_from_another_and_from_another_order(tmp_path: Path) -> None:
    lists = ([b"a", b"b"], [b"a", b"b"], [b"b", b"a"], [b"a", b"b", b"b"])
    one, again, turned, longer = (
        _spooled(tmp_path / str(number), items).digest() for number, items in enumerate(lists)
    )
    assert one == again
    assert len({one, turned, longer}) == 3


def test_what_is_announced_is_rounded_up_and_both_come_to_the_same_buckets() -> None:
    assert [announced(count) for count in (0, 1, 1023, 1024, 10_000_000)] == [
        1024,
        1024,
        1024,
        2048,
        10_000_384,
    ]
    most = [1024, IN_BUCKET, IN_BUCKET + 1, 4 * IN_BUCKET, 10**7, 10**12]
    assert [buckets_for(longest) for longest in most] == [1, 1, 2, 4, 16, 256]
