"""Everything a service needs, opened once a process."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import structlog
from sqlmodel import select

from engine.chain.artifacts import CATALOG, RESULTS, SCHEDULER
from engine.chain.client import ChainClient, ChainSettings
from engine.chain.contracts import PROVIDER_ROLE
from engine.chain.deploy import Appointed
from engine.chain.errors import RpcError
from engine.chain.fees import FeePolicy
from engine.chain.sender import SendPolicy
from engine.errors import Unavailable
from engine.invoices.http_verifier import HttpVerifier, load_api_key
from engine.invoices.port import InvoicePort
from engine.matching.pseudonym import Pseudonymiser
from engine.payout.callbacks import CallbackVerifier
from engine.payout.http_bank import HttpBank
from engine.payout.signing import BankCredentials
from engine.pipeline.reading import Readers
from engine.pipeline.settings import Settings
from engine.settlement.hospitals import Hospital, HospitalRegister
from engine.settlement.sources.codes import SHIPPED, Dictionaries
from engine.store import tables
from engine.store.database import Database
from engine.store.vault import Vault
from engine.store.writer import GroupCommit
from engine.terms import Terms, TermsBook, terms_from_document

log = structlog.get_logger()
SHANGHAI = ZoneInfo("Asia/Shanghai")
_REGISTER_FRESH = timedelta(seconds=5)

Clock = Callable[[], datetime]
Rng = Callable[[int], bytes]


def utc_now() -> datetime:
    return datetime.now(UTC)


class SigningKey(NamedTuple):
    """A hospital's, from the register; 32 raw bytes of Ed25519."""

    hospital_code: str
    public_key: bytes | None


class _Register(NamedTuple):
    """The hospital register as of an instant: by code, by the id of a signing key, and pins by code."""

    read_at: datetime
    hospitals: HospitalRegister
    keys: Mapping[str, SigningKey]
    pins: Mapping[str, str]


@dataclass(slots=True)
class Context:
    """One deployment, open. `clock` gives aware UTC times; `rng(n)` gives n random bytes."""

    settings: Settings
    database: Database
    writer: GroupCommit
    vault: Vault
    clock: Clock
    rng: Rng
    chain: ChainClient
    bank: HttpBank
    invoices: InvoicePort | None
    """None: nobody is asked about invoices."""
    callbacks: CallbackVerifier
    pseudonymiser: Pseudonymiser
    dictionaries: Dictionaries
    readers: Readers
    engine_id: str
    """Names this opening, beside others that work on the same database at the same time."""
    _terms: dict[str, Terms]
    _register: _Register | None = None

    @classmethod
    def open(cls, settings: Settings, clock: Clock = utc_now, rng: Rng = os.urandom) -> "Context":
        """Create what is missing (home, keys, schema, contracts), then open. Safe to repeat after a crash."""
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        vault = Vault.open(settings.in_home("master.key"), rng)
        credentials = _bank_credentials(settings)
        invoices = _invoices(settings)
        dictionaries = _dictionaries(settings)
        with ExitStack() as on_failure:
            database = Database(settings.database)
            on_failure.callback(database.close)
            database.migrate()
            chain = ChainClient.open(
                ChainSettings(
                    rpc_url=settings.chain_rpc_url,
                    embedded_path=settings.in_home("chain.db"),
                    confirmations=settings.confirmations,
                    keystore_dir=settings.in_home("keys"),
                    passphrase=settings.passphrase(rng),
                    clock=clock,
                    chain_id=settings.chain_id,
                    send_policy=_send_policy(settings),
                    appointed=_appointed(settings),
                )
            )
            on_failure.callback(chain.close)
            _deploy(chain, settings)
            _say_who_is_not_appointed(chain, settings)
            on_failure.pop_all()
        return cls(
            settings=settings,
            database=database,
            writer=GroupCommit(database, settings.commit_group),
            vault=vault,
            clock=clock,
            rng=rng,
            chain=chain,
            bank=HttpBank(settings.bank_url, credentials, clock=clock),
            invoices=invoices,
            callbacks=CallbackVerifier([credentials.callback_secret], clock=clock),
            pseudonymiser=Pseudonymiser(vault.derive("pseudonym")),
            dictionaries=dictionaries,
            readers=Readers(settings.readers),
            engine_id=rng(4).hex(),
            _terms={},
        )

    def close(self) -> None:
        self.readers.close()
        self.writer.close()
        self.chain.close()
        self.bank.close()
        if self.invoices is not None:
            self.invoices.close()
        self.database.close()

    def book(self, wordings: Sequence[tables.Product]) -> TermsBook:
        """All loaded wordings of one edition."""
        return TermsBook.of(self.terms(wording) for wording in wordings)

    def today(self) -> date:
        """The calendar day in Shanghai."""
        return self.clock().astimezone(SHANGHAI).date()

    def terms(self, product: tables.Product) -> Terms:
        """A loaded wording, parsed once a digest."""
        if product.digest not in self._terms:
            self._terms[product.digest] = terms_from_document(product.document)
        return self._terms[product.digest]

    def hospital_register(self) -> HospitalRegister:
        """The register, read again when it is older than a few seconds: other engines may add to it."""
        return self._fresh_register().hospitals

    def signing_key(self, key_id: str) -> SigningKey | None:
        """Whose key signs under this id, as of the same register; an unknown one is looked for at once."""
        known = self._fresh_register().keys.get(key_id)
        if known is None:
            self.forget_register()
            known = self._fresh_register().keys.get(key_id)
        return known

    def tls_pin(self, hospital_code: str) -> str | None:
        """Of the key whose certificate this hospital shows at the partner port, as of the same register."""
        return self._fresh_register().pins.get(hospital_code)

    def is_tls_pin(self, pin: str) -> bool:
        """Whether it is any hospital's; an unknown one is looked for at once."""
        if pin not in self._fresh_register().pins.values():
            self.forget_register()
        return pin in self._fresh_register().pins.values()

    def _fresh_register(self) -> _Register:
        now, known = self.clock(), self._register
        if known is None or now - known.read_at > _REGISTER_FRESH:
            with self.database.reading() as session:
                rows = session.exec(select(tables.Hospital)).all()
            keys = {row.key_id: SigningKey(row.code, row.public_key) for row in rows if row.key_id}
            pins = {row.code: row.tls_pin for row in rows if row.tls_pin}
            known = _Register(now, HospitalRegister.of(_hospital(row) for row in rows), keys, pins)
            self._register = known
        return known

    def forget_register(self) -> None:
        """After a change of it by this process."""
        self._register = None


