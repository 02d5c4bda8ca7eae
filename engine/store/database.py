"""One engine for SQLite and Postgres; sessions; schema at its newest version."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event
from sqlmodel import Session

MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_TIMEOUT_MS = 30_000
_READ_ONLY = "autoclaim_read_only"


class Database:
    """Opens `url` (sqlite:///file or postgresql+psycopg://…) and migrates it, by a folder of migrations."""

    def __init__(self, url: str, migrations: Path = MIGRATIONS) -> None:
        self.url = _with_driver(url)
        self._migrations = migrations
        is_sqlite = self.url.startswith("sqlite")
        self.engine = _sqlite(self.url) if is_sqlite else create_engine(self.url, pool_size=16)
        # SQLite has one writer, and who waits for its lock sleeps up to 100 ms between two looks: threads of
        # one process wait for each other here, where the next is woken at once.
        self._writing: AbstractContextManager[Any] = threading.RLock() if is_sqlite else nullcontext()

    def migrate(self, version: str = "head") -> None:
        """Bring the schema to the newest version, or up to a named one; safe to call at every start."""
        config = Config()
        config.set_main_option("script_location", str(self._migrations))
        with self.engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, version)
            connection.commit()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back on any exception."""
        with self._writing, Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent view, never waiting for a writer. What is changed in it is not kept."""
        with Session(self.engine.execution_options(**{_READ_ONLY: True}), expire_on_commit=False) as session:
            yield session

    def close(self) -> None:
        self.engine.dispose()


def _with_driver(url: str) -> str:
    """A plain postgresql:// means psycopg 3, the driver that is installed."""
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
    return url


def _sqlite(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin on its own: see _begin
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # accepted means kept, through a power cut too
            "foreign_keys=ON",
            f"busy_timeout={_BUSY_TIMEOUT_MS}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # A writer takes the lock at the start: a transaction that reads, then writes, cannot then
        # fail on a snapshot that another writer has overtaken.
        reading = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine
