"""Bytes and names: errors decoded with the ABI, enums as Solidity numbers them, errors that pickle."""

import pickle
import re
from enum import IntEnum

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from engine.chain import contracts
from engine.chain.abi import RefusalDecoder
from engine.chain.artifacts import DEPLOY_ORDER, load_artifact
from engine.chain.errors import ChainError, ContractRefused, DeploymentInvalid, RpcError, TransactionUnknown
from tests.support.process import REPOSITORY

INTERFACES = REPOSITORY / "contracts" / "src" / "interfaces"
_ENUM = re.compile(r"^enum (\w+) \{(.*?)^\}", re.DOTALL | re.MULTILINE)
DECODER = RefusalDecoder()


def _solidity_enums() -> dict[str, list[str]]:
    found = {}
    for path in INTERFACES.glob("*.sol"):
        for name, body in _ENUM.findall(path.read_text()):
            found[name] = re.findall(r"^\s*(\w+)", body, re.MULTILINE)
    return found


@pytest.mark.parametrize("name", sorted(_solidity_enums()))
def test_an_enum_counts_as_solidity_counts_it(name: str) -> None:
    ours: type[IntEnum] = getattr(contracts, name)
    solidity = [re.sub(r"(?<!^)(?=[A-Z])", "_", member).upper() for member in _solidity_enums()[name]]
    assert [(member.name, member.value) for member in ours] == [(n, i) for i, n in enumerate(solidity)]


def _refusal(data: bytes, message: str = "execution reverted") -> ChainError:
    return DECODER.of_error(RpcError(3, message, "0x" + data.hex()))


_SAMPLES = {"address": "0x" + "11" * 20, "bool": True, "bytes32": b"\x11" * 32, "string": "text"}


def test_every_error_that_a_contract_declares_is_decoded_with_its_own_names() -> None:
    for name in DEPLOY_ORDER:
        abi, refusals = contracts.abi_of(name)
        for selector, signature in abi.errors.items():
            data = selector + encode(signature.types, [_SAMPLES.get(kind, 1) for kind in signature.types])
            refused = refusals.of_data(data)
            assert refused.error_name == signature.name
            assert list(refused.error_args) == list(signature.names)


def test_an_error_of_another_contract_is_decoded_too() -> None:
    """Recording asks the registry and the scheduler: their errors come through the store."""
    data = keccak(text="NotLive(bytes32,uint8)")[:4] + encode(["bytes32", "uint8"], [b"", 2])
    refused = contracts.abi_of("MatchResultStore")[1].of_data(data)
    assert (refused.error_name, refused.error_args["reason"]) == ("NotLive", contracts.Liveness.REVOKED)


@pytest.mark.parametrize(
    ("data", "name", "arguments"),
    [
        (keccak(text="Error(string)")[:4] + encode(["string"], ["no"]), "Error", {"message": "no"}),
        (keccak(text="Panic(uint256)")[:4] + encode(["uint256"], [0x11]), "Panic", {"code": 0x11}),
        (bytes.fromhex("deadbeef"), "Unknown", {"data": "0xdeadbeef"}),
        (keccak(text="Error(string)")[:4] + b"\x01", "Unknown", {"data": "0x08c379a001"}),
    ],
)
def test_revert_data_of_every_shape_becomes_a_refusal(data: bytes, name: str, arguments: object) -> None:
    refused = _refusal(data)
    assert isinstance(refused, ContractRefused)
    assert (refused.error_name, refused.error_args) == (name, arguments)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (RpcError(3, "execution reverted", "0x"), "Reverted"),
        (RpcError(-32000, "execution reverted"), "Reverted"),
        (RpcError(-32000, "out of gas"), "OutOfGas"),
    ],
)
def test_a_failure_without_data_is_a_refusal_too(error: RpcError, name: str) -> None:
    refused = DECODER.of_error(error)
    assert isinstance(refused, ContractRefused)
    assert refused.error_name == name


def test_an_error_that_no_contract_spoke_stays_the_nodes() -> None:
    error = RpcError(-32000, "insufficient funds for gas")
    assert DECODER.of_error(error) is error


@pytest.mark.parametrize(
    "error",
    [
        RpcError(-32000, "nope", "0x12"),
        ContractRefused("ItemRefused", {"index": 1}),
        TransactionUnknown("0x12", 3, "payer"),
        DeploymentInvalid("no"),
    ],
)
def test_an_error_survives_pickling(error: ChainError) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    assert (type(again), again.args, str(again), vars(again)) == (
        type(error), error.args, str(error), vars(error),
    )  # fmt: skip


def test_a_missing_artifact_is_named() -> None:
    with pytest.raises(DeploymentInvalid, match=r"Nothing\.json"):
        load_artifact("Nothing")
