"""`autoclaim verify`: exit codes, what goes where, and a live endpoint over HTTP."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from api.cli.verify import verify
from engine.chain.rpc import ReadOnlyRpc
from engine.evidence.anchors import TRUST_VARIABLE, TrustStore
from engine.evidence.bundle import parse_bundle
from engine.evidence.mpt import decode_header
from tests.evidence.world import World, settlement

app = typer.Typer()
app.command()(verify)
runner = CliRunner()


@pytest.fixture
def trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrustStore:
    path = tmp_path / "trusted-blocks.json"
    monkeypatch.setenv(TRUST_VARIABLE, str(path))
    return TrustStore(path)


@pytest.fixture
def file(tmp_path: Path, raw: bytes) -> Path:
    path = tmp_path / "bundle.json"
    path.write_bytes(raw)
    return path


def anchor_of(raw: bytes) -> tuple[int, bytes]:
    header = decode_header(parse_bundle(raw)[0].chain.headers[-1])
    return header.number, header.hash


@pytest.fixture
def endpoint(world: World) -> Iterator[str]:
    """The embedded chain's read-only face on a loopback port."""
    face = ReadOnlyRpc(world.client)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer = face.handle(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_block_on_this_machines_list_verifies(
    trust: TrustStore, world: World, file: Path, raw: bytes
) -> None:
    number, block_hash = anchor_of(raw)
    at = datetime(2024, 11, 20, tzinfo=UTC)
    trust.add(world.client.chain_id, {number: block_hash}, source="demo", at=at)
    trust.add_deployment(world.client.chain_id, world.deployment.addresses, source="demo", at=at)
    result = runner.invoke(app, [str(file)])
    assert result.exit_code == 0, result.output
    assert "VERIFIED" in result.stdout
    assert "33600.00 yuan" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_trusted_hash_verifies_and_another_refutes(trust: TrustStore, file: Path, raw: bytes) -> None:
    _, block_hash = anchor_of(raw)
    assert runner.invoke(app, [str(file), "--block-hash", "0x" + block_hash.hex()]).exit_code == 0
    result = runner.invoke(app, [str(file), "--block-hash", "11" * 32, "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["failed"] == ["anchor"]
    assert runner.invoke(app, [str(file), "--block-hash", "0x12"]).exit_code == 2


def test_without_an_anchor_it_could_not_be_settled(trust: TrustStore, file: Path) -> None:
    result = runner.invoke(app, [str(file)])
    assert result.exit_code == 2
    assert "NOT SETTLED" in result.stdout
    assert "--rpc" in result.stdout


def test_a_changed_byte_is_an_answer_even_without_an_anchor(
    trust: TrustStore, file: Path, raw: bytes
) -> None:
    file.write_bytes(raw.replace(b'"amount_fen":3360000', b'"amount_fen":3360001'))
    result = runner.invoke(app, [str(file), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["failed"] == ["amount", "payment", "seal"]


def test_a_live_endpoint_verifies_and_tells_what_happened_since(
    trust: TrustStore, world: World, endpoint: str, tmp_path: Path
) -> None:
    paid = world.pay(settlement(setl_id="S-CLI"))
    file = tmp_path / "claim.json"
    file.write_bytes(world.bundle(paid))
    result = runner.invoke(app, [str(file), "--rpc", endpoint, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["standing"] == "paid"
    world.client.results.reverse(paid.on_chain.claim_key, 1, b"\x01" * 32)
    later = runner.invoke(app, [str(file), "--rpc", endpoint])
    assert later.exit_code == 0
    assert "reversed by now" in later.stdout


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "not a url", "http://127.0.0.1:9/?x=["])
def test_an_endpoint_that_does_not_answer_settles_nothing(trust: TrustStore, file: Path, url: str) -> None:
    result = runner.invoke(app, [str(file), "--rpc", url, "--json"])
    assert result.exit_code == 2
    assert json.loads(result.stdout)["outcome"] == "unanchored"


def test_the_published_deployment_pins_the_contracts(
    trust: TrustStore, world: World, file: Path, raw: bytes, tmp_path: Path
) -> None:
    manifest = tmp_path / "deployment.json"
    world.deployment.write(manifest)
    arguments = [str(file), "--block-hash", anchor_of(raw)[1].hex(), "--deployment", str(manifest), "--json"]
    assert runner.invoke(app, arguments).exit_code == 0
    other = {**json.loads(manifest.read_text())}
    other["addresses"]["TaskScheduler"] = "0x" + "33" * 20
    manifest.write_text(json.dumps(other))
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["failed"] == ["contracts"]
    manifest.write_text("{}")
    assert runner.invoke(app, arguments).exit_code == 2


def test_what_cannot_be_read_is_no_answer(trust: TrustStore, tmp_path: Path, file: Path) -> None:
    result = runner.invoke(app, [str(tmp_path / "absent.json")])
    assert result.exit_code == 2
    assert "absent.json" in result.stderr
    assert result.stdout == ""
    trust.path.write_text("not json")
    assert runner.invoke(app, [str(file)]).exit_code == 2


def test_a_bundle_is_read_from_standard_input(trust: TrustStore, raw: bytes) -> None:
    result = runner.invoke(app, ["-", "--block-hash", anchor_of(raw)[1].hex()], input=raw)
    assert result.exit_code == 0, result.output
