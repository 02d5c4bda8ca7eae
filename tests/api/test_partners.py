"""The partner port: whom it lets in, and as whom. A real engine, real uvicorn, real sockets on loopback."""

import hashlib
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn
from sqlmodel import Session
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from api import certificates
from api.cli.serve import Server
from api.http.app import create_app
from api.http.partners import PartnerPort
from api.tls import Identity, client_context
from engine.matching.voprf import PROTOCOL, SUITE, Question
from engine.pipeline import parties
from engine.settlement.hospitals import Hospital
from engine.store import tables
from tests.api.world import OURS, THEIRS, World, serving
from tests.support.process import free_port

ENGINE, NODE, STRANGER = "127.0.0.1", "node", "stranger"
REFUSED = (httpx.NetworkError, httpx.RemoteProtocolError)
"""How it looks from outside: an alert, or the connection closed or reset."""
ROUTE = "/v1/match/epochs"


@dataclass
class Partners:
    """The port, the certificates about it, and which requests the application behind it has seen."""

    port: PartnerPort
    folder: Path
    seen: list[str]

    def identity(self, name: str) -> Identity:
        return certificates.identity(self.folder, name)

    def pin(self, name: str) -> str:
        return certificates.describe(self.identity(name).certificate).pin

    def context(self, name: str = NODE) -> ssl.SSLContext:
        return client_context(self.identity(name), lambda pin: pin == self.port.pin)

    def get(self, path: str, context: ssl.SSLContext, token: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with httpx.Client(base_url=self.port.url, verify=context, headers=headers, trust_env=False) as client:
            return client.get(path)


def register(world: World, code: str, tls_pin: str | None) -> None:
    hospital = Hospital(code, f"Hospital {code}", 3, "310000", "ordinary", ("ordinary",))
    public_key = world.keys[code].public_key().public_bytes_raw()
    parties.register_hospital(world.ctx, hospital, f"{code}-1", public_key, tls_pin)


@contextmanager
def running(world: World, port: PartnerPort) -> Iterator[None]:
    """As `serve` runs it: beside the engine's own listener, of one server."""
    ready = threading.Event()
    config = uvicorn.Config(world.app, port=free_port(), log_level="critical")
    server = Server(config, ready.set, port)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(20), "uvicorn did not start"
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def partners(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Partners]:
    folder = tmp_path_factory.mktemp("tls")
    certificates.make(folder, [[ENGINE], [NODE], [STRANGER]], datetime.now(UTC))
    port = PartnerPort(world.app, certificates.identity(folder, ENGINE), ENGINE, free_port())
    partners = Partners(port, folder, [])
    answering = port.app

    async def recording(scope: Scope, receive: Receive, send: Send) -> None:
        partners.seen.append(scope["path"])
        await answering(scope, receive, send)

    port.app = recording  # type: ignore[assignment]
    with running(world, port):
        yield partners


@pytest.fixture
def ours(world: World, partners: Partners) -> Iterator[Partners]:
    """With the node's certificate registered for OURS, and nothing for THEIRS."""
    register(world, OURS, partners.pin(NODE))
    register(world, THEIRS, None)
    yield partners
    register(world, OURS, None)


def test_the_registered_certificate_with_its_hospitals_key_is_answered(ours: Partners, world: World) -> None:
    answer = ours.get(ROUTE, ours.context(), world.tokens[OURS])
    assert answer.status_code == 200, answer.text
    assert ours.seen[-1] == ROUTE


def test_a_signed_question_is_answered_at_the_partner_port(ours: Partners, world: World) -> None:
    headers = {"Authorization": f"Bearer {world.tokens[OURS]}"}
    with httpx.Client(base_url=ours.port.url, verify=ours.context(), headers=headers) as client:

        def ask(signed_by: str) -> httpx.Response:
            return client.post("/v1/match/evaluations", json=question, auth=world.signer(signed_by))

        question = {"protocol": PROTOCOL, "suite": SUITE, "epoch": 7777, "discharge": "00" * 32}
        question["elements"] = [element.hex() for element in Question.of([b"anyone"]).elements]
        assert ask(OURS).json()["code"] == "match.epoch_unknown", "understood, and there is no such epoch"
        assert ask(THEIRS).json()["code"] == "signature.wrong_hospital"


def test_while_there_is_a_partner_port_hospitals_are_refused_its_routes_on_the_ordinary_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.ctx.settings, "partner_port", 8443)
    with serving(create_app(world.ctx)) as url, httpx.Client(base_url=url, trust_env=False) as client:

        def code(method: str, path: str, who: str) -> str | None:
            headers = {"Authorization": f"Bearer {world.tokens[who]}"}
            code: str | None = client.request(method, path, headers=headers).json().get("code")
            return code

        for method, path in (
            ("GET", "epochs"),
            ("GET", "epochs/1/updates/0"),
            ("POST", "evaluations"),
            ("POST", "releases"),
        ):
            assert code(method, f"/v1/match/{path}", OURS) == "partner.port"
        assert code("GET", ROUTE, "operator") is None, "an operator publishes and looks on there"
        assert code("GET", "/v1/settlements", OURS) is None, "and hospitals send settlements as before"


