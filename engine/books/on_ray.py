"""Parts of a book spread over a Ray cluster, whose machines see the same folders. Needs the extra `ray`."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import ray

J = TypeVar("J")
R = TypeVar("R")


def on_ray(
    work: Callable[[J, str], R], job: J, parts: Sequence[str], address: str
) -> Iterator[tuple[str, R]]:
    """work(job, part) for every part, as they come. address: of the cluster; "local" starts one here."""
    ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        remote = ray.remote(work)
        waiting = {remote.remote(job, part): part for part in parts}
        while waiting:
            done, _ = ray.wait(list(waiting), num_returns=1)
            yield waiting.pop(done[0]), ray.get(done[0])
    finally:
        ray.shutdown()
