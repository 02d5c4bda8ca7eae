"""One engine for the room; tests keep apart by settlement numbers of their own."""

from collections.abc import Iterator

import pytest
import structlog

from tests.api.world import World, opened, serving

# As `serve` logs, not as structlog does by default: that draws every local of a traceback, for seconds.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("engine")) as (ctx, clock):
        world = World(ctx, clock)
        with serving(world.app) as world.url:
            yield world
