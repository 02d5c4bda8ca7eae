"""Database against chain: terms, consents and results, and what the result store says of each claim."""

import hashlib
from collections import Counter, defaultdict
from typing import Any

import rfc8785

from engine.fsck import beliefs
from engine.fsck.chain import RECORDED, Chain, Event, commitment
from engine.fsck.database import Claim, Records
from engine.fsck.report import Code, Findings

_STANDING = ("none", "recorded", "paid", "reversed")


def check_terms(records: Records, chain: Chain, findings: Findings) -> None:
    """Every loaded wording's digest is its document's and in the catalogue, the latest as its newest."""
    published: defaultdict[str, list[str]] = defaultdict(list)
    for event in chain.events("VersionPublished"):
        published[event.words["datasetId"]].append(event.words["contentDigest"])
    latest = {(product.product, product.edition): product.version for product in records.products}
    for product in records.products:
        subject = f"{product.product}-{product.edition}"
        digest = "0x" + product.digest.removeprefix("0x")
        if _digest(product.document) != digest:
            findings.differ(Code.TERMS_DOCUMENT, subject, f"the kept terms do not have the digest {digest}")
        dataset = _digest({"dataset": "terms", "product": product.product, "edition": product.edition})
        digests = published[dataset]
        if latest[product.product, product.edition] == product.version:
            digests = digests[-1:]
        if digest not in digests:
            found = digests[-1] if digests else "nothing"
            findings.differ(Code.TERMS_NOT_PUBLISHED, subject, f"the catalogue has {found}, not {digest}")


def check_authorizations(records: Records, chain: Chain, findings: Findings) -> None:
    """What the database says of a consent, the registry says too."""
    granted = {event.words["id"]: event for event in chain.events("AuthorizationGranted")}
    revoked = {event.words["id"] for event in chain.events("AuthorizationRevoked")}
    revoked_before = {event.words["id"] for event in chain.known_before("AuthorizationRevoked")}
    granted_before = {event.words["id"] for event in chain.known_before("AuthorizationGranted")}
    for name, row in records.authorizations.items():
        grant = granted.get(name)
        if grant is not None and (grant.words["subject"], grant.words["scope"]) != (row.subject, row.scope):
            findings.differ(
                Code.AUTHORIZATION_CONTENT, name, f"{grant.place} grants another subject or scope"
            )
        if row.state == "pending":
            if name in granted_before:
                findings.under_way(name, "the consent is on chain, its relay has not been noted")
        elif grant is None and row.state == "granted":
            findings.differ(Code.AUTHORIZATION_STATE, name, "granted here, unknown to the registry")
        elif row.state == "revoked" and name not in revoked:
            findings.differ(Code.AUTHORIZATION_STATE, name, "revoked here, not on chain")
        elif row.state == "granted" and name in revoked_before:
            findings.differ(Code.AUTHORIZATION_STATE, name, "revoked on chain, granted here")


def check_results(records: Records, chain: Chain, findings: Findings) -> None:
    """Results on chain against claims, both ways."""
    recorded: dict[tuple[str, int], Event] = {}
    times: Counter[tuple[str, int]] = Counter()
    for event in chain.events(*RECORDED):
        recorded[event.result] = event
        times[event.result] += 1
    for (key, version), count in times.items():
        if count > 1:
            findings.differ(
                Code.RESULT_TWICE, records.name_of(key), f"version {version} is recorded {count} times"
            )
    for event in chain.known_before(*RECORDED):
        _check_known(event, records, findings)
    for claim in records.claims:
        _check_recorded(claim, recorded, findings)
    _check_tasks(records, chain, findings)
    _check_consent(chain, findings)
    _check_reversals(records, chain, recorded, findings)
    _check_standing(records, chain, findings)


def _check_known(event: Event, records: Records, findings: Findings) -> None:
    key, version = event.result
    claim = records.claim_of_key.get(key)
    if claim is None:
        findings.differ(Code.RESULT_FOREIGN, event.place, f"a result of {key}, which no claim has")
        return
    if version < claim.version:
        return  # its content was that decision's; the database keeps the present one
    if version > claim.version or claim.state in beliefs.NOT_YET_DECIDED:
        detail = (
            f"{event.place} records version {version}; here it is {claim.state} in version {claim.version}"
        )
        findings.differ(Code.RESULT_UNEXPECTED, claim.claim_id, detail)
        return
    pairs = (
        ("resultDigest", claim.result_digest),
        ("authorizationId", claim.authorization_id),
        # Of a claim that is only decided here, the task has not been noted yet.
        ("taskId", claim.task_id or event.words["taskId"]),
    )
    other = [name for name, ours in pairs if event.words[name] != ours]
    if other:
        detail = f"{event.place} carries another {', '.join(other)} than the decision here"
        findings.differ(Code.RESULT_CONTENT, claim.claim_id, detail)


