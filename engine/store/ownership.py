"""One engine a database: two would take one person's claims out of order.

On SQLite a lock on a file beside the database, on Postgres an advisory lock of one held connection. Both
end with the process, however it ends.
"""

import fcntl
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from engine.errors import Unavailable
from engine.store.database import Database

_LOCK = 0x6175_746F
_PATIENCE_S = 10.0
"""A server needs a moment to notice that the engine before this one was killed."""
_PAUSE_S = 0.2


class Ownership:
    """Held from the start until `release`."""

    def __init__(self, release: Callable[[], None]) -> None:
        self.release = release

    @classmethod
    def take(cls, database: Database, sleep: Callable[[float], None] = time.sleep) -> "Ownership":
        """Become the one engine of this database. Raises Unavailable when another one is."""
        attempt = _lock_file if database.engine.dialect.name == "sqlite" else _lock_server
        for _ in range(int(_PATIENCE_S / _PAUSE_S)):
            release = attempt(database)
            if release is not None:
                return cls(release)
            sleep(_PAUSE_S)
        raise Unavailable(
            "another engine works on this database; one at a time keeps each person's claims in order",
            code="engine.already_running",
        )


def _lock_file(database: Database) -> Callable[[], None] | None:
    path = Path(f"{database.engine.url.database}.lock")
    file = path.open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file.close


def _lock_server(database: Database) -> Callable[[], None] | None:
    connection = database.engine.connect()
    taken = connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}).scalar_one()
    connection.commit()  # the lock is the session's, not the transaction's
    if not taken:
        connection.close()
        return None

    def release() -> None:
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
        connection.commit()
        connection.close()

    return release
