"""A real PostgreSQL for the tests: own cluster, own folder, loopback only, never root.

`python -m tests.support.postgres` says where its programs are, or what to install (exit 1).
"""

import os
import pwd
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tests.support.process import free_port, stop

_USER = "autoclaim"
_START_TIMEOUT_S = 30.0


class PostgresMissing(RuntimeError):
    """The programs are not on this machine. Tests fail with this; they do not skip."""

    def __init__(self) -> None:
        super().__init__(
            "the tests need PostgreSQL's server programs (initdb, postgres), which are not on this machine.\n"
            "On Debian or Ubuntu: sudo apt-get install postgresql    (no running cluster is needed)\n"
            "Elsewhere: put the folder that holds initdb on PATH."
        )


class PostgresFailed(RuntimeError):
    """The cluster could not be made or did not come up; carries what PostgreSQL said."""


def find_programs() -> Path:
    """The folder with `initdb` and `postgres`; the newest where there are several.

    Debian keeps them off PATH, under /usr/lib/postgresql/<version>/bin. Raises PostgresMissing.
    """
    versions = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    candidates = sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    for candidate in candidates:
        if (candidate / "initdb").exists() and (candidate / "postgres").exists():
            return candidate
    raise PostgresMissing


@dataclass(frozen=True)
class Cluster:
    """One running cluster. URLs are libpq's `postgresql://`; SQLAlchemy's form is `sqlalchemy_url`."""

    port: int
    password: str
    pid: int

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{_USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, prefix: str = "test") -> str:
        """The URL of a new, empty database of its own. `prefix` only helps a reader of the log."""
        stem = re.sub(r"[^a-z0-9_]", "_", prefix.lower())[:40]
        name = f"{stem}_{secrets.token_hex(6)}"
        self._administer(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database that `create_database` made, whoever is still connected to it."""
        name = url.rsplit("/", 1)[1]
        self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _administer(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)


def sqlalchemy_url(url: str) -> str:
    """postgresql://… -> postgresql+psycopg://…, which names the driver that is locked."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A fresh cluster, gone with its folder when the block ends, and when this process dies.

    fsync stays on: what the tests promise about durability has to be true of this database too.
    """
    programs = find_programs()
    account = _unprivileged_account()
    folder = Path(tempfile.mkdtemp(prefix="autoclaim-postgres-"))
    try:
        password = secrets.token_urlsafe(18)
        password_file = folder / "password"
        password_file.write_text(password)
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
            os.chown(password_file, account.pw_uid, account.pw_gid)
        port = free_port()
        _create_cluster(programs, folder, account)
        server = _start(programs, folder, port, account)
        try:
            cluster = Cluster(port, password, server.pid)
            _wait_until_it_answers(cluster, server, folder)
            yield cluster
        finally:
            _stop_fast(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Whom to run PostgreSQL as: nobody else unless this is root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresFailed("running as root, and there is neither a postgres nor a nobody account")


def _as(account: pwd.struct_passwd | None) -> list[str]:
    """The command prefix that drops root and ties the child's life to this process's."""
    prefix = ["setpriv", "--pdeathsig", "INT"]
    if account:
        prefix += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    return prefix


def _create_cluster(programs: Path, folder: Path, account: pwd.struct_passwd | None) -> None:
    command = [
        *_as(account),
        str(programs / "initdb"),
        *("--pgdata", str(folder / "data"), "--username", _USER, "--pwfile", str(folder / "password")),
        *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PostgresFailed(f"initdb failed ({done.returncode}):\n{done.stdout}{done.stderr}")


def _start(
    programs: Path, folder: Path, port: int, account: pwd.struct_passwd | None
) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(folder),
        "max_connections": "200",
        "fsync": "on",
        "synchronous_commit": "on",
        "timezone": "UTC",
    }
    command = [*_as(account), str(programs / "postgres"), "-D", str(folder / "data")]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _wait_until_it_answers(cluster: Cluster, server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            psycopg.connect(cluster.url(), connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if server.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            said = (folder / "log").read_text(errors="replace")
            raise PostgresFailed(f"PostgreSQL did not come up ({error}). It said:\n{said}") from error
        return


def _stop_fast(server: subprocess.Popen[bytes]) -> None:
    """SIGINT is PostgreSQL's fast shutdown: roll back what is open, and go."""
    stop(server, gently="INT")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{find_programs()}\n")
    except PostgresMissing as missing:
        sys.exit(str(missing))
