"""Erase a person: what was said of them, what was decided on it, and the salts that tie it to the chain.

What stays: the amounts and ids of claims and payouts (books of account), and the commitments on chain, which
without their salts say nothing. A person of whom something is under way, owed or in force is not erased: each
refusal says what to do first. Nothing of who was asked for is logged or kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import structlog
from sqlmodel import Session

from engine.errors import Conflict, NotFound, Refused, Unavailable
from engine.pipeline.consent import GRANTED, PENDING
from engine.pipeline.context import Context
from engine.pipeline.states import ClaimState
from engine.pipeline.values import stored
from engine.settlement import CertificateInvalid, normalise_certificate, parse_body
from engine.settlement.errors import BodyRefused
from engine.store import erasure, matching, provider_decisions, tables
from engine.store.deliveries import DeliveredBody

ERASED = "erased"
"""In place of a pseudonym, which is 64 hexadecimal digits."""
NO_ADDRESS = "0x" + "0" * 40
_AT_REST = (
    ClaimState.UNINSURED,
    ClaimState.NO_CONSENT,
    ClaimState.NOTHING,
    ClaimState.REFUSED,
    ClaimState.CONFIRMED,
    ClaimState.COVERED,
    ClaimState.REVERSED,
)
_AT_ONCE = 200
Certificate = tuple[str, str]
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Erased:
    """How much there was. `deliveries`: whose bytes are gone, other people's records in them included."""

    policies: int
    authorizations: int
    settlements: int
    claims: int
    quarantined: int
    deliveries: int


def erase_person(ctx: Context, cert_type: str, cert_no: str) -> Erased:
    """Erase whoever has this certificate; returns after the database has let go of it.

    Raises Refused for what is no certificate, NotFound where nothing is kept of it, Conflict naming what has
    to end first, Unavailable where the file is in use. What has been erased is not found again.
    """
    try:
        certificate = normalise_certificate(cert_type, cert_no)
    except CertificateInvalid as error:
        violation = {"field": "/cert_no", "rule": "person.certificate", "message": str(error)}
        raise Refused("person.invalid", "this is no certificate", [violation]) from error
    try:
        with ctx.database.transaction() as session:
            erased = _Person(ctx, session, certificate).erase()
    except NotFound:
        _let_go(ctx)  # it may have been erased by a call that came no further
        raise
    _let_go(ctx)
    log.info("person.erased", claims=erased.claims, deliveries=erased.deliveries)
    return erased


def _let_go(ctx: Context) -> None:
    if not erasure.let_go(ctx.database):
        raise Unavailable(
            "what was kept is overwritten, but others were reading the database's file, so that it still "
            "holds freed pages of it: ask again",
            code="person.file_in_use",
        )


