"""Fixtures for every room. A room's own fixtures stand in its own conftest."""

import sys
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from tests.support.network import stay_on_this_machine
from tests.support.postgres import Cluster, running_cluster

# A slow machine is not a failure, so no deadline; and what fails here fails everywhere.
settings.register_profile("autoclaim", deadline=None, derandomize=True, database=None)
settings.load_profile("autoclaim")

stay_on_this_machine()

# As `serve` logs: structlog's default draws every local of a traceback, for seconds. And to where the process
# itself began to write: what a test has put into `sys.stdout` is closed when it ends, under the threads of
# servers that go on.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ],
    logger_factory=structlog.PrintLoggerFactory(sys.__stdout__),
)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """One real PostgreSQL for the whole run. Fails, and says what to install, where there is none."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of this test's own on the shared cluster: postgresql://… (see `sqlalchemy_url`)."""
    url = postgres_cluster.create_database(request.node.name)
    yield url
    postgres_cluster.drop_database(url)
