"""Consent: what the insured signs, the signature relayed to the chain, and its withdrawal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlmodel import Session

from engine.chain import eip712
from engine.chain.batching import in_parts
from engine.chain.contracts import Liveness
from engine.chain.errors import ContractRefused
from engine.chain.sender import TxRef
from engine.errors import Conflict, NotFound, Refused
from engine.evidence.canonical import digest
from engine.evidence.documents import Scope, SignedGrant
from engine.evidence.manifest import consent_digest, hex32, scope_of, subject_of
from engine.evidence.salts import AuthorizationSalts
from engine.pipeline.context import Context
from engine.pipeline.sealed import authorization_salts, coverage, seal_authorization_salts
from engine.settlement import normalise_certificate
from engine.store import policies, tables

PURPOSE = "settle and pay claims without an application (主动理赔)"
PENDING, GRANTED, REVOKED = "pending", "granted", "revoked"
_VALID_FOR = timedelta(days=10 * 365)
"""Claims of a policy year are settled, topped up and audited for years; withdrawal ends it at any time."""
_TO_SIGN_WITHIN_DAYS = 30
_DAY_S = 86_400
_TEXT = Path(__file__).resolve().parents[2] / "seeds" / "consents" / "claims.zh.txt"


@dataclass(frozen=True, slots=True)
class Holders:
    """Whose consent it is on chain: addresses, zero for none. The guardian signs where there is one."""

    insured: str
    guardian: str

    @classmethod
    def of(cls, insured: str | None, guardian: str | None) -> "Holders":
        """Raises Refused for an address that is none, and where there is nobody who could sign."""
        held = cls(_address(insured, "insured"), _address(guardian, "guardian"))
        if held.insured == held.guardian:
            raise Refused(
                "authorization.holder",
                "the insured or a guardian, and not one as both, has to give an address",
                [{"field": "/insured", "rule": "holder", "message": "an address, other than the guardian's"}],
            )
        return held

    @property
    def signer(self) -> str:
        return eip712.who_signs(self.insured, self.guardian)


def _address(text: str | None, field: str) -> str:
    if text is None:
        return eip712.NOBODY
    raw = text.removeprefix("0x").lower()
    if len(raw) != 40 or any(digit not in "0123456789abcdef" for digit in raw):
        raise Refused(
            "authorization.address",
            f"the {field}'s address is not one",
            [{"field": f"/{field}", "rule": "address", "message": "0x and 40 hexadecimal digits"}],
        )
    return "0x" + raw


def scope(ctx: Context, product: str) -> Scope:
    return Scope(PURPOSE, ctx.settings.recipient, product)


def scope_id(ctx: Context, product: str) -> str:
    """The scope as it stands on chain: 0x and 64 digits."""
    return hex32(scope_of(PURPOSE, ctx.settings.recipient, product))


def consent_text(ctx: Context, product: str) -> str:
    return _TEXT.read_text(encoding="utf-8").format(product=product, recipient=ctx.settings.recipient)


def admit_scope(ctx: Context, product: str) -> None:
    """The registry takes grants under the product's scope from now on; again is no change."""
    if ctx.chain.registry.scope_number_of(scope_id(ctx, product)) == 0:
        ctx.chain.registry.admit_scope(scope_id(ctx, product))


def prepare_authorization(
    ctx: Context, policy_no: str, insured_address: str | None, guardian_address: str | None = None
) -> dict[str, Any]:
    """What the insured of a policy, or the guardian of a minor, is to read and sign.

    The same again while it is unsigned or live. Without a guardian the insured signs; a minor may have no
    address. Raises NotFound for an unknown policy, Refused for an address that is none.
    """
    holders = Holders.of(insured_address, guardian_address)
    nonce = ctx.chain.registry.nonces(holders.signer)
    now_s = int(ctx.clock().timestamp())

    def keep(session: Session) -> tables.Authorization:
        policy = policies.policy_by_no(session, policy_no)
        if policy is None:
            raise NotFound(f"there is no policy {policy_no}", code="policy.unknown")
        if not policy.salts_sealed:
            raise Conflict(f"the person of policy {policy_no} was erased", code="policy.erased")
        wanted = scope_id(ctx, policy.product)
        held = policies.authorization_for(session, policy.pseudonym, wanted, (GRANTED, PENDING))
        if held is not None and held.state == GRANTED and held.expires_s > now_s:
            return held
        if held is not None and _same_to_sign(held, holders, nonce) and held.deadline_s > now_s:
            return held
        row = _new_authorization(ctx, policy, wanted, holders, nonce, now_s)
        text = consent_text(ctx, policy.product)
        session.merge(tables.ConsentText(digest=row.text_digest, text=text))
        session.flush()
        session.add(row)
        return row

    row = ctx.writer.run(keep)
    with ctx.database.reading() as session:
        return _to_sign(ctx, session, row)


