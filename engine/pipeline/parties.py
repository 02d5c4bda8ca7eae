"""Who takes part: hospitals with their signing keys, and API keys."""

from sqlmodel import Session

from engine.errors import NotFound, Refused
from engine.pipeline.context import Context
from engine.settlement.hospitals import Hospital
from engine.store import api_keys, tables
from engine.store.api_keys import Role

_ED25519_BYTES = 32


def register_hospital(
    ctx: Context,
    hospital: Hospital,
    key_id: str | None,
    public_key: bytes | None,
    tls_pin: str | None = None,
) -> None:
    """Add a hospital or replace its entry. `public_key`: 32 raw bytes, Ed25519; `tls_pin`: SHA-256 of the key
    (SPKI) of its provider node's certificate, 64 hexadecimal digits. Raises Refused."""
    if public_key is not None and len(public_key) != _ED25519_BYTES:
        raise Refused(
            "hospital.invalid",
            "the hospital cannot be registered",
            [{"field": "/public_key", "rule": "hospital.public_key", "message": "32 bytes, Ed25519"}],
        )

    def keep(session: Session) -> None:
        session.merge(
            tables.Hospital(
                code=hospital.code,
                name=hospital.name,
                grade=hospital.grade,
                area=hospital.area,
                kind=hospital.kind,
                wards=list(hospital.wards),
                key_id=key_id,
                public_key=public_key,
                tls_pin=tls_pin,
            )
        )

    ctx.writer.run(keep)
    ctx.forget_register()


def issue_key(ctx: Context, role: Role, principal: str) -> tuple[str, str]:
    """(key_id, token). The token is shown here and nowhere again."""
    return ctx.writer.run(lambda session: api_keys.issue(session, role, principal, ctx.clock(), ctx.rng))


def revoke_key(ctx: Context, key_id: str) -> None:
    """From now on the key opens nothing. Raises NotFound."""
    if not ctx.writer.run(lambda session: api_keys.revoke(session, key_id, ctx.clock())):
        raise NotFound(f"there is no key {key_id}", code="key.unknown")
