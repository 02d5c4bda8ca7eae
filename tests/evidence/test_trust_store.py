"""The list of trusted blocks: a file that several processes add to."""

import json
import multiprocessing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.evidence.anchors import CONTRACTS, TRUST_VARIABLE, TrustStore
from engine.evidence.errors import TrustStoreInvalid

AT = datetime(2024, 11, 20, 9, tzinfo=UTC)
ADDRESSES = dict.fromkeys((*CONTRACTS, "DataCatalog"), f"0x{'Ab' * 20}")


def test_what_is_added_is_trusted_and_nothing_twice(tmp_path: Path) -> None:
    store = TrustStore(tmp_path / "deep" / "trusted.json")
    assert store.anchor().blocks == ()
    store.add(7, {3: b"\x03" * 32, 2: b"\x02" * 32}, source="demo", at=AT)
    store.add(7, {3: b"\x03" * 32}, source="serve", at=AT)
    store.add(8, {3: b"\x03" * 32}, source="serve", at=AT)
    blocks = store.anchor().blocks
    assert [(block.chain_id, block.number, block.source) for block in blocks] == [
        (7, 2, "demo"), (7, 3, "demo"), (8, 3, "serve"),
    ]  # fmt: skip
    assert blocks[0].hash == "0x" + "02" * 32
    assert blocks[0].added_at == "2024-11-20T09:00:00+00:00"


def test_a_deployment_is_kept_by_the_three_contracts_of_a_bundle(tmp_path: Path) -> None:
    store = TrustStore(tmp_path / "trusted.json")
    for _ in range(2):
        store.add_deployment(7, ADDRESSES, source="demo", at=AT)
    (deployment,) = store.anchor().deployments
    assert deployment.contracts == dict.fromkeys(CONTRACTS, "0x" + "ab" * 20)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"blocks": [], "deployments": 3}', '{"blocks": [{"x": 1}], "deployments": []}'],
)
def test_an_unreadable_list_is_an_error_and_not_an_empty_one(tmp_path: Path, content: str) -> None:
    path = tmp_path / "trusted.json"
    path.write_text(content)
    store = TrustStore(path)
    with pytest.raises(TrustStoreInvalid, match=r"trusted\.json"):
        store.anchor()
    with pytest.raises(TrustStoreInvalid):
        store.add(7, {1: b"\x01" * 32}, source="demo", at=AT)
    assert path.read_text() == content


def test_the_place_can_be_set_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUST_VARIABLE, str(tmp_path / "mine.json"))
    assert TrustStore.default().path == tmp_path / "mine.json"
    monkeypatch.delenv(TRUST_VARIABLE)
    assert TrustStore.default().path == Path(".autoclaim/trusted-blocks.json")


def _add_many(path: str, first: int) -> None:
    store = TrustStore(Path(path))
    for number in range(first, first + 20):
        store.add(7, {number: number.to_bytes(32, "big")}, source="test", at=AT)


def test_two_processes_lose_none_of_each_others_blocks(tmp_path: Path) -> None:
    path = tmp_path / "trusted.json"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_add_many, args=(str(path), first)) for first in (0, 100)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert len(json.loads(path.read_text())["blocks"]) == 40
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["trusted.json", "trusted.json.lock"]
