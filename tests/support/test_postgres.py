"""The PostgreSQL that other tests rely on keeps what it promises them."""

import os
from pathlib import Path

import psycopg
import pytest

from tests.support import postgres
from tests.support.postgres import Cluster, PostgresMissing, running_cluster


def test_each_test_gets_an_empty_database_of_its_own(postgres_cluster: Cluster) -> None:
    first, second = postgres_cluster.create_database(), postgres_cluster.create_database()
    with psycopg.connect(first) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    with psycopg.connect(second) as connection:
        row = connection.execute("SELECT to_regclass('kept')").fetchone()
    assert row == (None,)


def test_it_is_durable_and_listens_on_loopback_only(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        answers = [
            connection.execute(f"SHOW {name}").fetchone()
            for name in ("fsync", "synchronous_commit", "listen_addresses")
        ]
    assert answers == [("on",), ("on",), ("127.0.0.1",)]


def test_it_does_not_run_as_root(postgres_cluster: Cluster) -> None:
    assert Path(f"/proc/{postgres_cluster.pid}").stat().st_uid != 0


def test_a_wrong_password_is_refused(postgres_cluster: Cluster) -> None:
    url = postgres_cluster.url().replace(postgres_cluster.password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


def test_it_is_gone_with_its_folder_when_the_block_ends() -> None:
    with running_cluster() as cluster:
        (folder,) = (
            Path(part).parent
            for part in Path(f"/proc/{cluster.pid}/cmdline").read_text().split("\0")
            if part.endswith("/data")
        )
        assert folder.exists()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(cluster.pid, 0)


def test_a_machine_without_it_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(postgres, "Path", lambda path: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PostgresMissing, match="apt-get install postgresql"):
        postgres.find_programs()
