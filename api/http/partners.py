"""The partner port: mutual TLS, and of all routes those that a provider node asks.

Which party calls is said three times, by the certificate, by the API key and by the signature, and has to be
the same: a handshake ends unless some hospital has registered the certificate's key, and a request is
answered only to the hospital that has. A hospital without a registered key is refused.
"""

import asyncio
import ssl
from functools import lru_cache
from typing import Annotated, Any

import structlog
import uvicorn
from fastapi import Depends, FastAPI, Request
from sqlalchemy.exc import OperationalError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from api.certificates import describe
from api.http import health, match_tasks, matching, problems, withheld
from api.http.auth import EVERY_ROLE, HospitalCaller
from api.http.deps import Ctx
from api.http.edge import Edge
from api.tls import Identity, pin_of, server_context
from engine.errors import NotAllowed
from engine.pipeline.context import Context
from engine.store.api_keys import Caller, Role

HANDSHAKE_S = 10
KEEP_ALIVE_S = 60
"""Longer than a client keeps an idle connection, so that it is the client who closes it: no request is lost
on a connection that was just being closed, and few discharges wait for a handshake."""
_TLS_1_3 = 0x0304
_log = structlog.get_logger("autoclaim.http")


class TlsProtocol(HttpToolsProtocol):
    """uvicorn's own, and the ASGI TLS extension (version 0.2), which uvicorn does not have yet: the client's
    certificate in `scope["extensions"]["tls"]["client_cert_chain"]`, PEM."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        shown = self.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        extension: dict[str, Any] = {
            "server_cert": None,
            "client_cert_chain": (ssl.DER_cert_to_PEM_cert(shown),),
            "client_cert_name": None,
            "client_cert_error": None,
            "tls_version": _TLS_1_3,
            "cipher_suite": None,
        }
        self.scope["extensions"] = {"tls": extension}  # type: ignore[dict-item]


async def _of_the_certificate(ctx: Ctx, request: Request, caller: HospitalCaller) -> None:
    """Raises NotAllowed `partner.certificate`."""
    shown = request.scope["extensions"]["tls"]["client_cert_chain"][0]
    if ctx.tls_pin(caller.principal) != _pin_of_pem(shown):
        raise NotAllowed(
            "the certificate shown is not the one registered for the API key's hospital",
            code="partner.certificate",
        )


async def _elsewhere(caller: Annotated[Caller, EVERY_ROLE]) -> None:
    """Raises NotAllowed `partner.port`."""
    if caller.role == Role.HOSPITAL:
        raise NotAllowed("a provider node asks this at the partner port", code="partner.port")


HOSPITALS_ELSEWHERE = Depends(_elsewhere)
"""On the engine's own port, for the routes of the partner port while there is one."""


@lru_cache(maxsize=1024)
def _pin_of_pem(certificate: str) -> str:
    return pin_of(ssl.PEM_cert_to_DER_cert(certificate))


class PartnerPort:
    """A further listener of the engine's server, for provider nodes: private matching, and `/healthz`, on
    what the engine's own face has open. They are described in the engine's own OpenAPI document.

    Raises ValueError for files that hold no certificate, key or CA.
    """

    def __init__(self, app: FastAPI, identity: Identity, host: str, port: int) -> None:
        ctx: Context = app.state.ctx
        self.app = FastAPI(openapi_url=None, redirect_slashes=False)
        self.app.state = app.state
        problems.install(self.app)
        for room in (matching, match_tasks, withheld):
            self.app.include_router(room.router, dependencies=[Depends(_of_the_certificate)])
        self.app.add_api_route("/healthz", health.healthz)
        self.app.add_middleware(Edge, ctx=ctx, metrics=app.state.metrics)
        self._host, self._port = host, port
        self._context = server_context(identity, lambda pin: _is_registered(ctx, pin))
        self.pin = describe(identity.certificate).pin
        """Of the engine's key: what providers register."""

    @classmethod
    def of(cls, app: FastAPI) -> "PartnerPort | None":
        """As the settings say. Raises ValueError naming what is missing or holds nothing."""
        settings = app.state.ctx.settings
        if settings.partner_port is None:
            return None
        files = {name: getattr(settings, f"partner_{name}") for name in ("tls_cert", "tls_key", "tls_ca")}
        missing = [f"--{name.replace('_', '-')}" for name, file in files.items() if file is None]
        if missing:
            raise ValueError(
                f"--partner-port: {', '.join(missing)} must be given too; see `autoclaim tls make`"
            )
        identity = Identity(files["tls_cert"], files["tls_key"], files["tls_ca"])
        return cls(app, identity, settings.partner_host, settings.partner_port)

    @property
    def url(self) -> str:
        return f"https://{self._host}:{self._port}"

    async def listen(self, state: ServerState) -> asyncio.Server:
        """Beside the listeners of a running uvicorn server, which closes it with them. Raises OSError."""
        config = uvicorn.Config(
            self.app,
            http=TlsProtocol,
            ws="none",
            timeout_keep_alive=KEEP_ALIVE_S,
            log_config=None,
            access_log=False,
        )
        config.load()
        return await asyncio.get_running_loop().create_server(
            lambda: TlsProtocol(config, state, app_state={}),
            host=self._host,
            port=self._port,
            ssl=self._context,
            ssl_handshake_timeout=HANDSHAKE_S,
            backlog=config.backlog,
        )

    def renew(self) -> None:
        """Go over to the certificate that the files hold now, for the same CA; if they hold none, stay."""
        try:
            self._context.renew()
        except ValueError as error:
            _log.warning("certificate.not_renewed", why=str(error))
            return
        self.pin = describe(self._context.identity.certificate).pin
        _log.info("certificate.renewed", tls_pin=self.pin)


def _is_registered(ctx: Context, pin: str) -> bool:
    try:
        known = ctx.is_tls_pin(pin)
    except OperationalError:
        _log.warning("part unavailable", part="database", exc_info=True)
        return False
    if not known:  # for the operator: a node that nobody has registered yet, or somebody who tries
        _log.warning("partner.unknown_key", tls_pin=pin)
    return known
