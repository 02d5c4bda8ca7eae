"""What a transaction bids: by the network's own prices, by a fixed one, or nothing; never over a ceiling."""

from dataclasses import dataclass
from typing import Any

from engine.chain.errors import FeeTooHigh, RpcError
from engine.chain.transport import Chain

Fees = dict[str, int]
"""The fee fields of a transaction, in wei a gas: EIP-1559's two, or the one of before."""

_TIP_WHERE_NONE_IS_NAMED = 0


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """All in wei a unit of gas.

    gas_price: fixed, for networks that agreed on one; 0 where gas costs nothing. It is never raised.
    max_fee: where the network asks for more, nothing is sent. max_tip: what the block's maker gets at most.
    """

    gas_price: int | None = None
    max_fee: int | None = None
    max_tip: int | None = None

    def quote(self, chain: Chain, head: dict[str, Any]) -> Fees:
        """What to bid after the block `head`. Raises FeeTooHigh, RpcError, ChainUnavailable."""
        if self.gas_price is not None:
            return self._allowed({"gasPrice": self.gas_price}, self.gas_price)
        if head.get("baseFeePerGas") is None:
            price = int(chain.request("eth_gasPrice", []), 16)
            return self._allowed({"gasPrice": price}, price)
        base = int(head["baseFeePerGas"], 16)
        tip = self._tip(chain, base)
        # Twice the current price outlasts six full blocks of rising base fee.
        bid = 2 * base + tip
        fees = {
            "maxPriorityFeePerGas": tip,
            "maxFeePerGas": bid if self.max_fee is None else min(bid, self.max_fee),
        }
        return self._allowed(fees, base)

    def raised(self, before: Fees, now: Fees) -> Fees | None:
        """A bid that replaces `before`: an eighth more, or `now` where that is more. None: none may be made.

        Nodes take a replacement that bids a tenth more in every field.
        """
        if (
            self.gas_price is not None
            or before.keys() != now.keys()
            or not any((*before.values(), *now.values()))
        ):
            return None
        fees = {name: max(bid + bid // 8 + 1, now[name]) for name, bid in before.items()}
        ceilings = {
            "gasPrice": self.max_fee,
            "maxFeePerGas": self.max_fee,
            "maxPriorityFeePerGas": self.max_tip,
        }
        return None if any(_over(bid, ceilings[name]) for name, bid in fees.items()) else fees

    def _tip(self, chain: Chain, base: int) -> int:
        """As the node suggests, within both ceilings: the base fee is asked, a tip is offered."""
        try:
            tip = int(chain.request("eth_maxPriorityFeePerGas", []), 16)
        except RpcError:
            tip = _TIP_WHERE_NONE_IS_NAMED
        ceilings = [self.max_tip, None if self.max_fee is None else max(0, self.max_fee - base)]
        return min([tip, *(ceiling for ceiling in ceilings if ceiling is not None)])

    def _allowed(self, fees: Fees, asked: int) -> Fees:
        if self.max_fee is not None and asked > self.max_fee:
            raise FeeTooHigh(asked, self.max_fee)
        return fees


def _over(bid: int, ceiling: int | None) -> bool:
    return ceiling is not None and bid > ceiling
