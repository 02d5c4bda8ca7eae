"""Private matching: an epoch published, a question asked and answered, a person looked up.

Rates of one process are of processor time: what others run on the machine does not count. What waits for a
disk, or for two processes, is wall time. ROLL=10000000 makes it ten million entries: some 30 GB on the disk.
"""

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

from engine.matching.entries import InsuredUnder, Payload, empty_entry, seal_entry
from engine.matching.published import NO_DIGEST, PublishedRoll, write_update
from engine.matching.voprf import EpochKey, Question, person_message
from tests.bench import Row
from tests.bench.sampling import OwnMemory, rate_of_a_core
from tests.bench.stage import folder

_ROLL = int(os.environ.get("ROLL", "1000000"))
_OUTPUTS = 20_000
_LOOK_UPS = 20_000
_PROCESSES = 2
_QUESTIONS = (1, 2, 8, 1_000)
"""Elements: a person, a person and a name, the most online, a batch."""
_SEED, _EPOCH = bytes(32), 1
_MIB = 2**20


def run() -> list[Row]:
    with folder("matching") as home:
        return [*_of_the_roll(), *_of_questions(), *_of_updates(home)]


def _of_the_roll() -> list[Row]:
    outputs = rate_of_a_core(partial(_outputs, range(1_000)), 1_000, at_least_s=2)
    sealed = rate_of_a_core(_sealing(), 1_000, at_least_s=1)
    return [
        Row("tags of the roll, one process", "1/s of a core", outputs),
        Row(f"tags of the roll, {_PROCESSES} processes, wall time", "1/s", _rate_of_processes()),
        Row("entries sealed, their tags known", "1/s of a core", sealed),
    ]


def _outputs(people: range) -> None:
    key = EpochKey.derive(_SEED, _EPOCH)
    for person in people:
        key.output(person_message("01", f"{person:018}"))


def _rate_of_processes() -> float:
    shares = [range(start, start + _OUTPUTS) for start in range(0, _PROCESSES * _OUTPUTS, _OUTPUTS)]
    with ProcessPoolExecutor(_PROCESSES) as processes:
        list(processes.map(_outputs, [range(1)] * _PROCESSES))  # started, and the library loaded
        began = time.perf_counter()
        list(processes.map(_outputs, shares))
        return _PROCESSES * _OUTPUTS / (time.perf_counter() - began)


def _sealing() -> Callable[[], None]:
    output = EpochKey.derive(_SEED, _EPOCH).output(b"person")
    digits = [os.urandom(32).hex() for _ in range(4)]
    policy = InsuredUnder(
        handle=digits[0],
        product="huhuibao-2025",
        effective=date(2025, 7, 1),
        expires=date(2026, 6, 30),
        cancelled_on=None,
        authorization="0x" + digits[1],
        subject="0x" + digits[2],
        scope="0x" + digits[3],
    )
    payload = Payload((os.urandom(16),), (policy,))

    def seal() -> None:
        for _ in range(1_000):
            seal_entry(output, _EPOCH, payload, os.urandom)

    return seal


def _of_questions() -> Iterator[Row]:
    key = EpochKey.derive(_SEED, _EPOCH)
    for count in _QUESTIONS:
        messages = [person_message("01", f"{person:018}") for person in range(count)]
        question = Question.of(messages)
        answer = key.evaluate(question.elements)
        steps: dict[str, Callable[[], object]] = {
            "blinded by the provider": partial(Question.of, messages),
            "evaluated and proven by the insurer": partial(key.evaluate, question.elements),
            "checked and unblinded by the provider": partial(question.outputs, answer, key.public),
        }
        for step, work in steps.items():
            each_s = 1 / rate_of_a_core(work, 1, at_least_s=1)
            yield Row(f"a question of {count:,}, {step}", "µs of a core", each_s * 1e6)


def _of_updates(home: Path) -> Iterator[Row]:
    key, path = EpochKey.derive(_SEED, _EPOCH), home / "update"
    entries = (empty_entry(None, os.urandom) for _ in range(_ROLL))
    some: list[bytes] = []
    began = time.perf_counter()
    with OwnMemory() as writing:
        written = write_update(
            path, _EPOCH, 0, _noting(entries, some), NO_DIGEST, key.public, datetime.now(UTC), os.urandom
        )
    yield from _rows("an update written", began, writing)
    roll = PublishedRoll.open(home / "kept", key.public)
    began = time.perf_counter()
    with OwnMemory() as taking, path.open("rb") as source:
        roll.take(source, written.digest)
    yield from _rows("an update taken in", began, taking)
    random.Random(6).shuffle(some)
    unknown = [os.urandom(16) for _ in some]
    for what, tags in (("in the roll", some), ("in no roll", unknown)):
        rate = rate_of_a_core(partial(_look_up, roll, tags), len(tags), at_least_s=1)
        yield Row(f"look-ups of tags {what}", "1/s of a core", rate)


def _look_up(roll: PublishedRoll, tags: Sequence[bytes]) -> None:
    for tag in tags:
        roll.find(tag)


def _noting(entries: Iterator[bytes], tags: list[bytes]) -> Iterator[bytes]:
    """The entries, the tags of the first of them noted."""
    for entry in entries:
        if len(tags) < _LOOK_UPS:
            tags.append(entry[:16])
        yield entry


def _rows(what: str, began: float, memory: OwnMemory) -> Iterator[Row]:
    elapsed_s = time.perf_counter() - began
    what = f"{what}, {_ROLL:,} entries"
    yield Row(what, "entries/s", _ROLL / elapsed_s)
    yield Row(f"{what}: memory of its own at most", "MiB", memory.most / _MIB)
