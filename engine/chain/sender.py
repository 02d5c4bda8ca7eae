"""Sending as one role: its key, its nonces, its fees, and what became of what was sent."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eth_account.signers.local import LocalAccount

from engine.chain.abi import RefusalDecoder
from engine.chain.errors import ChainUnavailable, ContractRefused, RpcError, TransactionUnknown
from engine.chain.transport import Chain

EMBEDDED_GAS = 30_000_000
"""Gas limit on a chain that checks before sending, where gas costs nothing and an estimate costs a run."""
_POLL_FIRST_S, _POLL_LAST_S = 0.05, 1.0
_RESEND_AFTER_S = 5.0


@dataclass(frozen=True, slots=True)
class TxRef:
    """A mined transaction."""

    tx_hash: str
    block_number: int
    gas_used: int


@dataclass(frozen=True, slots=True)
class Call:
    """What to execute: `to` is None for a contract creation; `refusals` reads what it may revert with."""

    to: str | None
    data: bytes
    refusals: RefusalDecoder = field(default_factory=RefusalDecoder, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class _Sent:
    call: Call
    nonce: int
    raw: bytes
    tx_hash: str


@dataclass(frozen=True, slots=True)
class SendPolicy:
    """timeout_s: how long to wait for mining before TransactionUnknown; gas_margin: on top of an estimate."""

    timeout_s: float = 60.0
    gas_margin: float = 1.25
    sleep: Callable[[float], None] = time.sleep
    elapsed: Callable[[], float] = time.monotonic


class Sender:
    """One role's transactions, one at a time. Thread-safe.

    A transaction whose fate stays unknown is settled before anything else is sent: looked up by hash and
    nonce, and sent again as the same bytes, so that it can be mined once only.
    """

    def __init__(
        self,
        chain: Chain,
        chain_id: int,
        role: str,
        account: LocalAccount,
        policy: SendPolicy,
    ) -> None:
        self._chain = chain
        self._chain_id = chain_id
        self._role = role
        self._account = account
        self._policy = policy
        self._lock = threading.Lock()
        self._unsettled: _Sent | None = None

    @property
    def address(self) -> str:
        return self._account.address

    def send(self, call: Call) -> TxRef:
        """Mine one call. Raises ContractRefused, TransactionUnknown, ChainUnavailable, RpcError."""
        with self._lock:
            earlier = self._settle_earlier(call)
            return earlier if earlier is not None else self._send_new(call)

    def send_group(self, calls: list[Call]) -> list[TxRef]:
        """Mine calls in order: in one block where the chain checks before sending, else one by one.

        Stops at the first refusal and raises it; what was mined before it stays.
        """
        if not self._chain.checks_before_sending:
            return [self.send(call) for call in calls]
        with self._lock:
            self._settle_earlier(None)
            nonce = self._nonce()
            sent = [self._sign(call, nonce + offset, EMBEDDED_GAS) for offset, call in enumerate(calls)]
            outcomes = self._chain.send([one.raw for one in sent])
            for call, outcome in zip(calls, outcomes, strict=True):
                if isinstance(outcome, RpcError):
                    raise call.refusals.of_error(outcome)
            return [self._await(one) for one in sent]

    def _send_new(self, call: Call) -> TxRef:
        gas = self._gas(call)
        for last in (False, True):
            sent = self._sign(call, self._nonce(), gas)
            try:
                (outcome,) = self._chain.send([sent.raw])
            except ChainUnavailable:
                return self._await(sent)
            if not isinstance(outcome, RpcError):
                return self._await(sent)
            if last or not _about_nonce(outcome):
                raise call.refusals.of_error(outcome)
        raise AssertionError("unreachable")

    def _settle_earlier(self, call: Call | None) -> TxRef | None:
        """Decide the fate of an unknown transaction; its TxRef when it is the very call asked for now."""
        earlier = self._unsettled
        if earlier is None:
            return None
        mined_nonces = int(self._chain.request("eth_getTransactionCount", [self.address, "latest"]), 16)
        receipt = self._receipt(earlier)
        if receipt is None and mined_nonces > earlier.nonce:
            # Another transaction took its nonce: it can never be mined any more.
            self._unsettled = None
            return None
        try:
            mined = self._await(earlier)
        except ContractRefused:
            if earlier.call == call:
                raise
            return None
        return mined if earlier.call == call else None

    def _await(self, sent: _Sent) -> TxRef:
        """Wait until mined, handing the same bytes over again now and then. Raises TransactionUnknown."""
        self._unsettled = sent
        started, pause, resend_at = self._policy.elapsed(), _POLL_FIRST_S, _RESEND_AFTER_S
        while True:
            try:
                receipt = self._receipt(sent)
                if receipt is not None:
                    self._unsettled = None
                    return self._outcome(sent, receipt)
                if self._policy.elapsed() - started > resend_at:
                    resend_at += _RESEND_AFTER_S
                    self._chain.send([sent.raw])
            except ChainUnavailable:
                pass
            if self._policy.elapsed() - started > self._policy.timeout_s:
                raise TransactionUnknown(sent.tx_hash, sent.nonce, self._role)
            self._policy.sleep(pause)
            pause = min(2 * pause, _POLL_LAST_S)

    def _receipt(self, sent: _Sent) -> dict[str, Any] | None:
        receipt: dict[str, Any] | None = self._chain.request("eth_getTransactionReceipt", [sent.tx_hash])
        return receipt

    def _outcome(self, sent: _Sent, receipt: dict[str, Any]) -> TxRef:
        block_number = int(receipt["blockNumber"], 16)
        if int(receipt["status"], 16) == 1:
            return TxRef(sent.tx_hash, block_number, int(receipt["gasUsed"], 16))
        # Mined and reverted: run it again where it ran, to learn why; and on top of its block, in case
        # the reason was mined in the same one.
        for before in (block_number - 1, block_number):
            try:
                self._chain.request("eth_call", [self._as_request(sent.call), hex(before)])
            except RpcError as error:
                raise sent.call.refusals.of_error(error) from error
        raise ContractRefused("Reverted", {"tx_hash": sent.tx_hash})

    def _gas(self, call: Call) -> int:
        if self._chain.checks_before_sending:
            return EMBEDDED_GAS
        try:
            estimate = self._chain.request("eth_estimateGas", [self._as_request(call)])
        except RpcError as error:
            raise call.refusals.of_error(error) from error
        return int(int(estimate, 16) * self._policy.gas_margin)

    def _as_request(self, call: Call) -> dict[str, str]:
        request = {"from": self.address, "data": "0x" + call.data.hex()}
        return request if call.to is None else request | {"to": call.to}

    def _nonce(self) -> int:
        """Asked every time: a number remembered is wrong after a reorganisation or another process's send."""
        return int(self._chain.request("eth_getTransactionCount", [self.address, "pending"]), 16)

    def _sign(self, call: Call, nonce: int, gas: int) -> _Sent:
        transaction: dict[str, Any] = {
            "chainId": self._chain_id,
            "nonce": nonce,
            "gas": gas,
            "value": 0,
            "data": call.data,
            **self._fees(),
        }
        if call.to is not None:
            transaction["to"] = call.to
        signed = self._account.sign_transaction(transaction)
        return _Sent(call, nonce, bytes(signed.raw_transaction), "0x" + bytes(signed.hash).hex())

    def _fees(self) -> dict[str, int]:
        """EIP-1559: twice the current price plus the tip outlasts six full blocks of rising base fee."""
        price = int(self._chain.request("eth_gasPrice", []), 16)
        try:
            tip = int(self._chain.request("eth_maxPriorityFeePerGas", []), 16)
        except RpcError:
            return {"gasPrice": price}
        return {"maxPriorityFeePerGas": tip, "maxFeePerGas": 2 * price + tip}


def _about_nonce(error: RpcError) -> bool:
    return "nonce" in error.message.lower()
