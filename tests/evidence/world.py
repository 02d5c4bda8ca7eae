"""A small real world: the embedded chain with the four contracts, and one claim's way to its confirmation."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from engine.adjudication import Coverage, History, adjudicate
from engine.chain import contracts, eip712
from engine.chain.client import ChainClient, ChainSettings
from engine.evidence import manifest
from engine.evidence.anchors import Anchor, TrustedDeployment
from engine.evidence.bundle import BundleInput, build_bundle, parse_bundle
from engine.evidence.collect import ChainCollector, ClaimOnChain
from engine.evidence.documents import (
    Payment,
    Scope,
    SignedGrant,
    consent_document,
    coverage_document,
    coverage_for_adjudication,
    covered_document,
    payment_document,
    settlement_document,
)
from engine.evidence.mpt import decode_header
from engine.evidence.salts import AuthorizationSalts, ClaimSalts, PolicySalts
from engine.money import Fen
from engine.settlement.minimise import document_of
from engine.settlement.model import DetailLine, Settlement
from engine.terms import load_product
from engine.terms.model import Terms

PRODUCTS = Path(__file__).parents[2] / "seeds" / "products"
NOW = datetime(2024, 11, 20, 9, 0, tzinfo=UTC)
SCOPE = Scope(purpose="claims-settlement", recipient="Hu Hui Bao pool", product="huhuibao")
TEXT = (
    "本人同意将出院结算信息用于沪惠保理赔。I agree that my discharge settlements are used to pay my claims."
)
SECRETS = ("POL-2024-000017", "张伟", "11010519491231002X", "6222020200012345678", "S20241118000931")
"""What must never be found in a bundle: policy number, name, ID number, account, settlement number."""
CERTIFICATE = ("01", SECRETS[2])
COVERAGE: dict[str, Any] = {
    "policy_no": SECRETS[0],
    "product": "huhuibao",
    "edition": "2024",
    "person": {"cert_type": "01", "cert_no": SECRETS[2], "name": SECRETS[1]},
    "effective": "2024-07-01",
    "expires": "2025-06-30",
    "pre_existing": [],
    "continuous_years": 1,
    "claim_free_years": 1,
    "payee": {"account": SECRETS[3], "name": SECRETS[1], "bank": "示例银行"},
}


def settlement(own_pay_fen: int = 6_000_000, setl_id: str = SECRETS[4]) -> Settlement:
    """An ordinary inpatient stay: one self-paid drug line and one inside the catalogue."""

    def line(sn: str, category: str, amount: int, own_pay: int) -> DetailLine:
        return DetailLine(
            sn=sn,
            code="XL01EBJ234A001010178901",
            name="示例药品",
            category=category,
            quantity=Decimal(1),
            unit_price=Decimal(amount) / 100,
            amount_fen=Fen(amount),
            own_pay_fen=Fen(own_pay),
            over_limit_fen=Fen(0),
            pre_self_pay_fen=Fen(0),
            in_scope_fen=Fen(amount - own_pay),
            occurred_on=date(2024, 11, 12),
        )

    in_scope = 2_000_000
    return Settlement(
        setl_id=setl_id,
        hospital_code="H31010100001",
        hospital_grade=3,
        insured_area="310101",
        visit_type="21",
        ward_type="ordinary",
        admitted_on=date(2024, 11, 10),
        discharged_on=date(2024, 11, 18),
        settled_at=datetime(2024, 11, 18, 14, 30, tzinfo=timezone(timedelta(hours=8))),
        discharge_way="1",
        age_years=54,
        main_diagnosis="C34.900",
        other_diagnoses=(),
        total_fen=Fen(own_pay_fen + in_scope),
        own_pay_fen=Fen(own_pay_fen),
        over_limit_fen=Fen(0),
        pre_self_pay_fen=Fen(0),
        in_scope_fen=Fen(in_scope),
        fund_fen=Fen(in_scope),
        account_fen=Fen(0),
        cash_fen=Fen(own_pay_fen),
        other_compensation_fen=Fen(0),
        lines=(line("1", "09", own_pay_fen, own_pay_fen), line("2", "09", in_scope, 0)),
    )


@dataclass(frozen=True, slots=True)
class Paid:
    """One paid claim version: what the pipeline would hold of it."""

    on_chain: ClaimOnChain
    documents: manifest.Documents
    payment: dict[str, Any]
    salts: ClaimSalts


class World:
    """The insurer pool with one insured person. `rng` is seeded, so that a failing test can be repeated."""

    def __init__(self, home: Path) -> None:
        self._random = random.Random(17)
        self.now = NOW
        self.rng: Callable[[int], bytes] = self._random.randbytes
        self.client = ChainClient.open(
            ChainSettings(
                rpc_url=None,
                embedded_path=home / "chain.sqlite",
                confirmations=0,
                keystore_dir=home / "keys",
                passphrase="test",
                clock=lambda: self.now,
                rng=self.rng,
                scrypt_n=2,
            )
        )
        self.deployment = self.client.deploy_or_load(home / "deployment.json")
        self.terms: Terms = load_product(PRODUCTS / "huhuibao-2024.yaml")
        other = load_product(PRODUCTS / "huhuibao-2023.yaml")
        self.register = manifest.terms_register([self.terms.digest_hex, other.digest_hex])
        self.scope = manifest.scope_of(SCOPE.purpose, SCOPE.recipient, SCOPE.product)
        self.insured: LocalAccount = Account.from_key(self.rng(32))
        self.policy_salts = PolicySalts.generate(self.rng)
        self.authorization_salts = AuthorizationSalts.generate(self.rng)
        self.task_id = self._open_task()
        self.signed = self._grant()
        self.authorization_id = bytes.fromhex(self.signed.authorization_id[2:])
        self.subject = bytes.fromhex(self.signed.subject[2:])

    def seconds(self) -> int:
        return int(self.now.timestamp())

    def _open_task(self) -> bytes:
        dataset, task = self.rng(32), self.rng(32)
        client = self.client
        client.registry.admit_scope(self.scope)
        client.catalog.register(dataset, 4, [self.scope])
        client.catalog.publish_version(dataset, self.rng(32), self.rng(32))
        root = manifest.terms_root(self.register)
        deadline = self.seconds() + 10**7
        client.scheduler.open(task, dataset, self.scope, root, deadline, contracts.TaskKind.STANDING)
        client.scheduler.accept(task)
        client.scheduler.start(task)
        return task

    def _grant(self) -> SignedGrant:
        registry, deadline = self.deployment.addresses["AuthorizationRegistry"], self.seconds() + 3600
        grant = eip712.Grant(
            subject=manifest.subject_of(*CERTIFICATE, self.authorization_salts.subject),
            scope=self.scope,
            consent_digest=manifest.consent_digest(TEXT, self.authorization_salts),
            insured=self.insured.address,
            expires=self.seconds() + 10**7,
        )
        self.grant = grant
        nonce = self.client.registry.nonces(self.insured.address)
        typed = eip712.grant_typed_data(
            grant, nonce=nonce, deadline=deadline, chain_id=self.client.chain_id, registry=registry
        )
        signature = eip712.sign(typed, self.insured)
        self.client.registry.grant(grant, deadline, signature)
        return SignedGrant(
            authorization_id=manifest.hex32(grant.id),
            subject=manifest.hex32(grant.subject),
            scope=manifest.hex32(grant.scope),
            consent_digest=manifest.hex32(grant.consent_digest),
            insured=grant.insured,
            guardian=grant.guardian,
            expires_s=grant.expires,
            nonce=nonce,
            deadline_s=deadline,
            signature="0x" + signature.hex(),
        )

    def renew(self) -> str:
        """The insured's authorization, for a day more; until when, as a report says it."""
        registry, until = self.client.registry, self.grant.expires + 86_400
        deadline = self.seconds() + 3600
        typed = eip712.renew_typed_data(
            self.grant.id,
            until,
            self.rng(32),
            nonce=registry.nonces(self.insured.address),
            deadline=deadline,
            chain_id=self.client.chain_id,
            registry=registry.address,
        )
        digest = typed["message"]["consentDigest"]
        signature = eip712.sign(typed, self.insured)
        registry.renew(self.grant, until, digest, self.insured.address, deadline, signature)
        return datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def documents(self, stay: Settlement, salts: ClaimSalts) -> manifest.Documents:
        """Adjudicate on the evidence forms and gather all six documents."""
        coverage = coverage_document(COVERAGE, self.policy_salts, self.subject)
        bill = settlement_document(document_of(stay), salts)
        history: dict[str, Any] = {"decisions": []}
        decision = adjudicate(
            self.terms,
            Coverage.parse(coverage_for_adjudication(coverage)),
            History.parse(history),
            Settlement.parse(bill),
        )
        return manifest.Documents(
            terms=dict(self.terms.document),
            coverage=coverage,
            settlement=bill,
            history=history,
            decision=decision.document(),
            consent=consent_document(TEXT, SCOPE, self.signed),
        )

    def pay(
        self,
        stay: Settlement | None = None,
        *,
        blocks_between: int = 0,
        before: Paid | None = None,
        forge: Callable[[manifest.Documents], manifest.Documents] = lambda documents: documents,
        forge_payment: Callable[[dict[str, Any]], dict[str, Any]] = lambda payment: payment,
    ) -> Paid:
        """Decide, record, (bank), confirm. With `before`, as the version that supersedes it.

        forge and forge_payment: what a dishonest pool puts on chain in place of the truth.
        """
        recorded = self.record(stay, before, forge)
        self.mine(blocks_between)
        payment = forge_payment(self._payment(recorded.documents, before))
        on_chain = recorded.on_chain
        digest = manifest.payout_digest(payment, recorded.salts)
        confirmed = self.client.results.confirm_payouts(
            [contracts.Confirmation(on_chain.claim_key, on_chain.version, digest)]
        )
        on_chain = replace(on_chain, confirm_tx=confirmed.tx_hash)
        return replace(recorded, on_chain=on_chain, payment=payment)

    def cover(self, stay: Settlement, before: Paid) -> Paid:
        """A version that pays nothing after `before`."""
        recorded = self.record(stay, before)
        documents = recorded.documents
        payment = covered_document(
            recorded.on_chain.version,
            documents.decision["payable_fen"],
            before.payment["amount_fen"],
            documents.coverage["payee_commitment"],
        )
        return replace(recorded, payment=payment)

    def record(
        self,
        stay: Settlement | None,
        before: Paid | None = None,
        forge: Callable[[manifest.Documents], manifest.Documents] = lambda documents: documents,
    ) -> Paid:
        """Decide and record; nothing is paid yet."""
        stay = settlement() if stay is None else stay
        salts = before.salts.for_next_version(self.rng) if before else ClaimSalts.generate(self.rng)
        documents = forge(self.documents(stay, salts))
        result = manifest.result_digest(manifest.manifest_of(documents, salts), salts)
        key = manifest.claim_key(stay.hospital_code, stay.setl_id, COVERAGE["policy_no"], salts)
        item = contracts.Result(key, result, self.authorization_id, self.subject)
        if before is None:
            recorded = self.client.results.record_batch(self.task_id, [*self._neighbours(), item])
        else:
            recorded = self.client.results.supersede_batch(self.task_id, [item])
        on_chain = ClaimOnChain(
            claim_key=key,
            version=1 if before is None else before.on_chain.version + 1,
            authorization_id=self.authorization_id,
            scope=self.scope,
            task_id=self.task_id,
            record_tx=recorded.tx_hash,
            confirm_tx=None,
        )
        return Paid(on_chain, documents, {}, salts)

    def _payment(self, documents: manifest.Documents, before: Paid | None) -> dict[str, Any]:
        paid_before = 0 if before is None else before.payment["amount_fen"]
        return payment_document(
            Payment(
                payout_id=f"pay_{self.rng(8).hex()}",
                version=1 if before is None else before.on_chain.version + 1,
                amount_fen=documents.decision["payable_fen"] - paid_before,
                previously_paid_fen=paid_before,
                bank_ref="BANK-1",
                settled_at=self.now,
            ),
            documents.coverage["payee_commitment"],
        )

    def given(self, paid: Paid, anchor_block: int | None = None) -> BundleInput:
        collector = ChainCollector(self.client, self.client.chain_id, self.deployment.addresses)
        return BundleInput(
            claim_key=paid.on_chain.claim_key,
            version=paid.on_chain.version,
            task_id=self.task_id,
            terms_register=self.register,
            documents=paid.documents,
            payment=paid.payment,
            claim_salts=paid.salts,
            authorization_salts=self.authorization_salts,
            chain=collector.collect(paid.on_chain, anchor_block),
        )

    def bundle(self, paid: Paid, anchor_block: int | None = None) -> bytes:
        return build_bundle(self.given(paid, anchor_block))

    def anchor(self, raw: bytes) -> Anchor:
        """The auditor's own note of the bundle's anchor block, taken from the chain; and the deployment."""
        bundle, _ = parse_bundle(raw)
        number = decode_header(bundle.chain.headers[-1]).number
        block_hash = bytes.fromhex(self.client.block_hash(number)[2:])
        deployment = TrustedDeployment(self.client.chain_id, self.deployment.addresses, "test", "now")
        return Anchor(block_hash=block_hash, deployments=(deployment,))

    def live(self) -> Anchor:
        return Anchor(endpoint=self.client)

    def mine(self, blocks: int) -> None:
        """Blocks of other business: heartbeats of the task."""
        for _ in range(blocks):
            self.client.scheduler.heartbeat(self.task_id)

    def _neighbours(self) -> list[contracts.Result]:
        """Another claim of the same batch, so that the claim's log is not the receipt's first."""
        return [contracts.Result(self.rng(32), self.rng(32), self.authorization_id, self.subject)]
