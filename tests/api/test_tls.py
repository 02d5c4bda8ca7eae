"""What a provider's client takes for its engine, on real sockets; and certificates to try it with."""

import hashlib
import json
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import create_server

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from api import certificates
from api.cli.main import app
from api.tls import Identity, client_context, pin_of, server_context

ENGINE, OTHER, NODE = "127.0.0.1", "elsewhere.example", "node"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    certificates.make(folder, [[ENGINE], [OTHER], [NODE]], NOW)
    return folder


@contextmanager
def listening(context: ssl.SSLContext) -> Iterator[tuple[str, list[bytes]]]:
    """One connection's server: its URL, and what reached its application."""
    read: list[bytes] = []

    def answer() -> None:
        plain, _ = listener.accept()
        plain.settimeout(10)
        try:
            with context.wrap_socket(plain, server_side=True) as connection:
                read.append(connection.recv(65_536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        except OSError:
            plain.close()

    with create_server((ENGINE, 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=answer)
        thread.start()
        yield f"https://{ENGINE}:{listener.getsockname()[1]}", read
        thread.join()


def get(url: str, folder: Path) -> httpx.Response:
    """As a provider's client, which has registered the engine's key."""
    pin = certificates.describe(folder / f"{ENGINE}.crt").pin
    context = client_context(certificates.identity(folder, NODE), lambda shown: shown == pin)
    with httpx.Client(verify=context, trust_env=False, timeout=10) as client:
        return client.get(url, headers={"Authorization": "Bearer secret"})


def _anyone(_pin: str) -> bool:
    return True


def test_the_engine_that_was_registered_is_asked(folder: Path) -> None:
    with listening(server_context(certificates.identity(folder, ENGINE), _anyone)) as (url, read):
        assert get(url, folder).text == "ok"
    assert b"secret" in read[0]


def _another_key_certified_for_the_same_name(folder: Path, aside: Path) -> ssl.SSLContext:
    """What the CA, or whoever has its key, could put in the engine's place."""
    return server_context(_certified_again(folder, aside, with_key=False), _anyone)


def _expired(folder: Path, aside: Path) -> ssl.SSLContext:
    long_ago = NOW - certificates.LEAF_LASTS - timedelta(days=1)
    return server_context(_certified_again(folder, aside, with_key=True, at=long_ago), _anyone)


def _another_ca(folder: Path, aside: Path) -> ssl.SSLContext:
    """The engine's own key, certified by somebody else."""
    shutil.copy(folder / f"{ENGINE}.key", aside)
    certificates.make(aside, [[ENGINE]], NOW)
    shown = certificates.identity(aside, ENGINE)
    return server_context(Identity(shown.certificate, shown.key, folder / "ca.crt"), _anyone)


def _another_name(folder: Path, aside: Path) -> ssl.SSLContext:
    """The engine's own key, certified for another host."""
    for name in ("ca.key", "ca.crt"):
        shutil.copy(folder / name, aside)
    shutil.copy(folder / f"{ENGINE}.key", aside / f"{OTHER}.key")
    certificates.make(aside, [[OTHER]], NOW)
    return server_context(certificates.identity(aside, OTHER), _anyone)


def _tls_1_2(folder: Path, _aside: Path) -> ssl.SSLContext:
    context = server_context(certificates.identity(folder, ENGINE), _anyone)
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
    return context


def _certified_again(folder: Path, aside: Path, *, with_key: bool, at: datetime = NOW) -> Identity:
    for name in ("ca.key", "ca.crt", *([f"{ENGINE}.key"] if with_key else [])):
        shutil.copy(folder / name, aside)
    certificates.make(aside, [[ENGINE]], at)
    return certificates.identity(aside, ENGINE)


@pytest.mark.parametrize(
    "server", [_another_key_certified_for_the_same_name, _expired, _another_ca, _another_name, _tls_1_2]
)
def test_a_server_that_is_not_the_engine_is_told_nothing(
    folder: Path, tmp_path: Path, server: Callable[[Path, Path], ssl.SSLContext]
) -> None:
    with listening(server(folder, tmp_path)) as (url, read), pytest.raises(httpx.ConnectError):
        get(url, folder)
    assert b"".join(read) == b""


def test_files_that_hold_no_certificate_key_or_ca_are_named(folder: Path, tmp_path: Path) -> None:
    whole, empty = certificates.identity(folder, ENGINE), tmp_path / "empty"
    empty.touch()
    for name, files in {
        "certificate": whole._replace(certificate=empty),
        "key": whole._replace(key=certificates.identity(folder, NODE).key),
        "missing": whole._replace(key=tmp_path / "nothing-here"),
        "ca": whole._replace(ca=empty),
    }.items():
        with pytest.raises(ValueError, match="PEM") as refused:
            server_context(files, _anyone)
        assert str(files.ca if name == "ca" else files.key) in str(refused.value)


def test_a_pin_is_the_digest_of_the_key_as_the_certificate_carries_it(folder: Path) -> None:
    der = x509.load_pem_x509_certificate((folder / f"{ENGINE}.crt").read_bytes()).public_bytes(Encoding.DER)
    prefix = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")  # RFC 5480: P-256
    at = der.index(prefix)
    assert pin_of(der) == hashlib.sha256(der[at : at + 91]).hexdigest()


def test_making_again_changes_nothing_and_an_expired_or_renamed_certificate_keeps_its_pin(
    tmp_path: Path,
) -> None:
    def made(names: list[str], at: datetime = NOW) -> certificates.Made:
        return certificates.make(tmp_path, [names], at)[1]

    first = made([ENGINE])
    assert first.is_new
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    again = made([ENGINE])
    assert (again.described, again.is_new) == (first.described, False)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files
    later = made([ENGINE], NOW + certificates.LEAF_LASTS)
    renamed = made([ENGINE, OTHER])
    assert later.is_new
    assert renamed.is_new
    assert renamed.described.names == (ENGINE, OTHER)
    assert {one.described.pin for one in (later, renamed)} == {first.described.pin}


def test_keys_are_their_owners_alone(folder: Path) -> None:
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.glob("*.key")} == dict.fromkeys(
        ["ca.key", f"{ENGINE}.key", f"{OTHER}.key", f"{NODE}.key"], 0o600
    )


@pytest.mark.parametrize("name", ["../outside", "ca", "", "Has Blanks", "two..dots"])
def test_what_is_no_name_makes_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        certificates.make(tmp_path / "new", [[ENGINE], [name]], NOW)
    assert not (tmp_path / "new").exists()


def test_the_command_says_what_it_made_and_shows_the_pin_to_register(tmp_path: Path) -> None:
    run = CliRunner().invoke
    made = run(app, ["tls", "make", "--home", str(tmp_path), "--name", f"{OTHER},{ENGINE}", "--json"])
    assert made.exit_code == 0, made.output
    [certificate] = json.loads(made.stdout)["certificates"]
    shown = run(app, ["tls", "show", certificate["file"], "--json"])
    assert json.loads(shown.stdout)["pin"] == certificate["pin"]
    assert certificate["names"] == [OTHER, ENGINE]
    told = run(app, ["tls", "show", certificate["file"]]).stdout
    assert certificate["pin"] in told
    assert certificate["expires"][:10] in told
    broken = run(app, ["tls", "show", certificate["key"]])
    assert (broken.exit_code, "no certificate" in broken.stderr) == (2, True)
