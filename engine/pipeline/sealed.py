"""What is sealed in which column, and under which place: the one list of both."""

from typing import Any

from engine.evidence.salts import AuthorizationSalts, ClaimSalts, PolicySalts
from engine.settlement import PersonIdentity, identity_of, parse_body
from engine.store.matching import Consent
from engine.store.tables import Authorization, Claim, Policy, PolicyAlias, Settlement
from engine.store.vault import Vault


def seal_claim_salts(vault: Vault, claim_id: str, salts: ClaimSalts) -> bytes:
    return vault.seal_json(salts.to_hex(), f"claim.salts/{claim_id}")


def claim_salts(vault: Vault, claim: Claim) -> ClaimSalts:
    return ClaimSalts.from_hex(vault.unseal_json(claim.salts_sealed, f"claim.salts/{claim.claim_id}"))


def seal_policy_salts(vault: Vault, policy_no: str, salts: PolicySalts) -> bytes:
    return vault.seal_json(salts.to_hex(), f"policy.salts/{policy_no}")


def policy_salts(vault: Vault, policy: Policy) -> PolicySalts:
    return PolicySalts.from_hex(vault.unseal_json(policy.salts_sealed, f"policy.salts/{policy.policy_no}"))


def seal_coverage(vault: Vault, coverage: dict[str, Any]) -> bytes:
    return vault.seal_json(coverage, f"policy.coverage/{coverage['policy_no']}")


def coverage(vault: Vault, policy: Policy) -> dict[str, Any]:
    document: dict[str, Any] = vault.unseal_json(
        policy.coverage_sealed, f"policy.coverage/{policy.policy_no}"
    )
    return document


def seal_alias(vault: Vault, policy: Policy, pseudonym: str, said: list[str]) -> bytes:
    """said: a certificate's type and number, or a name alone; normalised."""
    return vault.seal_json(said, f"policy.alias/{policy.policy_no}/{pseudonym}")


def alias(vault: Vault, policy: Policy, row: PolicyAlias) -> list[str] | None:
    """What was sealed; None of an alias from before anything was."""
    if row.sealed is None:
        return None
    said: list[str] = vault.unseal_json(row.sealed, f"policy.alias/{policy.policy_no}/{row.pseudonym}")
    return said


def seal_authorization_salts(vault: Vault, authorization_id: str, salts: AuthorizationSalts) -> bytes:
    return vault.seal_json(salts.to_hex(), f"authorization.salts/{authorization_id}")


def authorization_salts(vault: Vault, authorization: Authorization | Consent) -> AuthorizationSalts:
    place = f"authorization.salts/{authorization.authorization_id}"
    return AuthorizationSalts.from_hex(vault.unseal_json(authorization.salts_sealed, place))


def settlement_document(vault: Vault, settlement: Settlement, claim: Claim) -> dict[str, Any]:
    """The claim is any of the settlement's: it is sealed under the one that it was accepted as."""
    place = f"settlement.document/{claim.beside or claim.claim_id}"
    document: dict[str, Any] = vault.unseal_json(settlement.document_sealed, place)
    return document


def settlement_body(vault: Vault, settlement: Settlement, claim: Claim) -> dict[str, Any]:
    """The settlement as its hospital sent it; of a released one its document, which names nobody."""
    raw = vault.unseal(settlement.body_sealed, f"settlement.body/{claim.beside or claim.claim_id}")
    return parse_body(raw)


def patient(vault: Vault, settlement: Settlement, claim: Claim) -> PersonIdentity:
    """Of a settlement that has a pseudonym and was not released, so says who the patient is."""
    return identity_of(settlement_body(vault, settlement, claim))


def seal_decision(vault: Vault, claim: Claim, decision: dict[str, Any]) -> bytes:
    return vault.seal_json(decision, f"claim.decision/{claim.claim_id}")


def decision(vault: Vault, claim: Claim) -> dict[str, Any] | None:
    if claim.decision_sealed is None:
        return None
    document: dict[str, Any] = vault.unseal_json(claim.decision_sealed, f"claim.decision/{claim.claim_id}")
    return document


def seal_history(vault: Vault, claim: Claim, history: dict[str, Any]) -> bytes:
    return vault.seal_json(history, f"claim.history/{claim.claim_id}")


def history(vault: Vault, claim: Claim) -> dict[str, Any]:
    if claim.history_sealed is None:
        raise ValueError(f"claim {claim.claim_id} has no history yet")
    document: dict[str, Any] = vault.unseal_json(claim.history_sealed, f"claim.history/{claim.claim_id}")
    return document
