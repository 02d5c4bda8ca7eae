"""That the four contracts know each other, and nobody else in each other's place."""

from collections.abc import Mapping

from engine.chain.artifacts import CATALOG, REGISTRY, RESULTS, SCHEDULER
from engine.chain.contracts import abi_of
from engine.chain.errors import WrongChain
from engine.chain.transport import Chain

_WIRES = ((SCHEDULER, "catalog", CATALOG), (RESULTS, "registry", REGISTRY), (RESULTS, "scheduler", SCHEDULER))
"""(contract, its view, the contract that the view must name)."""


def check_wiring(chain: Chain, addresses: Mapping[str, str]) -> None:
    """Raises WrongChain for a manifest that was put together from several deployments."""
    for name, view, other in _WIRES:
        abi, _ = abi_of(name)
        call = {"to": addresses[name], "data": "0x" + abi.call_data(view, ()).hex()}
        named = abi.result(view, bytes.fromhex(chain.request("eth_call", [call, "latest"])[2:]))
        if named.lower() != addresses[other].lower():
            raise WrongChain(f"{name}.{view}() is {named}, the manifest names {addresses[other]}")
