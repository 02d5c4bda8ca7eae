"""The one tree of errors that the chain room raises, whichever chain is behind it.

    ChainError
    ├── ChainUnavailable      no answer: refused connection, timeout, HTTP failure, engine shutting down
    ├── ChainLocked           another process holds the embedded chain's file
    ├── WrongChain            chain id, genesis or bytecode is not what the manifest says
    ├── RpcError              the node answered with a JSON-RPC error that is not a revert
    ├── ContractRefused       a contract reverted: error_name and error_args, decoded with the ABI
    ├── TransactionUnknown    sent, and neither mined nor refused within the time allowed
    ├── FeeTooHigh            the network asks more for gas than the ceiling allows; nothing was sent
    ├── TooMuchGas            a call needs more than its share of a block; nothing was sent
    ├── DeploymentInvalid     the deployment manifest cannot be read or contradicts the chain
    └── KeystoreInvalid       a role's key is missing, unreadable or sealed with another passphrase

Every error survives pickling: durable workflows store what a step raised.
"""

from typing import Any

# JSON-RPC 2.0 section 5.1
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
# EIP-1474
SERVER_ERROR = -32000
NOT_FOUND = -32001
REJECTED = -32003
"""EIP-1474 "transaction rejected"."""
READ_ONLY = -32004
"""EIP-1474 "method not supported": a node would do it, a read-only endpoint never does."""
LIMIT_EXCEEDED = -32005
EXECUTION_REVERTED = 3
"""A revert with its data, as geth and Anvil answer it."""


class ChainError(Exception):
    """Base of everything this room raises on purpose."""


class ChainUnavailable(ChainError):
    """No answer from the chain. Retrying later is safe for reads."""


class ChainLocked(ChainError):
    """The embedded chain's file is open in another process."""


class WrongChain(ChainError):
    """The chain is not the one this deployment was made on."""


class DeploymentInvalid(ChainError):
    """The deployment manifest cannot be used."""


class KeystoreInvalid(ChainError):
    """A role's keystore cannot be used."""


class RpcError(ChainError):
    """A JSON-RPC error: code (EIP-1474, or 3 for a revert), message, and data (revert bytes as 0x-hex)."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(code, message, data)
        self.code = code
        self.message = message
        self.data = data

    def __str__(self) -> str:
        return f"{self.message} (code {self.code})"


class ContractRefused(ChainError):
    """A contract reverted, before or after mining; nothing changed on chain.

    error_name: the Solidity custom error, or `Error` (a require string), `Panic`, `Reverted` (no reason
    given), `Unknown` (a selector no artifact declares; error_args holds `data`), `OutOfGas`.
    error_args: by parameter name, bytes as 0x-hex, integers as int.
    """

    def __init__(self, error_name: str, error_args: dict[str, Any] | None = None) -> None:
        self.error_name = error_name
        self.error_args: dict[str, Any] = error_args or {}
        super().__init__(error_name, self.error_args)

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.error_args.items())
        return f"{self.error_name}({shown})"


class TransactionUnknown(ChainError):
    """Sent, not seen mined in time. Calling again looks on chain first and never pays twice."""

    def __init__(self, tx_hash: str, nonce: int, role: str) -> None:
        super().__init__(tx_hash, nonce, role)
        self.tx_hash = tx_hash
        self.nonce = nonce
        self.role = role

    def __str__(self) -> str:
        return f"transaction {self.tx_hash} of {self.role} (nonce {self.nonce}) was sent and not seen mined"


class FeeTooHigh(ChainError):
    """Nothing was sent. Prices fall again: calling later is safe. Both in wei a unit of gas."""

    def __init__(self, asked: int, ceiling: int) -> None:
        super().__init__(asked, ceiling)
        self.asked = asked
        self.ceiling = ceiling

    def __str__(self) -> str:
        return f"the network asks {self.asked} wei a gas, the ceiling is {self.ceiling}: nothing was sent"


class TooMuchGas(ChainError):
    """Nothing was sent: the same in smaller parts would fit. Both in units of gas."""

    def __init__(self, needed: int, allowed: int) -> None:
        super().__init__(needed, allowed)
        self.needed = needed
        self.allowed = allowed

    def __str__(self) -> str:
        return f"the call needs {self.needed} gas, a transaction of ours may take {self.allowed}"