def _check_recorded(claim: Claim, recorded: dict[tuple[str, int], Event], findings: Findings) -> None:
    """Every version that this database counts on stands on chain."""
    present_too = claim.state in beliefs.ON_CHAIN or claim.record_tx is not None
    last = claim.version if present_too else claim.version - 1
    for version in range(1, last + 1):
        event = recorded.get((claim.claim_key or "", version))
        if event is None:
            findings.differ(
                Code.RESULT_MISSING, claim.claim_id, f"{claim.state}, and version {version} is not on chain"
            )
        elif version == claim.version and event.tx != claim.record_tx:
            findings.differ(
                Code.RESULT_TRANSACTION, claim.claim_id, f"recorded in {event.tx}, here in {claim.record_tx}"
            )


def _check_tasks(records: Records, chain: Chain, findings: Findings) -> None:
    opened = {event.words["taskId"]: event for event in chain.events("TaskOpened")}
    for task_id in sorted({event.words["taskId"] for event in chain.known_before(*RECORDED)}):
        task, event = records.tasks.get(task_id), opened.get(task_id)
        if task is None or event is None:
            where = "here" if task is None else "on chain"
            findings.differ(
                Code.TASK_CONTENT, task_id, f"results are recorded under it; it is unknown {where}"
            )
        elif event.words["termsDigest"] != task.terms_root:
            findings.differ(Code.TASK_CONTENT, task_id, "it was opened under other terms than are kept here")


def _check_consent(chain: Chain, findings: Findings) -> None:
    """No result without a consent: granted before it, not revoked or expired by then, for its task."""
    granted = {event.words["id"]: event for event in chain.events("AuthorizationGranted")}
    revoked = {event.words["id"]: event for event in chain.events("AuthorizationRevoked")}
    purpose = {event.words["taskId"]: event.words["purpose"] for event in chain.events("TaskOpened")}
    results = chain.events(*RECORDED)
    renewals: defaultdict[str, list[Event]] = defaultdict(list)
    for renewal in chain.events("AuthorizationRenewed"):
        renewals[renewal.words["id"]].append(renewal)
    times = chain.block_times(event.block for event in results)
    for event in results:
        name = event.words["authorizationId"]
        grant, revocation = granted.get(name), revoked.get(name)
        if grant is None or grant.position > event.position:
            findings.differ(Code.CONSENT_NOT_GRANTED, event.place, f"{name} was not granted before")
            continue
        if revocation is not None and revocation.position < event.position:
            findings.differ(Code.CONSENT_REVOKED, event.place, f"{name} had been revoked in {revocation.tx}")
        renewed = (r for r in renewals[name] if r.position < event.position)
        if times[event.block] >= max(r.number("expires") for r in (grant, *renewed)):
            findings.differ(Code.CONSENT_EXPIRED, event.place, f"{name} had expired")
        if grant.words["scope"] != purpose.get(event.words["taskId"]):
            findings.differ(Code.CONSENT_SCOPE, event.place, f"{name} is for something else than the task")


def _check_reversals(
    records: Records, chain: Chain, recorded: dict[tuple[str, int], Event], findings: Findings
) -> None:
    newest = _newest(recorded)
    reversed_ = {event.result for event in chain.events("ResultReversed")}
    for claim in records.claims:
        version = newest.get(claim.claim_key or "", 0)
        if claim.state not in beliefs.TAKEN_BACK or not version:
            continue
        if (claim.claim_key, version) in reversed_:
            continue
        if claim.reverse_tx is None:
            findings.under_way(claim.claim_id, "its reversal is not on chain yet")
        else:
            detail = f"{claim.state} here, and version {version} still stands on chain"
            findings.differ(Code.REVERSAL_NOT_ON_CHAIN, claim.claim_id, detail)
    for event in chain.known_before("ResultReversed"):
        owner = records.claim_of_key.get(event.words["claimKey"])
        if owner is not None and owner.state not in beliefs.TAKEN_BACK:
            findings.differ(
                Code.REVERSAL_FOREIGN, owner.claim_id, f"reversed in {event.tx}, {owner.state} here"
            )


def _check_standing(records: Records, chain: Chain, findings: Findings) -> None:
    """The store's own state is what its events tell, and its commitment is to the newest result."""
    newest = {event.words["claimKey"]: event for event in chain.events(*RECORDED)}
    paid = {event.result for event in chain.events("PayoutConfirmed")}
    reversed_ = {event.result for event in chain.events("ResultReversed")}
    results = sorted(event.result for event in newest.values())
    answers = zip(results, chain.payout_states(results), chain.commitments(results), strict=True)
    for result, state, committed in answers:
        key = result[0]
        told = (
            beliefs.REVERSED if result in reversed_ else beliefs.PAID if result in paid else beliefs.RECORDED
        )
        if state != told:
            standing = _STANDING[state] if state < len(_STANDING) else str(state)
            detail = f"the store says {standing}, its events say {_STANDING[told]}"
            findings.differ(Code.CHAIN_PAYOUT_STATE, records.name_of(key), detail)
        if committed != commitment(newest[key]):
            detail = f"the store commits to {committed}, not to the result of {newest[key].place}"
            findings.differ(Code.RESULT_COMMITMENT, records.name_of(key), detail)


def _newest(recorded: dict[tuple[str, int], Event]) -> dict[str, int]:
    versions: dict[str, int] = {}
    for key, version in recorded:
        versions[key] = max(version, versions.get(key, 0))
    return versions


def _digest(document: Any) -> str:
    return "0x" + hashlib.sha256(rfc8785.dumps(document)).hexdigest()
