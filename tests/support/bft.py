"""A real network for tests that tolerates Byzantine faults: four CometBFT validators, processes on loopback.

The program is `injectived`, out of a wheel whose licence (BUSL-1.1) allows tests and no production. It comes
with `make bft` beside the project's own environment, and nothing that is shipped knows of it.
"""

import itertools
import json
import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account

from engine.chain.errors import ChainUnavailable, RpcError
from engine.chain.transport import HttpChain
from tests.support.process import REPOSITORY, stop

PROGRAM = REPOSITORY / ".venv" / "bft" / "injective_core" / "bin" / "injectived"
INSTALL = "make bft"
CHAIN_ID = 0x626674
"""The EVM's chain id ("bft"), a number of our own."""
GAS_PRICE = 1
"""Wei, the least that it accepts: its mempool refuses a transaction that pays nothing."""

_NETWORK, _COIN, _KEY = "autoclaim-1", "inj", "validator"
_STAKE = 10**23
_ALLOWANCE = 10**18
_BLOCK_GAS = 30_000_000
_PAUSE_AFTER_COMMIT = "200ms"
_PORTS = ("p2p", "comet", "grpc", "rpc", "websocket")
_PORTS_FROM, _PORTS_TO = 20_000, 32_000
"""Below those that a system hands to outgoing connections: a killed validator must find its own free."""


