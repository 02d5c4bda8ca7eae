"""The command: finds the three by itself, says in its exit code what it found."""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.cli.main import app
from engine.chain.embedded import EmbeddedChain
from tests.fsck.breaking import break_database
from tests.fsck.world import chain_file, read_only
from tests.payout.bank_process import BankProcess
from tests.support.process import free_port

OTHER_AMOUNT = "UPDATE payout SET amount_fen = amount_fen + 1 WHERE payout_id = 'po_other'"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "DATABASE_URL", "CHAIN_RPC_URL", "BANK_URL", "BANK_KEY_FILE"):
        monkeypatch.delenv(f"AUTOCLAIM_{name}", raising=False)


def fsck(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["fsck", *map(str, arguments)], catch_exceptions=False)


def serving(home: Path, **document: object) -> None:
    (home / "serving.json").write_text(json.dumps({"pid": os.getpid(), **document}))


@contextmanager
def engine(chain: EmbeddedChain) -> Iterator[str]:
    """What a running engine offers of its chain."""
    rpc = read_only(chain)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"{}")

        def do_POST(self) -> None:
            assert self.path == "/chain/rpc"
            self._answer(rpc.handle(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_clean_home_exits_0_and_says_so_in_json(home: Path, bank_process: BankProcess) -> None:
    done = fsck("--home", home, "--bank-url", bank_process.url, "--settled", "--json")
    assert done.exit_code == 0
    printed = json.loads(done.stdout)
    assert (printed["clean"], printed["differences"], printed["in_flight"]) == (True, [], 0)
    assert printed["counts"]["claims"]["confirmed"] == 5


def test_a_difference_exits_1_and_is_named(home: Path, bank_process: BankProcess) -> None:
    break_database(home, OTHER_AMOUNT)
    done = fsck("--home", home, "--bank-url", bank_process.url, "--json")
    assert done.exit_code == 1
    differences = json.loads(done.stdout)["differences"]
    assert {"code": "bank.amount", "subject": "po_other"} in [
        {"code": d["code"], "subject": d["subject"]} for d in differences
    ]
    table = fsck("--home", home, "--bank-url", bank_process.url)
    assert table.exit_code == 1
    assert "bank.amount  po_other" in table.stdout
    assert "DIFFERENCES" in table.stdout


def test_everything_comes_from_the_environment_too(
    home: Path, bank_process: BankProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOCLAIM_HOME", str(home))
    monkeypatch.setenv("AUTOCLAIM_BANK_URL", bank_process.url)
    key = (home / "bank.secret").rename(tmp_path / "elsewhere.secret")
    monkeypatch.setenv("AUTOCLAIM_BANK_KEY_FILE", str(key))
    database = (home / "engine.db").rename(tmp_path / "elsewhere.db")
    monkeypatch.setenv("AUTOCLAIM_DATABASE_URL", f"sqlite:///{database}")
    (home / "chain.db").rename(tmp_path / "chain.db")
    with chain_file(tmp_path) as chain, engine(chain) as url:
        monkeypatch.setenv("AUTOCLAIM_CHAIN_RPC_URL", f"{url}/chain/rpc")
        done = fsck()
    assert done.exit_code == 0, done.output


def test_beside_a_running_engine_its_own_chain_endpoint_is_read(
    home: Path, bank_process: BankProcess
) -> None:
    with chain_file(home) as chain, engine(chain) as url:
        serving(home, url=url, bank_url=bank_process.url)
        done = fsck("--home", home)
    assert done.exit_code == 0, done.output


def test_a_chain_in_use_without_an_endpoint_exits_2_and_says_what_to_pass(
    home: Path, bank_process: BankProcess
) -> None:
    with chain_file(home):
        done = fsck("--home", home, "--bank-url", bank_process.url, "--json")
    assert done.exit_code == 2
    assert "pass the chain's endpoint as --rpc URL" in done.stderr
    assert json.loads(done.stdout)["clean"] is None


def test_a_bank_that_is_down_exits_2(home: Path) -> None:
    serving(home, url="http://127.0.0.1:1", bank_url=f"http://127.0.0.1:{free_port()}")
    done = fsck("--home", home)
    assert done.exit_code == 2
    assert "pass --bank-url URL" in done.stderr


def test_the_sandbox_bank_of_a_home_is_started_for_the_time_of_the_check(home: Path) -> None:
    sandbox = {"db": str(home / "bank.sqlite"), "secret_file": str(home / "bank.secret")}
    serving(home, bank_url=f"http://127.0.0.1:{free_port()}", sandbox_bank=sandbox)
    done = fsck("--home", home, "--settled")
    assert done.exit_code == 0, done.output
    again = BankProcess(home)  # it has gone: nobody holds its database
    assert again.end() == 0


def test_a_sandbox_bank_whose_books_have_gone_exits_2_and_is_not_opened_anew(home: Path) -> None:
    (home / "bank.sqlite").unlink()
    sandbox = {"db": str(home / "bank.sqlite"), "secret_file": str(home / "bank.secret")}
    serving(home, bank_url=f"http://127.0.0.1:{free_port()}", sandbox_bank=sandbox)
    done = fsck("--home", home)
    assert done.exit_code == 2
    assert not (home / "bank.sqlite").exists()


def test_a_folder_that_is_no_home_exits_2(tmp_path: Path) -> None:
    done = fsck("--home", tmp_path)
    assert done.exit_code == 2
    assert "deployment.json" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_a_home_the_one_that_was_served_last_is_checked(
    home: Path, bank_process: BankProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = tmp_path / ".autoclaim" / "engine", tmp_path / ".autoclaim" / "demo" / "engine"
    older.mkdir(parents=True)
    newer.parent.mkdir()
    home.rename(newer)
    for place, at in ((older, 1_000), (newer, 2_000)):
        serving(place, bank_url=bank_process.url)
        os.utime(place / "serving.json", (at, at))
    monkeypatch.chdir(tmp_path)
    done = fsck()
    assert done.exit_code == 0, done.output
    assert "reading .autoclaim/demo/engine" in done.stderr


def test_a_database_that_is_being_written_to_can_be_read(home: Path, bank_process: BankProcess) -> None:
    writer = sqlite3.connect(home / "engine.db", isolation_level=None)
    try:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute(OTHER_AMOUNT)
        done = fsck("--home", home, "--bank-url", bank_process.url)
    finally:
        writer.close()
    assert done.exit_code == 0, done.output
