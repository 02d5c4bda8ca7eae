"""Sending as one role: its key, its nonces, its fees, and what became of what was sent."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eth_account.signers.local import LocalAccount

from engine.chain.abi import RefusalDecoder
from engine.chain.errors import (
    ChainUnavailable,
    ContractRefused,
    FeeTooHigh,
    RpcError,
    TooMuchGas,
    TransactionUnknown,
)
from engine.chain.fees import FeePolicy, Fees
from engine.chain.transport import Chain

EMBEDDED_GAS = 30_000_000
"""Gas limit on a chain that checks before sending, where gas costs nothing and an estimate costs a run."""
_POLL_FIRST_S, _POLL_LAST_S = 0.05, 1.0
_RESEND_AFTER_S = 5.0
_NONCE_ATTEMPTS = 3
_HELD = ("already known", "already imported", "already in mempool", "already exists", "known transaction")
"""How geth, Anvil, CometBFT and older nodes say that a transaction is in their pool."""
_REMEMBERED = 64
"""Mined transactions whose bytes are kept, in case a reorganisation undoes them."""


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
class SendPolicy:
    """timeout_s: how long to wait for mining before TransactionUnknown; gas_margin: on top of an estimate.

    gas_share: of a block's gas limit, what one call may take at most (a contract creation may take all).
    raise_after_s: unmined for so long, a transaction is replaced by the same one with a higher bid.
    """

    timeout_s: float = 60.0
    gas_margin: float = 1.25
    gas_share: float = 0.5
    raise_after_s: float = 20.0
    fees: FeePolicy = field(default_factory=FeePolicy)
    sleep: Callable[[float], None] = time.sleep
    elapsed: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class _Signed:
    raw: bytes
    tx_hash: str
    fees: Fees


@dataclass(slots=True, eq=False)
class _Flight:
    """One call under one nonce. Its bids differ in their fees only, so that at most one can be mined."""

    call: Call
    nonce: int
    gas: int
    bids: list[_Signed]
    watched: bool = True
    """Somebody waits for it; if not, the next sending settles it first."""


class Sender:
    """One role's transactions, several at a time, each under a nonce of its own. Thread-safe.

    A nonce is given to another payload only when the first is proven dead: refused when it was handed over,
    or overtaken, with no receipt anywhere. A transaction whose fate stays unknown, or that a reorganisation
    has undone, is settled before anything else is sent: looked up by hash and nonce, and sent again as the
    same bytes, so that it can be mined once only.
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
        """Held to settle and to hand over, not to wait for what was handed over."""
        self._flights: dict[int, _Flight] = {}
        self._mined: dict[int, _Flight] = {}

    @property
    def address(self) -> str:
        return self._account.address

    def send(self, call: Call) -> TxRef:
        """Mine one call. From several threads, several are under way at once.

        Raises ContractRefused, TransactionUnknown, TooMuchGas, FeeTooHigh, ChainUnavailable, RpcError.
        """
        with self._lock:
            earlier = self._settle(call)
        if earlier is not None:
            return earlier
        gas = self._gas(call)
        with self._lock:
            earlier = self._settle(call)
            if earlier is not None:
                return earlier
            flight = self._launch(call, gas)
        return self._await(flight)

    def send_group(self, calls: list[Call]) -> list[TxRef]:
        """Mine calls in order: in one block where the chain checks before sending, else one by one.

        Stops at the first refusal and raises it; what was mined before it stays.
        """
        if not self._chain.checks_before_sending:
            return [self.send(call) for call in calls]
        with self._lock:
            self._settle(None)
            fees, nonce = self._quote(), self._free_nonce()
            flights = [
                self._sign(call, nonce + offset, EMBEDDED_GAS, fees) for offset, call in enumerate(calls)
            ]
            outcomes = self._chain.send([flight.bids[0].raw for flight in flights])
            for call, outcome in zip(calls, outcomes, strict=True):
                if isinstance(outcome, RpcError):
                    raise call.refusals.of_error(outcome)
        return [self._await(flight) for flight in flights]

    # Handing over

    def _launch(self, call: Call, gas: int) -> _Flight:
        fees = self._quote()
        for attempts_left in reversed(range(_NONCE_ATTEMPTS)):
            flight = self._sign(call, self._free_nonce(), gas, fees)
            # In the book before it leaves: whatever ends this call, the next one looks for it.
            self._flights[flight.nonce] = flight
            try:
                (outcome,) = self._chain.send([flight.bids[0].raw])
            except ChainUnavailable:
                return flight
            except BaseException:
                flight.watched = False
                raise
            if not isinstance(outcome, RpcError) or _is_held(outcome):
                return flight
            del self._flights[flight.nonce]
            if attempts_left == 0 or not _about_nonce(outcome):
                raise call.refusals.of_error(outcome)
        raise AssertionError("unreachable")

    def _free_nonce(self) -> int:
        """The lowest that neither a block nor the node's pool nor a flight of ours has taken.

        A gap, where a transaction of another process was dropped, is thereby filled and holds up nothing.
        """
        nonce = self._count("pending")
        while nonce in self._flights:
            nonce += 1
        return nonce

    def _sign(self, call: Call, nonce: int, gas: int, fees: Fees) -> _Flight:
        return _Flight(call, nonce, gas, [self._bid(call, nonce, gas, fees)])

    def _bid(self, call: Call, nonce: int, gas: int, fees: Fees) -> _Signed:
        transaction: dict[str, Any] = {
            "chainId": self._chain_id,
            "nonce": nonce,
            "gas": gas,
            "value": 0,
            "data": call.data,
            **fees,
        }
        if call.to is not None:
            transaction["to"] = call.to
        signed = self._account.sign_transaction(transaction)
        return _Signed(bytes(signed.raw_transaction), "0x" + bytes(signed.hash).hex(), fees)

    def _gas(self, call: Call) -> int:
        if self._chain.checks_before_sending:
            return EMBEDDED_GAS
        try:
            estimate = int(self._chain.request("eth_estimateGas", [self._as_request(call)]), 16)
        except RpcError as error:
            raise call.refusals.of_error(error) from error
        gas = int(estimate * self._policy.gas_margin)
        limit = int(self._head()["gasLimit"], 16)
        if not limit:
            return gas  # some networks name no limit
        allowed = limit if call.to is None else int(limit * self._policy.gas_share)
        if estimate > allowed:
            raise TooMuchGas(estimate, allowed)
        return min(gas, limit)

    def _as_request(self, call: Call) -> dict[str, str]:
        request = {"from": self.address, "data": "0x" + call.data.hex()}
        return request if call.to is None else request | {"to": call.to}

    def _quote(self) -> Fees:
        return self._policy.fees.quote(self._chain, self._head())

    def _head(self) -> dict[str, Any]:
        head: dict[str, Any] = self._chain.request("eth_getBlockByNumber", ["latest", False])
        return head

    def _count(self, tag: str) -> int:
        return int(self._chain.request("eth_getTransactionCount", [self.address, tag]), 16)

    # Settling what nobody waits for any more

    def _settle(self, call: Call | None) -> TxRef | None:
        """Decide the fate of every unknown transaction; the TxRef of the one that is the very call asked for.

        Raises TransactionUnknown while the fate of one cannot be decided.
        """
        self._take_back_undone()
        same = None
        for flight in self._in_order():
            if flight.watched or self._is_dead(flight):
                continue
            pooled = self._count("pending")
            if self._receipt_anywhere(flight) is None:
                if pooled < flight.nonce:
                    continue  # it waits behind a gap, which the next call fills
                self._hand_over_again(flight)
            try:
                mined = self._await(flight)
            except ContractRefused:
                if flight.call == call:
                    raise
                continue
            same = mined if flight.call == call else same
        return same

    def _take_back_undone(self) -> None:
        """What was mined and is not any more, by a reorganisation, is under way again."""
        if not self._mined:
            return
        count = self._count("latest")
        for nonce in [nonce for nonce in list(self._mined) if nonce >= count]:
            flight = self._mined.pop(nonce)
            self._flights.setdefault(nonce, flight)

    def _is_dead(self, flight: _Flight) -> bool:
        """Whether another transaction took its nonce, so that it can never be mined; forgets it then.

        Asked twice: a node may count a transaction a moment before it finds its receipt.
        """
        for _ in range(2):
            overtaken = self._count("latest") > flight.nonce
            if not overtaken or self._receipt_anywhere(flight) is not None:
                return False
            self._policy.sleep(_POLL_FIRST_S)
        self._flights.pop(flight.nonce, None)
        return True

    def _in_order(self) -> list[_Flight]:
        return sorted(self._flights.values(), key=lambda flight: flight.nonce)

    # Waiting

    def _await(self, flight: _Flight) -> TxRef:
        """Wait until mined, nudging it now and then. Raises ContractRefused, TransactionUnknown."""
        flight.watched = True
        self._flights[flight.nonce] = flight
        try:
            receipt = self._receipt_in_time(flight)
        except BaseException:
            flight.watched = False
            raise
        self._mined[flight.nonce] = flight
        if len(self._mined) > _REMEMBERED:
            self._mined.pop(min(self._mined), None)
        flight.watched = False
        self._flights.pop(flight.nonce, None)
        return self._outcome(flight, receipt)

    def _receipt_in_time(self, flight: _Flight) -> dict[str, Any]:
        started, pause = self._policy.elapsed(), _POLL_FIRST_S
        again_at, raise_at = _RESEND_AFTER_S, self._policy.raise_after_s
        while True:
            waited = self._policy.elapsed() - started
            try:
                receipt = self._receipt(flight)
                if receipt is None and waited > again_at:
                    again_at += _RESEND_AFTER_S
                    receipt = self._receipt_anywhere(flight)
                    if receipt is None:
                        self._hand_over_again(flight)
                if receipt is not None:
                    return receipt
                if waited > raise_at:
                    raise_at += self._policy.raise_after_s
                    self._bid_more(flight)
            except (ChainUnavailable, RpcError, FeeTooHigh):
                pass  # whatever keeps us from asking, its fate is open until the time is over
            if waited > self._policy.timeout_s:
                raise TransactionUnknown(flight.bids[-1].tx_hash, flight.nonce, self._role)
            self._policy.sleep(pause)
            pause = min(2 * pause, _POLL_LAST_S)

    def _hand_over_again(self, flight: _Flight) -> None:
        """The same bytes, after those that it has to wait for: a node may have dropped any of them."""
        for one in self._in_order():
            if one.nonce <= flight.nonce:
                try:
                    self._chain.send([one.bids[-1].raw])
                except ChainUnavailable:
                    return

    def _bid_more(self, flight: _Flight) -> None:
        """Replace a stuck transaction: same call, same nonce, a higher bid."""
        fees = self._policy.fees.raised(flight.bids[-1].fees, self._quote())
        if fees is None:
            return
        bid = self._bid(flight.call, flight.nonce, flight.gas, fees)
        flight.bids.append(bid)
        (outcome,) = self._chain.send([bid.raw])
        if isinstance(outcome, RpcError) and not _is_held(outcome):
            flight.bids.remove(bid)

    def _receipt(self, flight: _Flight) -> dict[str, Any] | None:
        for bid in flight.bids:
            receipt: dict[str, Any] | None = self._chain.request("eth_getTransactionReceipt", [bid.tx_hash])
            if receipt is not None:
                return receipt
        return None

    def _receipt_anywhere(self, flight: _Flight) -> dict[str, Any] | None:
        """From any endpoint: one that took it may have answered nobody."""
        for bid in flight.bids:
            for receipt in self._chain.everywhere("eth_getTransactionReceipt", [bid.tx_hash]):
                if receipt is not None:
                    found: dict[str, Any] = receipt
                    return found
        return None

    def _outcome(self, flight: _Flight, receipt: dict[str, Any]) -> TxRef:
        block_number = int(receipt["blockNumber"], 16)
        if int(receipt["status"], 16) == 1:
            return TxRef(receipt["transactionHash"], block_number, int(receipt["gasUsed"], 16))
        # Mined and reverted: run it again where it ran, to learn why; then after what else its block held.
        for number in (block_number - 1, block_number):
            try:
                self._chain.request("eth_call", [self._as_request(flight.call), hex(number)])
            except RpcError as error:
                raise flight.call.refusals.of_error(error) from error
        raise ContractRefused("Reverted", {"tx_hash": receipt["transactionHash"]})


def _about_nonce(error: RpcError) -> bool:
    return any(word in error.message.lower() for word in ("nonce", "replacement"))


def _is_held(error: RpcError) -> bool:
    """The node has these very bytes already: from an earlier hand-over whose answer was lost."""
    return any(word in error.message.lower() for word in _HELD)
