"""Two processes, a list each, mutual TLS between them and the library itself: `make psi`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.matching.scale.child import INSTALLED
from engine.matching.scale.link import run_certificate
from engine.matching.scale.run import PROTOCOL, Side
from tests.support.process import REPOSITORY, free_port

pytestmark = pytest.mark.psi

_OTHER = {Side.PROVIDER: Side.INSURER, Side.INSURER: Side.PROVIDER}
_WITHIN_S = 90


class Two:
    """Both sides of one run, each started as often as wanted."""

    def __init__(self, home: Path, lists: dict[Side, Sequence[str]], **more: Any) -> None:
        self._home = home
        places = {side: f"127.0.0.1:{free_port()}" for side in Side}
        tls = {side: run_certificate(home / f"tls-{side}", datetime.now(UTC)) for side in Side}
        self.documents: dict[Side, dict[str, Any]] = {
            side: {
                "side": side.value,
                "own": places[side],
                "peer": places[_OTHER[side]],
                "run": "5c" * 32,
                "folder": str(home / side),
                "tls": [str(path) for path in (*tls[side], tls[_OTHER[side]][0])],
                "items": list(lists[side]),
                **more,
            }
            for side in Side
        }

    def start(self, side: Side) -> subprocess.Popen[str]:
        path = self._home / f"{side}.json"
        path.write_text(json.dumps(self.documents[side]), encoding="utf-8")
        command = [sys.executable, "-m", "tests.support.scale_side", path]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=REPOSITORY, text=True, **pipes)  # type: ignore[call-overload, no-any-return]

    def run(self) -> dict[Side, dict[str, Any]]:
        both = {side: self.start(side) for side in Side}
        return {side: _ended(process) for side, process in both.items()}


def _ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What it printed, its exit code and its progress beside it."""
    try:
        out, err = process.communicate(timeout=_WITHIN_S)
    finally:
        process.kill()
    assert out, err
    return {**json.loads(out), "exit": process.returncode, "progress": err.split()}


