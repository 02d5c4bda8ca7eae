"""Contract calls, results, events and errors to and from bytes, as the artifacts' ABIs say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.exceptions import DecodingError, EncodingError
from web3 import Web3
from web3.utils import (
    collapse_if_tuple,
    event_abi_to_log_topic,
    function_abi_to_4byte_selector,
    function_signature_to_4byte_selector,
)

from engine.chain.artifacts import Artifact
from engine.chain.errors import ContractRefused, RpcError

# web3's codec, and not its contract object: that searches the ABI and tries every argument anew at each call,
# which costs 7 to 44 times as much on what a batch encodes and decodes, and it decodes no custom errors.
_CODEC = Web3().codec
encode, decode = _CODEC.encode, _CODEC.decode

_ERROR_STRING = function_signature_to_4byte_selector("Error(string)")
_PANIC = function_signature_to_4byte_selector("Panic(uint256)")


@dataclass(frozen=True, slots=True)
class Signature:
    """A function, event or error: names and types of what goes in, types of what comes out."""

    name: str
    names: tuple[str, ...]
    types: tuple[str, ...]
    indexed: tuple[bool, ...]
    outputs: tuple[str, ...]


class ContractAbi:
    """One contract's ABI. No function of ours is overloaded, so a name is enough to find it."""

    def __init__(self, artifact: Artifact) -> None:
        self._constructor: Signature | None = None
        self._functions: dict[str, tuple[bytes, Signature]] = {}
        self._events: dict[bytes, Signature] = {}
        self.errors: dict[bytes, Signature] = {}
        entry: Any  # web3's helpers take its typed dictionaries; an artifact is plain JSON
        for entry in artifact.abi:
            signature = _signature(entry)
            match entry["type"]:
                case "constructor":
                    self._constructor = signature
                case "function":
                    self._functions[signature.name] = (function_abi_to_4byte_selector(entry), signature)
                case "event":
                    self._events[event_abi_to_log_topic(entry)] = signature
                case "error":
                    self.errors[function_abi_to_4byte_selector(entry)] = signature

    def constructor_data(self, arguments: Sequence[Any]) -> bytes:
        return b"" if self._constructor is None else encode(self._constructor.types, arguments)

    def call_data(self, function: str, arguments: Sequence[Any]) -> bytes:
        """Raises ValueError naming the function when an argument does not fit its type."""
        selector, signature = self._functions[function]
        try:
            return selector + encode(signature.types, arguments)
        except (EncodingError, TypeError, ValueError) as error:
            raise ValueError(f"{function}({', '.join(signature.names)}): {error}") from error

    def result(self, function: str, data: bytes) -> Any:
        """What a view returned: the value, or a tuple where there are several, None where there are none."""
        _, signature = self._functions[function]
        values = decode(signature.outputs, data)
        return values[0] if len(values) == 1 else values or None

    def topics(self, event: str, indexed: Mapping[str, Any]) -> list[str | None]:
        """What to ask a node for: this event with these values of its indexed parameters."""
        topic, signature = next((t, s) for t, s in self._events.items() if s.name == event)
        of_parameters = [
            "0x" + encode([kind], [indexed[name]]).hex() if name in indexed else None
            for name, kind, at in zip(signature.names, signature.types, signature.indexed, strict=True)
            if at
        ]
        return ["0x" + topic.hex(), *of_parameters]

    def event(self, topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]] | None:
        """(name, arguments) of a log, JSON-ready; None for an event the ABI does not declare."""
        signature = self._events.get(topics[0]) if topics else None
        if signature is None:
            return None
        unindexed = iter(
            decode(
                [kind for kind, at in zip(signature.types, signature.indexed, strict=True) if not at], data
            )
        )
        from_topics = iter(topics[1:])
        arguments = {
            name: json_value(kind, decode([kind], next(from_topics))[0] if indexed else next(unindexed))
            for name, kind, indexed in zip(signature.names, signature.types, signature.indexed, strict=True)
        }
        return signature.name, arguments


class RefusalDecoder:
    """Turns revert data into ContractRefused, whichever of the contracts the revert came from.

    Contracts declare some errors alike and name the arguments differently: the first one given wins.
    """

    def __init__(self, abis: Sequence[ContractAbi] = ()) -> None:
        self._errors: dict[bytes, Signature] = {}
        for abi in abis:
            self._errors = abi.errors | self._errors

    def of_error(self, error: RpcError) -> ContractRefused | RpcError:
        """The refusal behind a node's error, or the error itself when no contract spoke."""
        data = error.data or ""
        message = error.message.lower()
        if data.startswith("0x") and len(data) >= 10 and len(data) % 2 == 0:
            return self.of_data(bytes.fromhex(data[2:]))
        if "out of gas" in message:
            return ContractRefused("OutOfGas")
        if "revert" in message:
            return ContractRefused("Reverted")
        return error

    def of_data(self, data: bytes) -> ContractRefused:
        selector, body = data[:4], data[4:]
        try:
            if selector == _ERROR_STRING:
                return ContractRefused("Error", {"message": decode(["string"], body)[0]})
            if selector == _PANIC:
                return ContractRefused("Panic", {"code": decode(["uint256"], body)[0]})
            signature = self._errors.get(selector)
            if signature is not None:
                values = decode(signature.types, body)
                named = zip(signature.names, signature.types, values, strict=True)
                return ContractRefused(signature.name, {name: json_value(kind, v) for name, kind, v in named})
        except DecodingError:
            pass
        return ContractRefused("Unknown", {"data": "0x" + data.hex()})


def json_value(kind: str, value: Any) -> Any:
    """bytes as 0x-hex, addresses with their checksum, sequences as lists; integers and text as they are."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list | tuple):
        return [json_value(kind.removesuffix("[]"), item) for item in value]
    return Web3.to_checksum_address(value) if kind == "address" else value


def _signature(entry: Mapping[str, Any]) -> Signature:
    inputs = entry.get("inputs", ())
    return Signature(
        name=entry.get("name", ""),
        names=tuple(item["name"] for item in inputs),
        types=tuple(collapse_if_tuple(item) for item in inputs),
        indexed=tuple(bool(item.get("indexed")) for item in inputs),
        outputs=tuple(collapse_if_tuple(item) for item in entry.get("outputs", ())),
    )