def _without_a_certificate(partners: Partners, _folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=partners.identity(NODE).ca)


def _of_another_ca(partners: Partners, folder: Path) -> ssl.SSLContext:
    """The registered key itself, certified by somebody else."""
    shutil.copy(partners.folder / f"{NODE}.key", folder)
    certificates.make(folder, [[NODE]], datetime.now(UTC))
    shown = certificates.identity(folder, NODE)
    return _trusting(partners, Identity(shown.certificate, shown.key, partners.identity(NODE).ca))


def _of_a_key_that_nobody_registered(partners: Partners, _folder: Path) -> ssl.SSLContext:
    return _trusting(partners, partners.identity(STRANGER))


def _expired(partners: Partners, folder: Path) -> ssl.SSLContext:
    """The registered key itself, certified by the CA itself, some time ago."""
    for name in ("ca.key", "ca.crt", f"{NODE}.key"):
        shutil.copy(partners.folder / name, folder / name)
    certificates.make(folder, [[NODE]], datetime.now(UTC) - certificates.LEAF_LASTS - timedelta(days=1))
    assert certificates.describe(folder / f"{NODE}.crt").pin == partners.pin(NODE)
    return _trusting(partners, certificates.identity(folder, NODE))


def _by_tls_1_2(partners: Partners, _folder: Path) -> ssl.SSLContext:
    context = _trusting(partners, partners.identity(NODE))
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
    return context


def _trusting(partners: Partners, shown: Identity) -> ssl.SSLContext:
    return client_context(shown, lambda pin: pin == partners.port.pin)


@pytest.mark.parametrize(
    "context_of",
    [
        _without_a_certificate,
        _of_another_ca,
        _of_a_key_that_nobody_registered,
        _expired,
        _by_tls_1_2,
    ],
)
def test_who_shows_no_registered_certificate_is_refused_before_a_byte_of_a_request_is_read(
    ours: Partners, world: World, tmp_path: Path, context_of: Callable[[Partners, Path], ssl.SSLContext]
) -> None:
    context, seen = context_of(ours, tmp_path), len(ours.seen)
    for path in (ROUTE, "/healthz"):
        with pytest.raises(REFUSED):
            ours.get(path, context, world.tokens[OURS])
    assert len(ours.seen) == seen
    assert ours.get("/healthz", ours.context()).status_code == 200, "and only they"


def test_a_key_that_nobody_registered_is_told_to_the_operator(ours: Partners, world: World) -> None:
    with capture_logs() as logged, pytest.raises(REFUSED):
        ours.get(ROUTE, ours.context(STRANGER), world.tokens[OURS])
    assert {"event": "partner.unknown_key", "log_level": "warning", "tls_pin": ours.pin(STRANGER)} in logged


def test_a_certificate_answers_for_the_hospital_that_registered_it_and_for_no_other(
    ours: Partners, world: World
) -> None:
    """An API key that was stolen is of no use without its own hospital's certificate."""
    refused = ours.get(ROUTE, ours.context(), world.tokens[THEIRS])
    assert (refused.status_code, refused.json()["code"]) == (403, "partner.certificate")
    register(world, THEIRS, ours.pin(STRANGER))
    assert ours.get(ROUTE, ours.context(), world.tokens[THEIRS]).status_code == 403
    assert ours.get(ROUTE, ours.context(STRANGER), world.tokens[OURS]).status_code == 403
    assert ours.get(ROUTE, ours.context(STRANGER), world.tokens[THEIRS]).status_code == 200


