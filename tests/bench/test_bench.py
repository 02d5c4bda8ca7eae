"""What `make bench` writes is what comparisons between runs read."""

import json
from pathlib import Path

import pytest

from tests import bench
from tests.bench import Row


def test_a_result_has_the_keys_that_comparisons_read(tmp_path: Path) -> None:
    rows = [Row("recorded result", "gas", 26_000, peer=104_000, peer_name="EAS", target="≤ 30000")]
    result = json.loads(bench.write_result("gas", rows, tmp_path).read_text(encoding="utf-8"))
    assert set(result) == {"name", "machine", "rows"}
    assert result["rows"] == [
        {
            "what": "recorded result",
            "unit": "gas",
            "ours": 26_000,
            "peer": 104_000,
            "peer_name": "EAS",
            "ratio": 0.25,
            "target": "≤ 30000",
        }
    ]


def test_without_a_peer_there_is_no_ratio() -> None:
    assert Row("accepted", "1/s", 2_000.0).ratio is None


def test_an_unknown_bench_is_answered_with_those_there_are() -> None:
    with pytest.raises(bench.UnknownBench, match="no bench named 'speed'"):
        bench.load("speed")


def test_every_bench_there_is_can_be_loaded() -> None:
    for name in bench.names():
        assert callable(bench.load(name))
