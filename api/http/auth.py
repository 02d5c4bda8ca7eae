"""Who calls: API keys as `Authorization: Bearer ak_…`, and what a role may reach.

A key that was found good is believed for a few seconds without asking the database again; a revocation
through this process takes effect at once, through another within that time.
"""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from engine.errors import NotAllowed, Unauthenticated
from engine.pipeline.context import Context
from engine.store import api_keys
from engine.store.api_keys import Caller, Role

BELIEVED_FOR = timedelta(seconds=5)
_MOST_BELIEVED = 10_000
_bearer = HTTPBearer(
    scheme_name="ApiKey", bearerFormat="ak_<key_id>_<secret>", description="An API key.", auto_error=False
)


class KeyRing:
    """Tokens found good lately."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._believed: dict[bytes, tuple[Caller, datetime]] = {}
        self._lock = Lock()

    def believed(self, token: str) -> Caller | None:
        """Who was found to present this token a moment ago; no database is asked."""
        with self._lock:
            known = self._believed.get(hashlib.sha256(token.encode()).digest())
        return known[0] if known is not None and self._ctx.clock() < known[1] else None

    def caller(self, token: str) -> Caller | None:
        """Who presents this token, or None."""
        digest, now = hashlib.sha256(token.encode()).digest(), self._ctx.clock()
        with self._ctx.database.reading() as session:
            caller = api_keys.authenticate(session, token)
        with self._lock:
            if caller is None:
                self._believed.pop(digest, None)
            else:
                if len(self._believed) >= _MOST_BELIEVED:
                    self._believed.clear()
                self._believed[digest] = (caller, now + BELIEVED_FOR)
        return caller

    def forget(self, key_id: str) -> None:
        """Ask the database again for this key."""
        with self._lock:
            kept = {d: known for d, known in self._believed.items() if known[0].key_id != key_id}
            self._believed = kept


def allow(*roles: Role) -> Callable[..., Awaitable[Caller]]:
    """A dependency: the caller, who must hold one of `roles`.

    Raises Unauthenticated `auth.missing`, `auth.invalid`; NotAllowed `auth.role`.
    """

    async def check(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    ) -> Caller:
        if credentials is None:
            raise Unauthenticated("send an API key: Authorization: Bearer ak_…", code="auth.missing")
        ring: KeyRing = request.app.state.key_ring
        token = credentials.credentials
        caller = ring.believed(token) or await run_in_threadpool(ring.caller, token)
        if caller is None:
            raise Unauthenticated("the API key is unknown or revoked", code="auth.invalid")
        request.state.caller = caller  # before the role is judged: the log names who was refused
        if caller.role not in roles:
            allowed = ", ".join(sorted(roles))
            raise NotAllowed(f"this is for the role {allowed}; the key's is {caller.role}", code="auth.role")
        return caller

    return check


HOSPITAL_ONLY = Depends(allow(Role.HOSPITAL))
INSURER_ONLY = Depends(allow(Role.INSURER))
HospitalCaller = Annotated[Caller, HOSPITAL_ONLY]
InsurerCaller = Annotated[Caller, INSURER_ONLY]
OPERATOR_ONLY = Depends(allow(Role.OPERATOR))
OperatorCaller = Annotated[Caller, OPERATOR_ONLY]
EVIDENCE_READERS = Depends(allow(Role.AUDITOR, Role.INSURER))
LogReader = Annotated[Caller, Depends(allow(Role.AUDITOR, Role.OPERATOR, Role.HOSPITAL))]
EVERY_ROLE = Depends(allow(*Role))
WITNESSES = Depends(allow(Role.AUDITOR, Role.HOSPITAL))
OVERSEERS = Depends(allow(Role.AUDITOR, Role.INSURER, Role.OPERATOR))
OVERSEERS_OF_EVIDENCE = Depends(allow(Role.AUDITOR, Role.OPERATOR))
SourceReader = Annotated[Caller, Depends(allow(Role.HOSPITAL, Role.OPERATOR))]