@dataclass
class Validator:
    """One of the four: its files, its ports, and its process while it runs."""

    home: Path
    node_id: str
    account: str
    ports: dict[str, int]
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Its Ethereum JSON-RPC."""
        return f"http://127.0.0.1:{self.ports['rpc']}"

    @property
    def comet_url(self) -> str:
        """Its CometBFT RPC: headers as consensus hashes them, commits, validators."""
        return f"http://127.0.0.1:{self.ports['comet']}"

    @property
    def peer(self) -> str:
        return f"{self.node_id}@127.0.0.1:{self.ports['p2p']}"


class BftNetwork:
    """Four validators of equal weight: three must agree, so one may fail and two may not."""

    name = _NETWORK
    """CometBFT's chain id, which validators sign with every block."""

    def __init__(self, validators: list[Validator]) -> None:
        self.validators = validators

    def start(self, *indices: int) -> None:
        """Start these validators, and return when each is in step and has seen the chain go on."""
        for index in indices:
            self.validators[index].process = self._launch(self.validators[index])
        heights = {index: self._wait_until_in_step(index) for index in indices}
        for index, height in heights.items():
            self.wait_for_height(index, height + 2)

    def kill(self, *indices: int) -> None:
        """kill -9 these validators, and wait until they are gone."""
        for index in indices:
            process = self.validators[index].process
            assert process is not None, f"validator {index} is not running"
            process.kill()
            process.wait()
            self.validators[index].process = None

    def height(self, index: int) -> int:
        """The head that this validator answers. Raises ChainUnavailable, RpcError."""
        return int(self._ask(index, "eth_blockNumber", []), 16)

    def wait_for_height(self, index: int, height: int, timeout_s: float = 60.0) -> None:
        _until(lambda: self.height(index) >= height, timeout_s, f"block {height} at validator {index}")

    def fund(self, addresses: Iterable[str]) -> None:
        """Gas money from the first validator's operator, in its coin's smallest unit."""
        home = self.validators[0].home
        key = _run(home, "keys", "unsafe-export-eth-key", _KEY, "--keyring-backend", "test")
        operator = Account.from_key(key.strip())
        nonce = int(self._ask(0, "eth_getTransactionCount", [operator.address, "latest"]), 16)
        payment = {"chainId": CHAIN_ID, "gas": 21_000, "gasPrice": GAS_PRICE, "value": _ALLOWANCE}
        for address in addresses:
            signed = operator.sign_transaction(payment | {"nonce": nonce, "to": address})
            self._ask(0, "eth_sendRawTransaction", ["0x" + bytes(signed.raw_transaction).hex()])
            nonce += 1

        def paid() -> bool:
            return int(self._ask(0, "eth_getTransactionCount", [operator.address, "latest"]), 16) == nonce

        _until(paid, 30.0, "block with the payments")

    def stop(self) -> None:
        for validator in self.validators:
            if validator.process is not None:
                stop(validator.process)
                validator.process = None

    def _launch(self, validator: Validator) -> "subprocess.Popen[bytes]":
        ports = validator.ports
        others = [other.peer for other in self.validators if other is not validator]
        arguments = {
            "chain-id": _NETWORK,
            "minimum-gas-prices": f"{GAS_PRICE}{_COIN}",
            "p2p.laddr": f"tcp://127.0.0.1:{ports['p2p']}",
            "p2p.persistent_peers": ",".join(others),
            "p2p.pex": "false",
            "rpc.laddr": f"tcp://127.0.0.1:{ports['comet']}",
            "rpc.pprof_laddr": "",
            "api.enable": "false",
            "grpc.address": f"127.0.0.1:{ports['grpc']}",  # its JSON-RPC does not start without
            "grpc-web.enable": "false",
            "json-rpc.address": f"127.0.0.1:{ports['rpc']}",
            "json-rpc.ws-address": f"127.0.0.1:{ports['websocket']}",
            "unsafe-consensus-timeout-commit": _PAUSE_AFTER_COMMIT,
            "log-level": "warn",
        }
        command = [str(PROGRAM), "start", "--home", str(validator.home), "--log-no-color"]
        command += [f"--{name}={value}" for name, value in arguments.items()]
        with (validator.home / "log").open("ab") as output:
            return subprocess.Popen(
                command,
                env=_environment(validator.home),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _wait_until_in_step(self, index: int) -> int:
        """A validator that is still catching up takes no transactions. Returns its head."""
        validator = self.validators[index]

        def in_step() -> bool:
            ended = validator.process is None or validator.process.poll() is not None
            assert not ended, f"validator {index} ended:\n{(validator.home / 'log').read_text()[-2000:]}"
            return self.height(index) > 0 and self._ask(index, "eth_syncing", []) is False

        _until(in_step, 60.0, f"validator {index} in step with the others")
        return self.height(index)

    def _ask(self, index: int, method: str, params: list[Any]) -> Any:
        chain = HttpChain(self.validators[index].url)
        try:
            return chain.request(method, params)
        finally:
            chain.close()


@contextmanager
def running_bft_network(folder: Path) -> Iterator[BftNetwork]:
    """Four new validators with a genesis of their own, producing blocks, until the block ends.

    Fails, and says what to run, where the program is not installed.
    """
    assert PROGRAM.exists(), f"no injectived here; install it: {INSTALL}"
    network = BftNetwork(_genesis(folder))
    try:
        network.start(*range(len(network.validators)))
        yield network
    finally:
        network.stop()


def _genesis(folder: Path) -> list[Validator]:
    """Make keys, one genesis in which the four hold equal stakes, and the same copy of it for each."""
    homes = [folder / f"validator{index}" for index in range(4)]
    ports = iter(_unused_ports(len(homes) * len(_PORTS)))
    validators = [_initialise(home, {name: next(ports) for name in _PORTS}) for home in homes]
    first = homes[0]
    for validator in validators:
        coins = f"{2 * _STAKE}{_COIN}"
        _run(first, "genesis", "add-genesis-account", validator.account, coins, "--chain-id", _NETWORK)
    genesis = first / "config" / "genesis.json"
    genesis.write_text(json.dumps(_with_our_parameters(json.loads(genesis.read_text()))))
    stakes = first / "config" / "gentx"
    stakes.mkdir()
    for index, home in enumerate(homes):
        (home / "config" / "genesis.json").write_bytes(genesis.read_bytes())
        document = str(stakes / f"{index}.json")
        options = ["--chain-id", _NETWORK, "--keyring-backend", "test", "--ip", "127.0.0.1"]
        _run(home, "genesis", "gentx", _KEY, f"{_STAKE}{_COIN}", *options, "--output-document", document)
    _run(first, "genesis", "collect-gentxs")
    for home in homes:
        (home / "config" / "genesis.json").write_bytes(genesis.read_bytes())
        _allow_loopback_peers(home / "config" / "config.toml")
    return validators


def _initialise(home: Path, ports: dict[str, int]) -> Validator:
    home.mkdir(parents=True)
    initialised = _run(home, "init", home.name, "--chain-id", _NETWORK, "--default-denom", _COIN)
    added = _run(home, "keys", "add", _KEY, "--keyring-backend", "test", "--output", "json")
    return Validator(home, json.loads(initialised)["node_id"], json.loads(added)["address"], ports)


def _unused_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on."""
    start = random.randrange(_PORTS_FROM, _PORTS_TO)
    found: list[int] = []
    for port in itertools.chain(range(start, _PORTS_TO), range(_PORTS_FROM, start)):
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"no {count} ports left between {_PORTS_FROM} and {_PORTS_TO}")


def _with_our_parameters(genesis: Any) -> Any:
    """A consortium's settings: its own chain id, the lowest price of gas, room for a batch in a block."""
    genesis["consensus"]["params"]["block"]["max_gas"] = str(_BLOCK_GAS)
    state = genesis["app_state"]
    state["evm"]["params"]["chain_config"]["eip155_chain_id"] = str(CHAIN_ID)
    state["txfees"]["params"]["min_gas_price"] = str(GAS_PRICE)
    return genesis


def _allow_loopback_peers(config: Path) -> None:
    """By default one address may be one peer only, and 127.0.0.1 none."""
    text = config.read_text()
    for name, usual in (("addr_book_strict", "true"), ("allow_duplicate_ip", "false")):
        line = f"{name} = {usual}"
        assert line in text, f"{config} has no {line}"
        text = text.replace(line, f"{name} = {'false' if usual == 'true' else 'true'}")
    config.write_text(text)


def _run(home: Path, *arguments: str) -> str:
    """One command of the program; what it printed, on whichever stream it chose."""
    done = subprocess.run(
        [str(PROGRAM), *arguments, "--home", str(home)],
        env=_environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"injectived {arguments}: {done.stdout}{done.stderr}"
    return done.stdout or done.stderr


def _environment(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(PROGRAM.parent)}


def _until(true: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Poll until `true`; a node that does not answer, or says it is not ready, is not there yet."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if true():
                return
        except (ChainUnavailable, RpcError):
            pass
        assert time.monotonic() < deadline, f"no {what} within {timeout_s} s"
        time.sleep(0.05)
