"""The committed contract artifacts: ABI, bytecode, storage layout. No compiler is needed to read them."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from engine.chain.compile import ARTIFACTS
from engine.chain.errors import DeploymentInvalid

REGISTRY = "AuthorizationRegistry"
CATALOG = "DataCatalog"
SCHEDULER = "TaskScheduler"
RESULTS = "MatchResultStore"
DEPLOY_ORDER = (REGISTRY, CATALOG, SCHEDULER, RESULTS)
"""Each contract's constructor names only contracts before it."""

_PUSH1, _PUSH32 = 0x60, 0x7F


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract. `digest` (sha256 of the runtime bytecode, 0x-hex) names its version."""

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    deployed_bytecode: bytes
    storage_layout: dict[str, Any]
    digest: str

    def matches(self, code: bytes) -> bool:
        """Whether `code` on chain is this contract, whatever values its immutables were given."""
        expected = self.deployed_bytecode
        if len(code) != len(expected):
            return False
        masked = bytearray(code)
        for start in _immutable_offsets(expected):
            masked[start : start + 32] = bytes(32)
        return bytes(masked) == expected

    def slot_of(self, label: str) -> int:
        """The storage slot of a state variable. Raises KeyError."""
        for variable in self.storage_layout["storage"]:
            if variable["label"] == label:
                return int(variable["slot"])
        raise KeyError(f"{self.name} has no state variable {label}")


@cache
def load_artifact(name: str) -> Artifact:
    """Raises DeploymentInvalid when the artifact is missing or unreadable."""
    path = ARTIFACTS / f"{name}.json"
    try:
        document = json.loads(path.read_bytes())
        deployed = bytes.fromhex(document["deployedBytecode"].removeprefix("0x"))
        return Artifact(
            name=document["contractName"],
            abi=tuple(document["abi"]),
            bytecode=bytes.fromhex(document["bytecode"].removeprefix("0x")),
            deployed_bytecode=deployed,
            storage_layout=document["storageLayout"],
            digest="0x" + hashlib.sha256(deployed).hexdigest(),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeploymentInvalid(f"the artifact {path} cannot be read: {error}") from error


def _immutable_offsets(code: bytes) -> list[int]:
    """Where the compiler left room for immutables: a PUSH32 of zeros, since zero itself is a PUSH0."""
    offsets, at = [], 0
    while at < len(code):
        opcode = code[at]
        if opcode == _PUSH32 and code[at + 1 : at + 33] == bytes(32):
            offsets.append(at + 1)
        at += 1 + (opcode - _PUSH1 + 1 if _PUSH1 <= opcode <= _PUSH32 else 0)
    return offsets