def _lists(seed: int, provider: int, insurer: int) -> dict[Side, list[str]]:
    """Random lists, a third of the shorter in both; the provider has some of its own twice and more."""
    rng = Random(seed)
    people = [f"{rng.randrange(10**17):018}" for _ in range(provider + insurer)]
    shared = people[: min(provider, insurer) // 3 + 1][:insurer]
    mine = [*shared, *people[len(shared) : provider]][:provider]
    mine += rng.choices(mine, k=len(mine) // 4) if mine else []
    theirs = [*shared, *people[provider + len(shared) :]][:insurer]
    rng.shuffle(mine)
    rng.shuffle(theirs)
    return {Side.PROVIDER: mine, Side.INSURER: theirs}


def _expected(lists: dict[Side, list[str]]) -> list[int]:
    theirs = set(lists[Side.INSURER])
    return [place for place, item in enumerate(lists[Side.PROVIDER]) if item in theirs]


@pytest.mark.parametrize(
    ("provider", "insurer"),
    [(0, 0), (0, 1000), (1, 0), (1, 1), (2, 1), (1, 50_000), (1000, 1000), (50_000, 2), (50_000, 50_000)],
)
def test_what_is_found_is_what_both_have(tmp_path: Path, provider: int, insurer: int) -> None:
    lists = _lists(provider + 3 * insurer, provider, insurer)
    both = Two(tmp_path, lists).run()
    assert both[Side.PROVIDER]["matched"] == _expected(lists)
    assert both[Side.INSURER]["matched"] == []
    assert [side["exit"] for side in both.values()] == [0, 0]
    assert both[Side.PROVIDER]["sent"] == pytest.approx(both[Side.INSURER]["received"], rel=0.01)


def test_again_and_in_many_buckets_it_is_found_again(tmp_path: Path) -> None:
    lists = _lists(6, 6000, 9000)
    for attempt, in_bucket in enumerate((1024, 1024, 4096)):
        both = Two(tmp_path / str(attempt), lists, in_bucket=in_bucket).run()
        assert both[Side.PROVIDER]["matched"] == _expected(lists)
        assert both[Side.PROVIDER]["buckets"] == 16_384 // in_bucket


def test_two_lists_that_are_the_same_go_the_ordinary_way(tmp_path: Path) -> None:
    """The library has a way of its own for those, after it showed the other side a bare hash of the list."""
    people = [f"{person:018}" for person in range(2000)]
    both = Two(tmp_path, {Side.PROVIDER: people, Side.INSURER: people}).run()
    assert both[Side.PROVIDER]["matched"] == list(range(2000))
    log = (tmp_path / Side.PROVIDER / "spu.log").read_text(encoding="utf-8")
    assert "share the same set" not in log
    assert "get intersection end" in log


def test_the_library_is_told_rr22_and_never_its_mode_of_low_communication(tmp_path: Path) -> None:
    Two(tmp_path, _lists(1, 10, 10)).run()
    for side in Side:
        log = (tmp_path / side / "spu.log").read_text(encoding="utf-8")
        (line,) = [line for line in log.splitlines() if "PSI config: " in line]
        config = json.loads(line.partition("PSI config: ")[2])
        assert config["protocol_config"]["protocol"] == PROTOCOL["protocol"] == "PROTOCOL_RR22"
        assert not config["protocol_config"]["rr22_config"].get("low_comm_mode", False)
        assert PROTOCOL["low_comm_mode"] is False
        assert config["protocol_config"].get("broadcast_result", False) is False


@pytest.mark.parametrize("other", [{"protocol": "PROTOCOL_ECDH"}, {"low_comm_mode": True}], ids=str)
def test_whoever_orders_anything_else_of_the_library_is_refused(other: dict[str, Any]) -> None:
    order = json.dumps({"protocol": PROTOCOL | other})
    script = REPOSITORY / "engine" / "matching" / "scale" / "party.py"
    command = [INSTALLED, "-I", script]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as party:  # type: ignore[call-overload]
        party.stdin.write(f"{order}\n")
        party.stdin.flush()  # and stays open: it ends with whoever gives the orders
        answer = json.loads(party.stdout.readline())
        assert party.wait(_WITHIN_S) == 1
    assert "nothing but" in answer["error"]


@pytest.mark.parametrize("killed", list(Side), ids=str)
def test_one_side_killed_the_other_ends_and_both_go_on_with_the_next_bucket(
    tmp_path: Path, killed: Side
) -> None:
    lists = _lists(9, 20_000, 30_000)
    two = Two(tmp_path, lists, in_bucket=1024)
    victim, survivor = two.start(killed), two.start(_OTHER[killed])
    assert victim.stderr is not None
    while victim.stderr.readline() not in ("3/32\n", ""):
        pass
    os.kill(victim.pid, signal.SIGKILL)
    victim.communicate(timeout=_WITHIN_S)
    left = _ended(survivor)
    assert (left["exit"], left["error"]) == (2, "match.scale_broken")
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / killed).glob("finished-*")}
    assert 3 <= len(finished) < 32
    both = two.run()
    assert both[Side.PROVIDER]["matched"] == _expected(lists)
    first, last = both[killed]["progress"][0], both[killed]["progress"][-1]
    assert (int(first.partition("/")[0]) >= 2, last) == (True, "32/32")
    kept = sum(path.stat().st_mtime_ns == at for path, at in finished.items())
    assert kept == int(first.partition("/")[0])


def test_nothing_is_left_of_the_lists_but_the_places_of_what_was_found(tmp_path: Path) -> None:
    Two(tmp_path, _lists(2, 100, 100)).run()
    for side in Side:
        names = sorted(path.name for path in (tmp_path / side).iterdir())
        assert names == ["finished-0", "run.json", "spu.log"]


def test_a_key_that_was_not_handed_over_gets_no_connection(tmp_path: Path) -> None:
    two = Two(tmp_path, _lists(3, 100, 100), patience_s=5)
    another = run_certificate(tmp_path / "another", datetime.now(UTC))
    two.documents[Side.PROVIDER]["tls"][:2] = [str(path) for path in another]
    both = two.run()
    assert {side["error"] for side in both.values()} == {"match.scale_broken"}
    for side in Side:
        assert not list((tmp_path / side).glob("finished-*"))
        log = (tmp_path / side / "spu.log").read_text(encoding="utf-8")
        assert "PSI config" not in log


def test_more_than_was_agreed_is_refused_and_both_are_told(tmp_path: Path) -> None:
    two = Two(tmp_path, _lists(4, 3000, 10))
    two.documents[Side.INSURER]["most_of_peer"] = 1000
    both = two.run()
    assert {side["error"] for side in both.values()} == {"match.scale_refused"}
    assert "more than the 1,000 that were agreed" in both[Side.PROVIDER]["message"]


def test_a_run_does_not_go_on_over_another_list(tmp_path: Path) -> None:
    two = Two(tmp_path, _lists(5, 10, 10), patience_s=5)
    two.run()
    two.documents[Side.PROVIDER]["items"].append("one more")
    left = _ended(two.start(Side.PROVIDER))
    assert (left["error"], left["message"].partition(":")[0]) == ("match.scale_refused", "list")
