"""Parts of a book spread over processes: each part's work stands alone, so any order will do."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

J = TypeVar("J")
R = TypeVar("R")


def in_processes(
    work: Callable[[J, str], R], job: J, parts: Sequence[str], workers: int
) -> Iterator[tuple[str, R]]:
    """work(job, part) for every part, as they come.

    The first is done in this very process: what is compiled at its first use is so once, and not by every
    worker. With one worker all are.
    """
    here = parts if workers == 1 else parts[:1]
    yield from ((part, work(job, part)) for part in here)
    if len(here) == len(parts):
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(work, job, part): part for part in parts[1:]}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        finally:
            pool.shutdown(cancel_futures=True)
