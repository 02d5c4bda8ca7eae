"""The four contracts in Python: one method a contract function, each sending as the role that may."""

from engine.chain.contracts.authorization_registry import AuthorizationRegistry, GrantRefusal, Liveness
from engine.chain.contracts.base import (
    DEFAULT_ADMIN_ROLE,
    PROVIDER_ROLE,
    Bytes32,
    Contract,
    abi_of,
    role_id,
)
from engine.chain.contracts.data_catalog import SENSITIVE_PERSONAL, DataCatalog
from engine.chain.contracts.match_result_store import (
    RECORDINGS,
    Confirmation,
    CoSignature,
    MatchResultStore,
    PayoutRefusal,
    PayoutState,
    Refusal,
    Result,
    recorded_version,
)
from engine.chain.contracts.task_scheduler import TaskKind, TaskOnChain, TaskScheduler, TaskState

__all__ = [
    "DEFAULT_ADMIN_ROLE",
    "PROVIDER_ROLE",
    "RECORDINGS",
    "SENSITIVE_PERSONAL",
    "AuthorizationRegistry",
    "Bytes32",
    "CoSignature",
    "Confirmation",
    "Contract",
    "DataCatalog",
    "GrantRefusal",
    "Liveness",
    "MatchResultStore",
    "PayoutRefusal",
    "PayoutState",
    "Refusal",
    "Result",
    "TaskKind",
    "TaskOnChain",
    "TaskScheduler",
    "TaskState",
    "abi_of",
    "recorded_version",
    "role_id",
]
