"""Other people's contracts, deployed as their packages ship them compiled, on the chain of a World."""

import json
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.types import TxParams, TxReceipt

from tests.contracts.world import GAS_LIMIT, World

PACKAGES = Path(__file__).with_name("peers") / "node_modules"


class PeerFailed(Exception):
    """A peer's transaction reverted: the bench uses it wrongly."""


class Peer:
    """One package's artifacts (Hardhat's form) and what of it is deployed. `by`: who sends everything."""

    def __init__(self, world: World, package: str, by: str = "deployer") -> None:
        self._w3, self.sender = world.w3, world.people[by]
        self._folder = PACKAGES / package
        self._paths = {path.stem: path for path in (self._folder / "artifacts").rglob("*.json")}
        self._libraries: dict[str, str] = {}

    @property
    def version(self) -> str:
        return str(json.loads((self._folder / "package.json").read_bytes())["version"])

    def deploy(self, name: str, *arguments: Any) -> Contract:
        """With the libraries that it is linked to, each deployed once."""
        artifact = self._artifact(name)
        factory = self._w3.eth.contract(abi=artifact["abi"], bytecode=self._linked(artifact))
        receipt = self._mined(name, factory.constructor(*arguments).transact(self._transaction))
        assert receipt["contractAddress"] is not None
        return self._w3.eth.contract(to_checksum_address(receipt["contractAddress"]), abi=artifact["abi"])

    def at(self, name: str, address: str) -> Contract:
        return self._w3.eth.contract(to_checksum_address(address), abi=self._artifact(name)["abi"])

    def send(self, function: ContractFunction) -> int:
        """-> gas used."""
        return int(self._mined(function.fn_name, function.transact(self._transaction))["gasUsed"])

    def ask(self, function: ContractFunction) -> Any:
        return function.call(self._transaction)

    def answer(self, function: ContractFunction) -> Any:
        """What a transaction is about to return, and then the transaction."""
        answer = self.ask(function)
        self.send(function)
        return answer

    @property
    def _transaction(self) -> TxParams:
        return {"from": self.sender, "gas": GAS_LIMIT - 1}

    def _artifact(self, name: str) -> dict[str, Any]:
        artifact: dict[str, Any] = json.loads(self._paths[name].read_bytes())
        return artifact

    def _linked(self, artifact: dict[str, Any]) -> str:
        code = bytearray.fromhex(_without_placeholders(artifact))
        for libraries in artifact["linkReferences"].values():
            for library, places in libraries.items():
                for place in places:
                    code[place["start"] : place["start"] + 20] = bytes.fromhex(self._library(library)[2:])
        return "0x" + code.hex()

    def _library(self, name: str) -> str:
        if name not in self._libraries:
            self._libraries[name] = str(self.deploy(name).address)
        return self._libraries[name]

    def _mined(self, what: str, transaction: Any) -> TxReceipt:
        receipt = self._w3.eth.get_transaction_receipt(transaction)
        if receipt["status"] != 1:
            raise PeerFailed(f"{what} reverted after {receipt['gasUsed']} gas")
        return receipt


def _without_placeholders(artifact: dict[str, Any]) -> str:
    """The bytecode's hexadecimal digits, with zeros where the address of a library goes."""
    code: str = artifact["bytecode"].removeprefix("0x")
    for libraries in artifact["linkReferences"].values():
        for places in libraries.values():
            for place in places:
                start = 2 * place["start"]
                code = code[:start] + "0" * 40 + code[start + 40 :]
    return code