class _Person:
    """Everything that is kept of one person, in one transaction."""

    def __init__(self, ctx: Context, session: Session, certificate: Certificate) -> None:
        self._ctx, self._session = ctx, session
        asked = {ctx.pseudonymiser.of(*certificate)}
        self.policies = erasure.policies_of(session, asked)
        self.policies = erasure.policies_of(session, asked | {one.pseudonym for one in self.policies})
        policy_ids = [stored(one.id) for one in self.policies]
        self.aliases = erasure.aliases_of(session, policy_ids)
        self._pseudonyms = (
            asked | {one.pseudonym for one in self.policies} | {one.pseudonym for one in self.aliases}
        )
        self.authorizations = erasure.authorizations_of(session, self._pseudonyms)
        self.settlements = erasure.settlements_of(session, self._pseudonyms, policy_ids)
        self._settlement_ids = [stored(one.id) for one in self.settlements]
        self.claims = erasure.claims_of(session, self._settlement_ids)
        self._visits = self._visits_of_settlements()
        self.quarantined = list(self._quarantined())
        self.bodies = list(self._delivered_bodies())

    def erase(self) -> Erased:
        self._check()
        now = self._ctx.clock()
        quarantined_ids = [stored(one.id) for one in self.quarantined]
        delivery_ids = {one.delivery_id for one in self.bodies}
        deliveries = erasure.deliveries_with(
            self._session, self._settlement_ids, quarantined_ids, delivery_ids
        )
        for delivery in deliveries:
            delivery.body_sealed, delivery.erased_at = b"", now
        self._erase_policies()
        self._erase_settlements()
        for claim in self.claims:
            claim.salts_sealed, claim.decision_sealed, claim.history_sealed = b"", None, None
            claim.reasons = [{**reason, "message_en": "", "message_zh": ""} for reason in claim.reasons]
            claim.erased_at = now
        for payout in erasure.payouts_of(self._session, [stored(one.id) for one in self.claims]):
            payout.order_sealed = b""
        for refused in (*self.quarantined, *self.bodies):
            refused.body_sealed = b""
        for correction in erasure.corrections_of(self._session, quarantined_ids):
            correction.patch_sealed = b""
        provider_decisions.forget(self._session, [stored(one.id) for one in self.claims])
        self._session.flush()
        return Erased(
            policies=len(self.policies),
            authorizations=len(self.authorizations),
            settlements=len(self.settlements),
            claims=len(self.claims),
            quarantined=len(self.quarantined),
            deliveries=len(deliveries),
        )

    def _check(self) -> None:
        """Raises NotFound, Conflict."""
        kept: tuple[Sequence[Any], ...] = (self.policies, self.settlements, self.quarantined, self.bodies)
        if not any(kept):
            raise NotFound("nothing is kept of a person with this certificate", code="person.unknown")
        for claim in self.claims:
            if claim.state not in _AT_REST:
                raise Conflict(
                    f"claim {claim.claim_id} is {claim.state}: it has to come to its end first, paid, "
                    "refused, or its money recovered",
                    code="person.claim_under_way",
                )
        today = self._ctx.today()
        for policy in self.policies:
            if policy.effective <= today <= _last_day(policy):
                raise Conflict(
                    f"policy {policy.policy_no} is in force until {_last_day(policy)}: have the insurer "
                    "cancel it first",
                    code="person.policy_in_force",
                )
        for authorization in self.authorizations:
            if authorization.state in (GRANTED, PENDING):
                raise Conflict(
                    f"authorization {authorization.authorization_id} is {authorization.state}: withdraw it "
                    "first, with POST /v1/authorizations/{authorization_id}:revoke",
                    code="person.consent_live",
                )

    def _erase_policies(self) -> None:
        for policy in self.policies:
            policy.coverage_sealed, policy.salts_sealed = b"", b""
            policy.pseudonym, policy.family = ERASED, None
        erasure.forget(self._session, self.aliases)
        policy_ids = [stored(policy.id) for policy in self.policies]
        matching.forget_people(self._session, self._pseudonyms, policy_ids, ERASED)
        for authorization in self.authorizations:
            authorization.salts_sealed, authorization.signature = b"", ""
            authorization.pseudonym = ERASED
            authorization.insured = authorization.guardian = NO_ADDRESS

    def _erase_settlements(self) -> None:
        for row in self.settlements:
            row.body_sealed, row.document_sealed, row.pseudonym = b"", b"", None
        for reversal in erasure.reversals_of(self._session, self._settlement_ids):
            reversal.body_sealed = b""

    def _visits_of_settlements(self) -> set[tuple[str, str]]:
        """(hospital, mdtrt_id) of each: under which parts and reports of a stay arrive."""
        first = {one.settlement_id: one.beside or one.claim_id for one in self.claims}
        visits = set()
        for row in self.settlements:
            if row.body_sealed:
                place = f"settlement.body/{first[stored(row.id)]}"
                info = parse_body(self._ctx.vault.unseal(row.body_sealed, place))["setlinfo"]
                visits.add((row.hospital_code, str(info.get("mdtrt_id") or "")))
        return {(hospital, visit) for hospital, visit in visits if visit}

    def _quarantined(self) -> Iterator[tables.Quarantined]:
        after = 0
        while rows := erasure.quarantined(self._session, after, _AT_ONCE):
            for row in rows:
                raw = self._ctx.vault.unseal(row.body_sealed, f"quarantined.body/{row.body_digest}")
                corrected = row.corrected_by is not None and row.corrected_by in self._settlement_ids
                if corrected or self._names(_info(raw)):
                    yield row
            after = stored(rows[-1].id)

    def _delivered_bodies(self) -> Iterator[DeliveredBody]:
        after = ("", 0)
        while rows := erasure.delivered_bodies(self._session, after, _AT_ONCE):
            for row in rows:
                place = f"delivered_body/{row.delivery_id}/{row.ordinal}"
                info = _info(self._ctx.vault.unseal(row.body_sealed, place))
                if (row.hospital_code, row.key) in self._visits or self._names(info):
                    yield row
            after = (rows[-1].delivery_id, rows[-1].ordinal)

    def _names(self, info: dict[str, Any]) -> bool:
        kind, number = info.get("patn_cert_type"), info.get("certno")
        try:
            certificate = normalise_certificate(str(kind or ""), str(number or ""))
        except CertificateInvalid:
            return False
        return self._ctx.pseudonymiser.of(*certificate) in self._pseudonyms


def _last_day(policy: tables.Policy) -> date:
    return policy.expires if policy.cancelled_on is None else policy.cancelled_on - timedelta(days=1)


def _info(raw: bytes) -> dict[str, Any]:
    """Of a body that may be anything."""
    try:
        info = parse_body(raw).get("setlinfo")
    except BodyRefused:
        return {}
    return info if isinstance(info, dict) else {}
