"""What the four contracts have in common in Python: where one is, how to call it, and its roles."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from eth_utils.crypto import keccak

from engine.chain.abi import ContractAbi, RefusalDecoder
from engine.chain.artifacts import DEPLOY_ORDER, load_artifact
from engine.chain.errors import ContractRefused, RpcError
from engine.chain.keys import GOVERNOR, PAUSER
from engine.chain.sender import Call, TxRef
from engine.chain.transport import Chain

Bytes32 = bytes | str
"""32 bytes, or "0x" and 64 hexadecimal digits."""

DEFAULT_ADMIN_ROLE = "DEFAULT_ADMIN_ROLE"
PROVIDER_ROLE = "PROVIDER_ROLE"
"""Of the data catalogue and of the task scheduler."""


class Contract:
    """A writing method returns when the transaction is mined.

    It raises ContractRefused, TransactionUnknown or ChainUnavailable. Ids, digests and keys are 32 bytes,
    given as bytes or 0x-hex; views return bytes. Times are whole seconds since 1970.
    """

    name: str

    def __init__(self, address: str, chain: Chain, send: Callable[[str, Call], TxRef]) -> None:
        self.address = address
        self.abi, self._refusals = abi_of(self.name)
        self._chain = chain
        self._send_as = send

    def has_role(self, role: str, account: str) -> bool:
        return bool(self._call("hasRole", role_id(role), account))

    def announce_role_change(self, role: str, account: str, *, grants: bool) -> TxRef:
        """By the governor: `account` is to get or to lose the role, two days from now at the earliest."""
        return self._send(GOVERNOR, "announceRoleChange", role_id(role), account, grants)

    def withdraw_role_change(self, role: str, account: str, *, grants: bool) -> TxRef:
        """By the governor."""
        return self._send(GOVERNOR, "withdrawRoleChange", role_id(role), account, grants)

    def role_change_not_before(self, role: str, account: str, *, grants: bool) -> int:
        """When an announced change may be carried out; 0: none is announced."""
        return int(self._call("roleChangeNotBefore", role_id(role), account, grants))

    def appoint(self, role: str, account: str) -> int | None:
        """The next step towards the account's holding the role: announce it, or carry out what was announced.

        None: the account holds it. Else from when on it can be carried out, in seconds since 1970; the chain
        is asked for the time, and an announcement that has become stale is made anew. Raises ContractRefused.
        """
        if self.has_role(role, account):
            return None
        if self.role_change_not_before(role, account, grants=True):
            try:
                self.grant_role(role, account)
            except ContractRefused as refused:
                if refused.error_name == "RoleChangeTooEarly":
                    return self.role_change_not_before(role, account, grants=True)
                if refused.error_name != "RoleChangeStale":
                    raise
            else:
                return None
        self.announce_role_change(role, account, grants=True)
        return self.role_change_not_before(role, account, grants=True)

    def grant_role(self, role: str, account: str) -> TxRef:
        """By the governor, once announced. Refused (AlreadyHoldsRole) for an account with another role."""
        return self._send(GOVERNOR, "grantRole", role_id(role), account)

    def revoke_role(self, role: str, account: str) -> TxRef:
        """By the governor, once announced."""
        return self._send(GOVERNOR, "revokeRole", role_id(role), account)

    def pause(self) -> TxRef:
        """By the pauser: whatever creates or grants is refused from now on; what withdraws is not."""
        return self._send(PAUSER, "pause")

    def unpause(self) -> TxRef:
        """By the governor."""
        return self._send(GOVERNOR, "unpause")

    def paused(self) -> bool:
        return bool(self._call("paused"))

    def encode(self, function: str, *arguments: Any) -> Call:
        return Call(self.address, self.abi.call_data(function, arguments), self._refusals)

    def _send(self, role: str, function: str, *arguments: Any) -> TxRef:
        return self._send_as(role, self.encode(function, *arguments))

    def _call(self, function: str, *arguments: Any, at: str = "latest") -> Any:
        call = self.encode(function, *arguments)
        try:
            answer = self._chain.request("eth_call", [{"to": call.to, "data": "0x" + call.data.hex()}, at])
        except RpcError as error:
            raise self._refusals.of_error(error) from error
        return self.abi.result(function, bytes.fromhex(answer[2:]))


@cache
def abi_of(name: str) -> tuple[ContractAbi, RefusalDecoder]:
    """A contract's ABI, and a reader of what calling it may revert with: its own errors, then the others'."""
    own = ContractAbi(load_artifact(name))
    return own, RefusalDecoder([own, *(ContractAbi(load_artifact(other)) for other in DEPLOY_ORDER)])


def role_id(name: str) -> bytes:
    """`ENROLMENT_ROLE` -> the 32 bytes that the contracts know it by; OpenZeppelin's admin role is zero."""
    return bytes(32) if name == DEFAULT_ADMIN_ROLE else keccak(text=name)


def word(value: Bytes32) -> bytes:
    raw = bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else value
    if len(raw) != 32:
        raise ValueError(f"expected 32 bytes, got {len(raw)}")
    return raw


def words(values: Sequence[Bytes32]) -> list[bytes]:
    return [word(value) for value in values]