def test_a_certificate_no_longer_registered_is_refused_on_an_open_connection_too(
    ours: Partners, world: World
) -> None:
    headers = {"Authorization": f"Bearer {world.tokens[OURS]}"}
    with httpx.Client(base_url=ours.port.url, verify=ours.context(), headers=headers) as client:
        assert client.get(ROUTE).status_code == 200
        register(world, OURS, None)
        assert client.get(ROUTE).json()["code"] == "partner.certificate"
    with pytest.raises(REFUSED):
        ours.get(ROUTE, ours.context(), world.tokens[OURS])


def test_a_certificate_that_another_engine_registered_is_let_in_at_once(ours: Partners, world: World) -> None:
    def keep(session: Session) -> None:
        session.get_one(tables.Hospital, THEIRS).tls_pin = ours.pin(STRANGER)

    with pytest.raises(REFUSED):
        ours.get(ROUTE, ours.context(STRANGER), world.tokens[THEIRS])
    world.ctx.writer.run(keep)
    assert ours.get(ROUTE, ours.context(STRANGER), world.tokens[THEIRS]).status_code == 200


def test_the_partner_port_offers_its_own_routes_and_a_probe_and_nothing_else(
    ours: Partners, world: World
) -> None:
    context, token = ours.context(), world.tokens[OURS]
    for path in (
        "/docs",
        "/openapi.json",
        "/metrics",
        "/readyz",
        "/chain/rpc",
        "/v1/totals",
        "/v1/deliveries",
    ):
        assert ours.get(path, context, token).json()["code"] == "route.not_found", path


def test_an_operator_is_nobody_at_the_partner_port(ours: Partners, world: World) -> None:
    with httpx.Client(base_url=ours.port.url, verify=ours.context(), trust_env=False) as client:
        for who in (OURS, "operator"):
            headers = {"Authorization": f"Bearer {world.tokens[who]}"}
            assert client.post("/v1/match/updates", headers=headers).json()["code"] == "auth.role"


def test_no_session_is_resumed_so_a_certificate_is_looked_at_every_time(ours: Partners) -> None:
    context, session = ours.context(), None
    for _ in range(2):
        plain = socket.create_connection((ENGINE, httpx.URL(ours.port.url).port), timeout=10)
        with context.wrap_socket(plain, server_hostname=ENGINE, session=session) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")
            assert connection.recv(1024).startswith(b"HTTP/1.1 200")
            session = connection.session
            assert not connection.session_reused


def test_a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not(ours: Partners) -> None:
    def shown() -> str:
        return _shown(ours, ours.context())

    file, before = ours.identity(ENGINE).certificate, shown()
    file.unlink()
    certificates.make(ours.folder, [[ENGINE]], datetime.now(UTC))
    assert shown() == before
    ours.port.renew()
    renewed = shown()
    assert renewed == certificates.describe(file).fingerprint != before
    good = file.read_bytes()
    for broken in (b"", ours.identity(NODE).certificate.read_bytes()):
        file.write_bytes(broken)
        ours.port.renew()
        assert shown() == renewed
    file.write_bytes(good)


def _shown(partners: Partners, context: ssl.SSLContext) -> str:
    """The fingerprint of the certificate that the engine shows."""
    plain = socket.create_connection((ENGINE, httpx.URL(partners.port.url).port), timeout=10)
    with context.wrap_socket(plain, server_hostname=ENGINE) as connection:
        return hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()


def test_a_port_without_all_of_its_files_names_the_options(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PartnerPort.of(world.app) is None
    monkeypatch.setattr(world.ctx.settings, "partner_port", 1)
    monkeypatch.setattr(world.ctx.settings, "partner_tls_cert", Path("there.crt"))
    with pytest.raises(ValueError, match="--tls-key, --tls-ca must be given too"):
        PartnerPort.of(world.app)