def _bank_credentials(settings: Settings) -> BankCredentials:
    try:
        return BankCredentials.load(settings.bank_secret)
    except FileNotFoundError as error:
        raise Unavailable(
            f"there are no bank credentials at {settings.bank_secret}: put there what the bank issued, "
            "name another file with AUTOCLAIM_BANK_KEY_FILE, or try it with `serve --sandbox-bank`",
            code="bank.no_credentials",
        ) from error


def _invoices(settings: Settings) -> InvoicePort | None:
    if settings.invoice_url is None:
        return None
    try:
        return HttpVerifier(settings.invoice_url, load_api_key(settings.invoice_secret))
    except FileNotFoundError as error:
        raise Unavailable(
            f"there is no key for the invoice platform at {settings.invoice_secret}: put there what it "
            "issued, name another file with AUTOCLAIM_INVOICE_KEY_FILE, or try it with "
            "`serve --sandbox-invoices`",
            code="invoice.no_key",
        ) from error


def _dictionaries(settings: Settings) -> Dictionaries:
    if settings.dictionaries is None:
        return SHIPPED
    try:
        return Dictionaries.of_folder(settings.dictionaries)
    except (OSError, ValueError) as error:
        raise Unavailable(f"AUTOCLAIM_DICTIONARIES: {error}", code="dictionaries.invalid") from error


def _send_policy(settings: Settings) -> SendPolicy:
    return SendPolicy(
        gas_share=settings.chain_gas_share,
        fees=FeePolicy(settings.chain_gas_price_wei, settings.chain_max_fee_wei, settings.chain_max_tip_wei),
    )


def _deploy(chain: ChainClient, settings: Settings) -> None:
    try:
        chain.deploy_or_load(settings.in_home("deployment.json"))
    except RpcError as error:
        if "insufficient funds" not in error.message.lower():
            raise
        accounts = ", ".join(f"{role} {address}" for role, address in sorted(chain.roles.items()))
        raise Unavailable(
            f"the role keys have nothing to pay gas with here; fund them, then start again: {accounts}",
            code="chain.no_funds",
        ) from error


def _appointed(settings: Settings) -> Appointed:
    provider = {PROVIDER_ROLE: settings.provider_accounts}
    return {RESULTS: settings.witness_accounts, CATALOG: provider, SCHEDULER: provider}


def _say_who_is_not_appointed(chain: ChainClient, settings: Settings) -> None:
    """The settings speak at the deployment only; whoever is added to them later must not go unnoticed."""
    appointed = _appointed(settings)
    for contract in (chain.results, chain.catalog, chain.scheduler):
        for role, accounts in appointed[contract.name].items():
            for account in accounts:
                if not contract.has_role(role, account):
                    log.warning("role.not_appointed", contract=contract.name, role=role, account=account)


def _hospital(row: Any) -> Hospital:
    return Hospital(row.code, row.name, row.grade, row.area, row.kind, tuple(row.wards))
