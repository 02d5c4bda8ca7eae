"""Settings of a provider node: environment variables `AUTOCLAIM_PROVIDER_…`."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from engine.evidence.manifest import scope_of
from engine.evidence.match_task import RR22
from engine.matching.scale.child import INSTALLED
from engine.settlement.hospitals import DEFAULT_REGISTER

_HOSPITAL = re.compile(r"[HP][0-9]{11}")
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
_BYTES32 = "^0x[0-9a-f]{64}$"


class Purpose(BaseModel):
    """One use, by one recipient under one product, that this provider releases settlements for; or, in the
    mode "decision", decides itself, so that the settlement stays."""

    purpose: str
    recipient: str
    product: str
    mode: Literal["settlement", "decision"] = "settlement"

    @property
    def scope(self) -> bytes:
        """What it is on chain: a scope of consent, and a purpose of the catalogue. 32 bytes."""
        return scope_of(self.purpose, self.recipient, self.product)


class ProviderHome(BaseSettings):
    """Where one node keeps everything, unless a URL points elsewhere."""

    model_config = SettingsConfigDict(env_prefix="AUTOCLAIM_PROVIDER_")

    home: Path = Path(".autoclaim/provider")
    database_url: str | None = None
    """Default: SQLite at home/provider.db. postgresql://… for a real server."""

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{(self.home / 'provider.db').absolute()}"


class ProviderSettings(ProviderHome):
    """One node. What has no default differs from node to node, and has to be said."""

    host: str = "127.0.0.1"
    port: int = 8810
    hospitals: str
    """`H…,H…`: whose settlements it holds, by fixmedins_code. Of each, home/insurer-<code>.key holds the API
    key that the insurer issued."""
    register_file: Path = DEFAULT_REGISTER
    """CSV of hospitals with grade and wards (engine.settlement.hospitals)."""
    insurer_url: str
    """https://… of the insurer's partner port; plain http:// only on this machine, to try things."""
    insurer_tls_pin: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """Of the insurer's key, as its `serve` says; the four are needed for https (docs/partners.md)."""
    tls_cert: Path | None = None
    """The node's certificate, PEM, whose pin the insurer registers with each hospital."""
    tls_key: Path | None = None
    tls_ca: Path | None = None
    """The CA of the insurer's certificate."""
    chain_rpc_url: str
    """An endpoint that the provider trusts: what it finds there, it finds for itself. It has to take what the
    node signs; an engine's /chain/rpc does."""
    deployment: Path | None = None
    """Default: home/deployment.json, the manifest of the contracts as the parties agreed on it."""
    chain_gas_price_wei: int | None = Field(default=None, ge=0)
    """A fixed price a unit of gas; 0 where gas is free. Default: what the network asks."""
    chain_max_fee_wei: int | None = Field(default=None, ge=0)
    """The ceiling a unit of gas: where the network asks more, nothing is sent."""
    roll_dataset: str = Field(pattern=_BYTES32)
    """The insurer's roll in the catalogue, whose matching keys are believed, and no other's."""
    purposes: list[Purpose]
    """JSON. The node lists them on chain, for what it holds, and takes off what is not here any more."""
    online: bool = True
    """Whether a discharge is asked about when it arrives; else it waits for a matching task."""
    engines: str = Field(default="voprf", pattern="^(voprf|rr22)(,(voprf|rr22))*$")
    """`voprf,rr22`: how it may be matched in a task; rr22 needs the extra psi-scale."""
    psi_python: Path = INSTALLED
    """The interpreter of the extra psi-scale, which `make psi-scale` installs."""
    psi_host: str = "127.0.0.1"
    """Where this side of a run of rr22 listens, at a free port; the insurer has to reach it."""
    task_days: int = Field(default=366, gt=0)
    """Days of discharge that one task may ask about."""
    task_processes: int = Field(default=os.cpu_count() or 1, gt=0)
    """That blind and check the batches of a task, while one runs."""
    disclosures_a_day: int = Field(default=10, ge=0)
    """Settlements withheld that the insurer may have disclosed in a day; more are a person's to look into."""
    release_every_s: int = Field(default=0, ge=0)
    """So often what has matched leaves, together: who watches the line cannot tell then which question it was
    of. 0: at once."""
    workers: int = Field(default=8, gt=0)
    """Discharges that are on the way at once."""
    tick_s: float = Field(default=0.5, gt=0)
    """How long an idle node sleeps; an arrival wakes it."""
    follow_s: float = Field(default=30, gt=0)
    """How often the insurer is asked for news of its roll."""
    look_again_days: int = Field(default=60, ge=0)
    """For how long after its receipt a discharge is looked up again when the roll has news."""

    @field_validator("hospitals")
    @classmethod
    def _codes(cls, text: str) -> str:
        if not all(_HOSPITAL.fullmatch(code) for code in text.split(",")):
            raise ValueError("must be hospital codes (H or P and 11 digits) with commas between")
        return text

    @model_validator(mode="after")
    def _is_told_whom_to_believe(self) -> Self:
        parts = urlsplit(self.insurer_url)
        needed = ("insurer_tls_pin", "tls_cert", "tls_key", "tls_ca")
        missing = [name for name in needed if getattr(self, name) is None]
        if parts.scheme == "https" and missing:
            raise ValueError(f"insurer_url is https, so these are needed too: {', '.join(missing)}")
        if parts.scheme != "https" and parts.hostname not in _THIS_MACHINE:
            raise ValueError("insurer_url must be https, unless it is on this machine")
        return self

    @classmethod
    def read(cls, **given: Any) -> Self:
        """The environment's, but for what is given otherwise. Raises ValueError naming what is missing."""
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            told = [f"  {_variable(one['loc'])}: {_said(one)}" for one in error.errors()]
            raise ValueError("\n".join(["its settings (docs/provider.md):", *told])) from error

    @property
    def engines_here(self) -> list[str]:
        """Of `engines`, those that are installed."""
        has_scale = self.psi_python.is_file()
        return [one for one in self.engines.split(",") if one != RR22 or has_scale]

    @property
    def hospital_codes(self) -> list[str]:
        return self.hospitals.split(",")

    @property
    def manifest(self) -> Path:
        return self.deployment or self.home / "deployment.json"

    def decides(self, scope: str) -> bool:
        """Whether settlements stay here for this purpose, 0x and 64 digits."""
        own = next((one for one in self.purposes if "0x" + one.scope.hex() == scope), None)
        return own is not None and own.mode == "decision"

    @property
    def scopes(self) -> frozenset[str]:
        """Of all purposes, 0x and 64 digits."""
        return frozenset("0x" + purpose.scope.hex() for purpose in self.purposes)


def _variable(place: tuple[int | str, ...]) -> str:
    """`hospitals` -> AUTOCLAIM_PROVIDER_HOSPITALS; of what concerns several, the prefix alone."""
    name, *inside = place or ("…",)
    return "/".join([f"AUTOCLAIM_PROVIDER_{str(name).upper()}", *map(str, inside)])


def _said(error: Mapping[str, Any]) -> str:
    said: str = error["msg"]
    return "is not set" if error["type"] == "missing" else said.removeprefix("Value error, ")
