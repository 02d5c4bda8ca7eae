"""API keys: `ak_<key_id>_<secret>`, shown once; only the secret's digest is kept.

The secret is 32 random bytes, so a plain sha256 cannot be searched back; nothing slower is needed.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session

from engine.store.tables import ApiKey

_TOKEN = re.compile(r"ak_([0-9a-f]{16})_([0-9a-f]{64})")


class Role(StrEnum):
    """Who a key speaks for. `principal` says which one: for a hospital, its national code."""

    HOSPITAL = "hospital"
    INSURER = "insurer"
    AUDITOR = "auditor"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated key."""

    key_id: str
    role: Role
    principal: str


def issue(
    session: Session, role: Role, principal: str, now: datetime, rng: Callable[[int], bytes]
) -> tuple[str, str]:
    """(key_id, token): the token is what the caller sends, and exists nowhere else after this."""
    key_id, secret = rng(8).hex(), rng(32).hex()
    session.add(
        ApiKey(
            key_id=key_id, key_digest=_digest(secret), role=role.value, principal=principal, created_at=now
        )
    )
    return key_id, f"ak_{key_id}_{secret}"


def revoke(session: Session, key_id: str, now: datetime) -> bool:
    """From now on the key opens nothing. False if there is no such key; again is no change."""
    key = session.get(ApiKey, key_id)
    if key is None:
        return False
    key.revoked_at = key.revoked_at or now
    return True


def authenticate(session: Session, token: str) -> Caller | None:
    """Who presents this token; None for one that is malformed, unknown, wrong or revoked."""
    parsed = _TOKEN.fullmatch(token)
    if parsed is None:
        return None
    key_id, secret = parsed.groups()
    key = session.get(ApiKey, key_id)
    # Compared also when there is no such key, so that the answer's time does not tell which ids exist.
    same = hmac.compare_digest(key.key_digest if key else "", _digest(secret))
    if key is None or not same or key.revoked_at is not None:
        return None
    return Caller(key.key_id, Role(key.role), key.principal)


def _digest(secret: str) -> str:
    return hashlib.sha256(bytes.fromhex(secret)).hexdigest()
