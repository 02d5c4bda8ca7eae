"""Four validators on this machine: how long they take, and what a result costs on them."""

import time
from pathlib import Path

from engine.chain.client import ChainClient
from tests.bench import Row, stage
from tests.chain.world import Clock, Consent, opened, settings
from tests.support.bft import BftNetwork, running_bft_network

_BATCH = 100
_BLOCKS = 40
_LONE = "embedded chain, this run"


def run() -> list[Row]:
    with stage.folder("bft") as folder:
        embedded = _embedded_gas(folder / "embedded")
        began = time.monotonic()
        with running_bft_network(folder / "validators") as network:
            started_s = time.monotonic() - began
            rows = [
                Row("network started, from no files to blocks", "s", started_s),
                Row("block, all four running", "s", _elapsed_s(network, 0, _BLOCKS) / _BLOCKS),
                Row(f"result recorded, of {_BATCH}", "gas", _gas(network, folder / "ours"), embedded, _LONE),
            ]
            return rows + _failures(network)


def _failures(network: BftNetwork) -> list[Row]:
    """Of the last two validators, so that the first tells."""
    network.kill(3)
    waits = [_elapsed_s(network, 0, 1) for _ in range(_BLOCKS)]
    network.kill(2)
    began = time.monotonic()
    network.start(2)
    resumed = time.monotonic() - began
    return [
        Row("one of four killed, until the next block", "s", waits[0]),
        Row(f"one of four killed, longest wait of {_BLOCKS} blocks", "s", max(waits)),
        Row("block, one of four killed", "s", sum(waits) / _BLOCKS),
        Row("two killed and one started again, until two more blocks", "s", resumed),
    ]


def _elapsed_s(network: BftNetwork, validator: int, blocks: int) -> float:
    """Until so many more blocks are there."""
    began = time.monotonic()
    network.wait_for_height(validator, network.height(validator) + blocks)
    return time.monotonic() - began


def _gas(network: BftNetwork, folder: Path) -> float:
    with opened(settings(folder, Clock(), network.validators[0].url)) as client:
        network.fund(client.roles.values())
        return _recorded(client, folder)


def _embedded_gas(folder: Path) -> float:
    folder.mkdir()
    with opened(settings(folder, Clock())) as client:
        return _recorded(client, folder)


def _recorded(client: ChainClient, folder: Path) -> float:
    """Gas a result, its share of a whole batch."""
    client.deploy_or_load(folder / "deployment.json")
    consent = Consent(client)
    results = consent.results(_BATCH)
    return client.results.record_batch(consent.task, results).gas_used / _BATCH