def _same_to_sign(held: tables.Authorization, holders: Holders, nonce: int) -> bool:
    return (held.insured, held.guardian, held.nonce) == (holders.insured, holders.guardian, nonce)


def _new_authorization(
    ctx: Context, policy: tables.Policy, wanted: str, holders: Holders, nonce: int, now_s: int
) -> tables.Authorization:
    salts = AuthorizationSalts.generate(ctx.rng)
    text = consent_text(ctx, policy.product)
    person = coverage(ctx.vault, policy)["person"]
    certificate = normalise_certificate(person["cert_type"], person["cert_no"])
    grant = eip712.Grant(
        subject=subject_of(*certificate, salts.subject),
        scope=_raw(wanted),
        consent_digest=consent_digest(text, salts),
        insured=holders.insured,
        guardian=holders.guardian,
        expires=now_s + int(_VALID_FOR.total_seconds()),
    )
    authorization_id = hex32(grant.id)
    return tables.Authorization(
        authorization_id=authorization_id,
        pseudonym=policy.pseudonym,
        subject=hex32(grant.subject),
        scope=wanted,
        product=policy.product,
        consent_digest=hex32(grant.consent_digest),
        text_digest=hex32(digest(text)),
        insured=grant.insured,
        guardian=grant.guardian,
        expires_s=grant.expires,
        nonce=nonce,
        # One deadline for everyone prepared on a day: a batch of grants shares one.
        deadline_s=(now_s // _DAY_S + _TO_SIGN_WITHIN_DAYS) * _DAY_S,
        signature="",
        salts_sealed=seal_authorization_salts(ctx.vault, authorization_id, salts),
        state=PENDING,
        received_at=ctx.clock(),
    )


def _to_sign(ctx: Context, session: Session, row: tables.Authorization) -> dict[str, Any]:
    text = session.get_one(tables.ConsentText, row.text_digest).text
    typed = eip712.grant_typed_data(
        grant_fields(row),
        chain_id=ctx.chain.deployment.chain_id,
        registry=ctx.chain.deployment.addresses["AuthorizationRegistry"],
        nonce=row.nonce,
        deadline=row.deadline_s,
    )
    return {
        "authorization_id": row.authorization_id,
        "state": row.state,
        "consent_text": text,
        "typed_data": eip712.as_json(typed),
    }


def grant_fields(row: tables.Authorization) -> eip712.Grant:
    """The registry's Grant struct of a stored authorization."""
    return eip712.Grant(
        subject=_raw(row.subject),
        scope=_raw(row.scope),
        consent_digest=_raw(row.consent_digest),
        insured=row.insured,
        guardian=row.guardian,
        expires=row.expires_s,
    )


def signed_grant(row: tables.Authorization) -> SignedGrant:
    """The same in its evidence form, with what was signed along."""
    return SignedGrant(
        authorization_id=row.authorization_id,
        subject=row.subject,
        scope=row.scope,
        consent_digest=row.consent_digest,
        insured=row.insured,
        guardian=row.guardian,
        expires_s=row.expires_s,
        nonce=row.nonce,
        deadline_s=row.deadline_s,
        signature=row.signature,
    )


def grant_authorizations(ctx: Context, signed: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Relay signed grants, (authorization_id, signature) each, in one transaction a deadline.

    Already granted ones answer the same. Raises NotFound, Conflict, and Refused naming the item that
    the registry would not take.
    """
    with ctx.database.reading() as session:
        rows = [_known(session, authorization_id) for authorization_id, _ in signed]
    for row, (_, signature) in zip(rows, signed, strict=True):
        if row.state == REVOKED:
            raise Conflict(f"authorization {row.authorization_id} was revoked", code="authorization.revoked")
        if row.state == PENDING:
            row.signature = signature
    waiting = [row for row in rows if row.state == PENDING]
    for deadline in sorted({row.deadline_s for row in waiting}):
        _relay(ctx, [row for row in waiting if row.deadline_s == deadline], deadline)
    return [_view(row) for row in rows]


def _relay(ctx: Context, rows: list[tables.Authorization], deadline: int) -> None:
    registry = ctx.chain.registry
    # A crash between the chain and our commit leaves grants that stand; they are not sent again.
    missing = [row for row in rows if _on_chain(ctx, row) is Liveness.UNKNOWN]
    _keep_granted(ctx, [row for row in rows if row not in missing], None)
    refused = None
    # One part after another: each grant of one person counts on the one before it being there.
    for part in in_parts(
        missing,
        lambda some: registry.grant_batch(
            [grant_fields(row) for row in some], deadline, [_raw(row.signature) for row in some]
        ),
        at_once=1,
    ):
        if isinstance(part.outcome, TxRef):
            _keep_granted(ctx, missing[part.start : part.stop], part.outcome.tx_hash)
        else:
            refused = refused or part.outcome
    if refused is not None:
        raise Refused(
            "authorization.refused",
            "the registry does not take this grant; ask for it to be prepared again and sign that",
            [{"field": "/signature", "rule": refused.error_name, "message": str(refused)}],
        ) from refused


def _keep_granted(ctx: Context, rows: list[tables.Authorization], tx_hash: str | None) -> None:
    def keep(session: Session) -> None:
        for row in rows:
            row.state = GRANTED
            row.grant_tx = tx_hash or row.grant_tx
            session.merge(row)
        # What was touched while there was no consent has waited for one.
        touched = policies.with_claims_of(session, {row.pseudonym for row in rows})
        policies.ask_to_reopen(session, touched, ctx.clock())

    ctx.writer.run(keep)


def _on_chain(ctx: Context, row: tables.Authorization) -> Liveness:
    at_s = ctx.chain.chain_time()
    return ctx.chain.registry.liveness(row.authorization_id, row.scope, row.subject, at_s)


def revocation_to_sign(ctx: Context, authorization_id: str, signer: str | None = None) -> dict[str, Any]:
    """The typed data by which consent is withdrawn, by the insured or the guardian.

    signer: an address of one of the two; whoever gave the consent where it is left out. Raises NotFound.
    """
    with ctx.database.reading() as session:
        row = _known(session, authorization_id)
    nonce = ctx.chain.registry.nonces(_signer(row, signer))
    deadline = int(ctx.clock().timestamp()) + _DAY_S
    typed = eip712.revoke_typed_data(
        _raw(authorization_id),
        chain_id=ctx.chain.deployment.chain_id,
        registry=ctx.chain.deployment.addresses["AuthorizationRegistry"],
        nonce=nonce,
        deadline=deadline,
    )
    return {"authorization_id": authorization_id, "deadline": deadline, "typed_data": eip712.as_json(typed)}


def revoke_authorization(
    ctx: Context, authorization_id: str, deadline: int, signature: str, signer: str | None = None
) -> dict[str, Any]:
    """Relay a signed withdrawal. Terminal; again is no change. Raises NotFound, Refused."""

    def send(row: tables.Authorization) -> TxRef:
        by = _signer(row, signer)
        return ctx.chain.registry.revoke(grant_fields(row), by, deadline, _raw(signature))

    return _revoke(ctx, authorization_id, send)


def revoke_for(ctx: Context, authorization_id: str) -> dict[str, Any]:
    """Withdraw for the insured (on paper, by a court), by the revoker role. Raises NotFound, Refused."""
    return _revoke(ctx, authorization_id, lambda row: ctx.chain.registry.revoke_for(row.authorization_id))


def _revoke(
    ctx: Context, authorization_id: str, send: Callable[[tables.Authorization], TxRef]
) -> dict[str, Any]:
    with ctx.database.reading() as session:
        row = _known(session, authorization_id)
    if row.state == REVOKED:
        return _view(row)
    try:
        tx_hash: str | None = send(row).tx_hash
    except ContractRefused as error:
        if _on_chain(ctx, row) is not Liveness.REVOKED:
            raise Refused(
                "authorization.revocation_refused",
                "the registry does not take this revocation",
                [{"field": "/signature", "rule": error.error_name, "message": str(error)}],
            ) from error
        tx_hash = None

    def keep(session: Session) -> tables.Authorization:
        stored = _known(session, authorization_id)
        stored.state, stored.revoke_tx, stored.revoked_at = REVOKED, tx_hash, ctx.clock()
        session.add(stored)
        return stored

    return _view(ctx.writer.run(keep))


def get_authorization(ctx: Context, authorization_id: str) -> dict[str, Any]:
    """Raises NotFound."""
    with ctx.database.reading() as session:
        return _view(_known(session, authorization_id))


def salts_of(ctx: Context, row: tables.Authorization) -> AuthorizationSalts:
    return authorization_salts(ctx.vault, row)


def _known(session: Session, authorization_id: str) -> tables.Authorization:
    row = session.get(tables.Authorization, authorization_id)
    if row is None:
        raise NotFound(f"there is no authorization {authorization_id}", code="authorization.unknown")
    return row


def _view(row: tables.Authorization) -> dict[str, Any]:
    return {
        "authorization_id": row.authorization_id,
        "state": row.state,
        "product": row.product,
        "scope": row.scope,
        "expires_s": row.expires_s,
        "grant_tx": row.grant_tx,
        "revoke_tx": row.revoke_tx,
    }


def _signer(row: tables.Authorization, given: str | None) -> str:
    return grant_fields(row).signer if given is None else given


def _raw(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise Refused(
            "authorization.malformed",
            "a value is not hexadecimal",
            [{"field": "/signature", "rule": "hexadecimal", "message": "0x and hexadecimal digits"}],
        ) from error
