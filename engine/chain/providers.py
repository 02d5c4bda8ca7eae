"""The endpoint of who may write: what a provider has signed itself, to the contracts that providers write to.

A provider without a node of the chain of its own sends by the engine's endpoint. No API key is asked for, and
none would help: what counts is the signature, and the role that its signer holds on chain.
"""

from typing import Any

from engine.chain.backend import decode_transaction
from engine.chain.client import ChainClient
from engine.chain.contracts import PROVIDER_ROLE
from engine.chain.errors import INVALID_PARAMS, REJECTED, RpcError
from engine.chain.rpc import ReadOnlyRpc

SEND = "eth_sendRawTransaction"
_MOST_GAS = 10_000_000
"""Of one transaction: a tenth of it registers a dataset with thirty purposes."""


class ProvidersRpc(ReadOnlyRpc):
    """Reads as `ReadOnlyRpc`, and passes on what holders of PROVIDER_ROLE signed."""

    def __init__(self, client: ChainClient) -> None:
        super().__init__(client)
        self._client = client

    def _call(self, method: str, params: Any) -> Any:
        return self._pass_on(params) if method == SEND else super()._call(method, params)

    def _pass_on(self, params: Any) -> str:
        """Its hash. Raises RpcError for what is not a provider's, and for what the chain refuses."""
        raw = _raw(params)
        transaction = decode_transaction(raw, self._client.chain_id)
        sender, to = "0x" + transaction.sender.hex(), "0x" + transaction.to.hex()
        contracts = {one.address.lower(): one for one in (self._client.catalog, self._client.scheduler)}
        contract = contracts.get(to)
        if contract is None:
            raise RpcError(REJECTED, f"{to} is not the data catalogue nor the task scheduler: not passed on")
        if transaction.gas > _MOST_GAS:
            raise RpcError(REJECTED, f"{transaction.gas} gas: a transaction may take {_MOST_GAS} here")
        if not contract.has_role(PROVIDER_ROLE, sender):
            raise RpcError(
                REJECTED, f"{sender} does not hold {PROVIDER_ROLE} of {contract.name}: not passed on"
            )
        (outcome,) = self._client.chain.send([raw])
        if isinstance(outcome, RpcError):
            raise outcome
        return outcome


def _raw(params: Any) -> bytes:
    try:
        (text,) = params
        if not text.startswith("0x"):
            raise ValueError("must begin with 0x")
        return bytes.fromhex(text[2:])
    except (ValueError, TypeError, AttributeError) as error:
        raise RpcError(INVALID_PARAMS, f"{SEND}: must have one signed transaction as 0x-hex") from error
