"""What a verifier trusts about a chain: block hashes, and which contracts are the pool's.

A proof leads from a fact to a block hash. Somebody has to vouch for the hash: a chain endpoint, the
auditor's own note of it, or this machine's list of trusted blocks (in the manner of known_hosts).
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from engine.evidence.errors import TrustStoreInvalid

CONTRACTS = ("AuthorizationRegistry", "MatchResultStore", "TaskScheduler")
TRUST_VARIABLE = "AUTOCLAIM_TRUST"
TRUST_FILE = Path(".autoclaim") / "trusted-blocks.json"


@dataclass(frozen=True, slots=True)
class TrustedBlock:
    """A block somebody vouched for. hash is 0x hexadecimal; source says who; added_at is RFC 3339 UTC."""

    chain_id: int
    number: int
    hash: str
    source: str
    added_at: str


@dataclass(frozen=True, slots=True)
class TrustedDeployment:
    """The addresses of the pool's contracts on one chain, 0x hexadecimal, by contract name."""

    chain_id: int
    contracts: dict[str, str]
    source: str
    added_at: str


class ChainReader(Protocol):
    """What a verifier asks a chain endpoint. Raises EndpointUnavailable."""

    def request(self, method: str, params: list[Any]) -> Any: ...


@dataclass(frozen=True, slots=True)
class Anchor:
    """What one verification trusts. All empty: the bundle can be consistent, but nothing anchors it.

    blocks: from a trust store. block_hash: 32 bytes, the auditor's own note of the bundle's anchor block.
    endpoint: a chain endpoint that is asked for the block, and for what has happened since; where there
    is one, blocks are not looked at. deployments: where there is none for the bundle's chain, the
    contracts' addresses are taken as the bundle gives them, and the report says so.
    """

    blocks: tuple[TrustedBlock, ...] = ()
    block_hash: bytes | None = None
    endpoint: ChainReader | None = None
    deployments: tuple[TrustedDeployment, ...] = ()


class TrustStore:
    """The file of trusted blocks and deployments; every change replaces it whole, under a lock."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def default(cls) -> "TrustStore":
        """$AUTOCLAIM_TRUST, or .autoclaim/trusted-blocks.json under the current directory."""
        given = os.environ.get(TRUST_VARIABLE)
        return cls(Path(given) if given else TRUST_FILE)

    def add(self, chain_id: int, blocks: Mapping[int, bytes], *, source: str, at: datetime) -> None:
        """Trust these blocks, number -> 32-byte hash; what is there already stays as it is."""
        added_at = _utc(at)
        new = [TrustedBlock(chain_id, n, "0x" + h.hex(), source, added_at) for n, h in sorted(blocks.items())]
        with self._locked():
            known, deployments = self._read()
            have = {(block.chain_id, block.hash) for block in known}
            fresh = [block for block in new if (block.chain_id, block.hash) not in have]
            if fresh:
                self._write([*known, *fresh], deployments)

    def add_deployment(
        self, chain_id: int, contracts: Mapping[str, str], *, source: str, at: datetime
    ) -> None:
        """Trust these addresses as the pool's contracts; others than the three of a bundle are left out."""
        kept = {name: contracts[name].lower() for name in CONTRACTS}
        with self._locked():
            blocks, known = self._read()
            if not any(entry.chain_id == chain_id and entry.contracts == kept for entry in known):
                self._write(blocks, [*known, TrustedDeployment(chain_id, kept, source, _utc(at))])

    def anchor(self) -> Anchor:
        """What the file vouches for; an absent file vouches for nothing. Raises TrustStoreInvalid."""
        blocks, deployments = self._read()
        return Anchor(blocks=tuple(blocks), deployments=tuple(deployments))

    def _read(self) -> tuple[list[TrustedBlock], list[TrustedDeployment]]:
        try:
            stored = json.loads(self.path.read_bytes())
            blocks = [TrustedBlock(**entry) for entry in stored["blocks"]]
            return blocks, [TrustedDeployment(**entry) for entry in stored["deployments"]]
        except FileNotFoundError:
            return [], []
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise TrustStoreInvalid(f"{self.path}: not a list of trusted blocks ({error})") from error

    def _write(self, blocks: Iterable[TrustedBlock], deployments: Iterable[TrustedDeployment]) -> None:
        content = {
            "blocks": [asdict(block) for block in blocks],
            "deployments": [asdict(entry) for entry in deployments],
        }
        with tempfile.NamedTemporaryFile(dir=self.path.parent, prefix=self.path.name, delete=False) as file:
            try:
                file.write(json.dumps(content, indent=1).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self.path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(self.path.name + ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _utc(at: datetime) -> str:
    if at.tzinfo is None:
        raise TrustStoreInvalid("added_at has no time zone")
    return at.isoformat(timespec="seconds")
