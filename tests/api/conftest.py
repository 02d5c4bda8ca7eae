"""One engine for the room; tests keep apart by settlement numbers of their own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.world import World, opened, serving


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("engine")) as (ctx, clock):
        world = World(ctx, clock)
        with serving(world.app) as world.url:
            yield world


@pytest.fixture
def home(world: World, tmp_path: Path) -> Path:
    """What `serve` writes for commands beside it."""
    key = tmp_path / "operator.key"
    key.write_text(world.tokens["operator"])
    told = {"url": world.url, "bank_url": "", "operator_key_file": str(key), "pid": 0}
    (tmp_path / "serving.json").write_text(json.dumps(told))
    return tmp_path
