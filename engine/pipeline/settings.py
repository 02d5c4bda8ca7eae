"""Settings: environment variables `AUTOCLAIM_…`, each with a default that works on one machine."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from eth_utils.address import is_address, to_checksum_address
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from engine.store.secret_file import read_or_make

WITNESS_ROLES = {"auditor": "AUDITOR_ROLE", "hospital": "HOSPITAL_WITNESS_ROLE"}
"""Kind of witness beside the engine -> its role on the result store."""
_PLAIN = re.compile(r"[A-Za-z0-9 ,.'()/-]{1,38}")


class Settings(BaseSettings):
    """One deployment of the engine. `home` holds everything it keeps unless a URL points elsewhere."""

    model_config = SettingsConfigDict(env_prefix="AUTOCLAIM_")

    home: Path = Path(".autoclaim/engine")
    database_url: str | None = None
    """Default: SQLite at home/engine.db. postgresql://… for a real server."""
    chain_rpc_url: str | None = None
    """Default: the embedded chain at home/chain.db. Several endpoints of one chain: commas between."""
    chain_id: int | None = None
    """What the endpoints must be; None takes the chain that they are of."""
    chain_gas_price_wei: int | None = None
    """A fixed price a unit of gas, never raised; 0 where gas is free. Default: what the network asks."""
    chain_max_fee_wei: int | None = None
    """The ceiling a unit of gas: where the network asks more, nothing is sent."""
    chain_max_tip_wei: int | None = None
    """The part of it that the block's maker gets, at most."""
    chain_gas_share: float = Field(default=0.5, gt=0, le=1)
    """Of a block's gas limit, what one transaction may take: longer lists go in several."""
    confirmations: int = 0
    """Blocks on top of an event before it counts. The embedded chain has one writer and no reorgs."""
    bank_url: str = "http://127.0.0.1:8801"
    bank_key_file: Path | None = None
    """Default: home/bank.secret, shared with the bank."""
    sandbox_bank_db: Path | None = None
    """The sandbox bank's database, where one belongs to this home; fsck reads its statement later."""
    invoice_url: str | None = None
    """The invoice platform. Default: none; then an invoice is held to be used once, and not looked up."""
    invoice_key_file: Path | None = None
    """Default: home/invoices.secret, {"api_key": …} as the platform issued it."""
    invoice_required: bool = False
    """Whether a settlement that does not name its whole invoice is for a person; else it goes on, noted."""
    invoice_again_days: int = Field(default=7, gt=0)
    """After how long the invoice of a paid settlement is looked up again."""
    invoice_again_for_days: int = Field(default=180, ge=0)
    """For how long after the payment; 0 for never."""
    retention_policy_days: int = 1827
    """After a policy's last day: five years, as 保险法 §87 asks for cover of at most a year."""
    retention_unmatched_days: int = 365
    """After the receipt of a settlement that no policy answers for."""
    retention_quarantine_days: int = 180
    """After the receipt of what was refused and never corrected."""
    retention_delivery_days: int = 365
    """After the receipt of a delivery: its bytes."""
    match_elements_a_day: int = Field(default=5000, gt=0)
    """Blinded elements that one provider may have evaluated in a day of Shanghai."""
    host: str = "127.0.0.1"
    port: int = 8800
    partner_port: int | None = None
    """Where provider nodes come to, by mutual TLS. Default: none, and matching is offered on `port`."""
    partner_host: str = "127.0.0.1"
    partner_tls_cert: Path | None = None
    """The engine's certificate, PEM; its key; and the CA that providers' certificates are of."""
    partner_tls_key: Path | None = None
    partner_tls_ca: Path | None = None
    passphrase_file: Path | None = None
    """Opens the role keystores. Default: home/passphrase, made at first start."""
    recipient: str = "autoclaim insurer pool"
    """Who the insured consent to: named in the consent text and in every scope."""
    remittance_payer: str = "autoclaim insurer pool|000000000|not stated|Shanghai|200000"
    """`name|tax id|street|city|postcode`: the payer as X12 835 names it, in Latin letters, each at most 38;
    the tax id has nine digits."""
    dictionaries: Path | None = None
    """Folder of the code lists that hospitals' codes are held to: icd10.csv, icd9cm3.csv, med_list.csv, …
    Default: none, and such a code is known by its form."""
    batch_size: int = 100
    """Claims a micro-batch: what one recordBatch transaction carries."""
    commit_group: int = 256
    """Calls that share a commit; 1: each has its own."""
    readers: int = max(1, (os.cpu_count() or 1) - 1)
    """Processes that read the settlements of batches; 0: none, they are read where they arrive."""
    tick_s: float = 0.05
    """How long an idle dispatcher sleeps."""
    witnesses: str = ""
    """`auditor:0x…,hospital:0x…`: who co-signs checkpoints of the access log, appointed as the contracts are
    deployed. A later change is announced on chain and takes two days."""
    providers: str = ""
    """`0x…,0x…`: provider nodes that register what they hold themselves, appointed as the contracts are
    deployed; later ones by `autoclaim matching appoint`. `autoclaim provider key` prints a node's."""

    @field_validator("remittance_payer")
    @classmethod
    def _named(cls, text: str) -> str:
        parts = text.split("|")
        if len(parts) != 5 or not all(map(_PLAIN.fullmatch, parts)) or not re.fullmatch("[0-9]{9}", parts[1]):
            raise ValueError("must be name|tax id of nine digits|street|city|postcode, Latin letters only")
        return text

    @property
    def payer(self) -> tuple[str, str, str, str, str]:
        """Name, tax id, street, city, postcode."""
        name, tax_id, street, city, postcode = self.remittance_payer.split("|")
        return name, tax_id, street, city, postcode

    @field_validator("witnesses")
    @classmethod
    def _parsed(cls, text: str) -> str:
        _witnesses(text)
        return text

    @field_validator("providers")
    @classmethod
    def _addresses(cls, text: str) -> str:
        _providers(text)
        return text

    @property
    def witness_accounts(self) -> dict[str, list[str]]:
        """Role on the result store -> addresses that hold it from the deployment on."""
        return _witnesses(self.witnesses)

    @property
    def provider_accounts(self) -> list[str]:
        """Addresses that hold PROVIDER_ROLE from the deployment on."""
        return _providers(self.providers)

    def in_home(self, name: str) -> Path:
        return self.home / name

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.in_home('engine.db').absolute()}"

    @property
    def workflow_database(self) -> str:
        """DBOS's own tables: beside ours on Postgres (its own schema), a file of their own on SQLite."""
        return self.database_url or f"sqlite:///{self.in_home('workflows.db').absolute()}"

    @property
    def bank_secret(self) -> Path:
        return self.bank_key_file or self.in_home("bank.secret")

    @property
    def invoice_secret(self) -> Path:
        return self.invoice_key_file or self.in_home("invoices.secret")

    def passphrase(self, rng: Callable[[int], bytes]) -> str:
        """What opens the role keystores; made at first start."""
        return read_or_make(self.passphrase_file or self.in_home("passphrase"), lambda: rng(24).hex())


def _items(text: str) -> list[str]:
    return [item for item in (part.strip() for part in text.split(",")) if item]


def _providers(text: str) -> list[str]:
    """Raises ValueError naming what is no address."""
    for item in _items(text):
        if not is_address(item):
            raise ValueError(f"{item}: not an address, which is 0x and 40 hexadecimal digits")
    return sorted({to_checksum_address(item) for item in _items(text)})


def _witnesses(text: str) -> dict[str, list[str]]:
    """Raises ValueError naming what is not `kind:address`."""
    appointed: dict[str, list[str]] = {}
    for item in _items(text):
        kind, _, address = item.partition(":")
        if kind not in WITNESS_ROLES or not is_address(address):
            raise ValueError(f"{item}: not one of {', '.join(WITNESS_ROLES)}, a colon and an address")
        if any(to_checksum_address(address) in held for held in appointed.values()):
            raise ValueError(f"{item}: named twice; an account is one witness")
        appointed.setdefault(WITNESS_ROLES[kind], []).append(to_checksum_address(address))
    return appointed
