"""Where benches keep what they measure on, and the processes that they measure."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from api.cli.demo.stage import Stage
from tests.support.process import REPOSITORY


@contextmanager
def folder(name: str) -> Iterator[Path]:
    """Empty, on the repository's disk: a temporary folder may be memory, where a commit is free."""
    build = REPOSITORY / "build"
    build.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix=f"{name}-", dir=build) as path:
        yield Path(path)


@contextmanager
def staged(name: str, **settings: str) -> Iterator[Stage]:
    """An engine and a sandbox bank, each a process of its own, as the demo starts them; the engine with
    settings (AUTOCLAIM_…) of the bench's choice."""
    with folder(name) as home, patch.dict(os.environ, settings), Stage(home / "run", 1) as stage:
        yield stage
