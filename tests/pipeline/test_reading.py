"""Processes read what long batches bring; one that is ended loses nothing, and none outlives its engine."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from multiprocessing import active_children

import pytest

from api.client import wait_until
from engine.pipeline.reading import Readers
from engine.sandbox.population import generate
from engine.settlement import load_register

REGISTER = load_register()
SENT = [json.dumps(one.body).encode() for one in generate(60).settlements()]
RAWS = (SENT * 8)[:350]
ALIVE = """
import json, sys, time
from multiprocessing import active_children
from engine.pipeline.reading import Readers
from engine.settlement import load_register
if __name__ == "__main__":
    list(Readers(1).read([b"{}"] * 250, load_register()))
    print(active_children()[0].pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def readers() -> Iterator[Readers]:
    some = Readers(1)
    yield some
    some.close()


def test_a_process_reads_what_would_be_read_here(readers: Readers) -> None:
    read = list(readers.read(RAWS, REGISTER))
    assert active_children(), "no process was started"
    assert [len(chunk) for chunk, _ in read] == [100, 100, 100, 50]
    assert list(chain.from_iterable(chunk for chunk, _ in read)) == RAWS
    submissions = [one for _, chunk in read for one in chunk]
    assert None in submissions, "nothing was refused"
    assert submissions == [one for _, chunk in Readers(0).read(RAWS, REGISTER) for one in chunk]


def test_what_an_ended_process_had_before_it_is_read_all_the_same(readers: Readers) -> None:
    expected = list(Readers(0).read(RAWS, REGISTER))
    reading = readers.read(RAWS, REGISTER)
    read = [next(reading)]
    (first,) = active_children()
    os.kill(first.pid or 0, signal.SIGKILL)
    read += reading
    assert read == expected
    for _ in range(2):  # the first may be what notices
        assert list(readers.read(RAWS, REGISTER)) == expected
    (second,) = active_children()
    assert second.pid != first.pid


def test_a_killed_engine_leaves_no_process_behind() -> None:
    engine = subprocess.Popen([sys.executable, "-c", ALIVE], stdout=subprocess.PIPE)
    assert engine.stdout is not None
    reader = int(engine.stdout.readline())
    assert _runs(reader)
    engine.kill()
    engine.wait()
    wait_until(lambda: not _runs(reader), timeout_s=20)
    engine.stdout.close()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
