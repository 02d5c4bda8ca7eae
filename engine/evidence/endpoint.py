"""An auditor's view of a live chain over JSON-RPC: is the anchor on it, and what has happened since?"""

import itertools
from typing import Any

import httpx
from eth_utils.crypto import keccak

from engine.evidence.anchors import ChainReader
from engine.evidence.bundle import Bundle
from engine.evidence.errors import EndpointUnavailable, ProofInvalid
from engine.evidence.layout import STATE_PAID, STATE_RECORDED, STATE_REVERSED
from engine.evidence.manifest import hex32
from engine.evidence.mpt import Header
from engine.evidence.report import Standing

_TIMEOUT_S = 15.0


class HttpEndpoint:
    """JSON-RPC 2.0 over HTTP. Any EVM node, or the read-only face that `serve` offers."""

    def __init__(self, url: str, client: httpx.Client) -> None:
        self._url = url
        self._client = client
        self._ids = itertools.count(1)

    def request(self, method: str, params: list[Any]) -> Any:
        """The result of one call. Raises EndpointUnavailable on anything but a well-formed answer."""
        call = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        try:
            response = self._client.post(self._url, json=call, timeout=_TIMEOUT_S)
            response.raise_for_status()
            answer = response.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise EndpointUnavailable(f"{self._url} does not answer {method}: {error}") from error
        if not isinstance(answer, dict) or "result" not in answer:
            raise EndpointUnavailable(f"{self._url} refuses {method}: {str(answer)[:200]}")
        return answer["result"]


def check_block(chain: ChainReader, expected_chain_id: int, header: Header) -> str:
    """The endpoint's chain has this very block at this number. Returns the detail."""
    chain_id = _quantity(chain.request("eth_chainId", []), "eth_chainId")
    if chain_id != expected_chain_id:
        raise ProofInvalid(f"the endpoint is on chain {chain_id}, the bundle on {expected_chain_id}")
    block = chain.request("eth_getBlockByNumber", [hex(header.number), False])
    if block is None:
        raise ProofInvalid(f"the endpoint has no block {header.number}")
    if not isinstance(block, dict) or not isinstance(block.get("hash"), str):
        raise EndpointUnavailable("eth_getBlockByNumber: not a block")
    if block["hash"].lower() != hex32(header.hash):
        raise ProofInvalid(f"block {header.number} is {block['hash']} there, {hex32(header.hash)} here")
    return f"block {header.number} {hex32(header.hash)} is on the endpoint's chain"


def check_wiring(chain: ChainReader, bundle: Bundle) -> tuple[str, None]:
    """The result store enforces against the very registry and scheduler of the bundle."""
    for getter, name in (("registry", "AuthorizationRegistry"), ("scheduler", "TaskScheduler")):
        given: bytes = getattr(bundle.chain.contracts, name)
        found = _call(chain, bundle, f"{getter}()", b"")[12:]
        if found != given:
            raise ProofInvalid(
                f"the result store works with {name} 0x{found.hex()}, not with 0x{given.hex()}"
            )
    return "the result store works with this registry and this scheduler", None


def check_standing(chain: ChainReader, bundle: Bundle) -> tuple[str, Standing]:
    """Where the claim stands now. What the bundle proves stays true; is it the last word?"""
    version = int.from_bytes(_call(chain, bundle, "versionOf(bytes32)", bundle.claim_key), "big")
    asked = bundle.claim_key + bundle.version.to_bytes(32, "big")
    state = int.from_bytes(_call(chain, bundle, "payoutStateOf(bytes32,uint32)", asked), "big")
    if version < bundle.version:
        raise ProofInvalid(f"the chain knows version {version} of this claim, not {bundle.version}")
    if version > bundle.version:
        return f"SUPERSEDED since: version {version} is the current one", "superseded"
    if state == STATE_REVERSED:
        return "REVERSED since", "reversed"
    if bundle.chain.confirmed is None and state == STATE_RECORDED:
        return "pays nothing more, neither reversed nor superseded since", "covered"
    if bundle.chain.confirmed is None or state != STATE_PAID:
        raise ProofInvalid(f"the chain has this version in state {state}, the bundle says otherwise")
    return "paid, neither reversed nor superseded since", "paid"


def _call(chain: ChainReader, bundle: Bundle, signature: str, argument: bytes) -> bytes:
    data = "0x" + (keccak(text=signature)[:4] + argument).hex()
    to = "0x" + bundle.chain.contracts.MatchResultStore.hex()
    answer = chain.request("eth_call", [{"to": to, "data": data}, "latest"])
    try:
        word = bytes.fromhex(str(answer).removeprefix("0x"))
    except ValueError as error:
        raise EndpointUnavailable(f"eth_call {signature}: {str(answer)[:80]}") from error
    if len(word) != 32:
        raise ProofInvalid(f"0x{bundle.chain.contracts.MatchResultStore.hex()} there is no result store")
    return word


def _quantity(value: object, method: str) -> int:
    try:
        return int(str(value), 16)
    except ValueError as error:
        raise EndpointUnavailable(f"{method}: {str(value)[:80]} is not a quantity") from error
