"""Terms travel to the data: a node decides, only its decision leaves, and it is paid as if all had been sent."""

import copy
import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engine.adjudication.reopening import result_of
from engine.errors import AutoclaimError
from engine.payout.port import TransferStatus
from engine.pipeline import decide, feed, record
from engine.pipeline.sealed import decision
from tests.pipeline.deciding_provider import DecidingProvider
from tests.pipeline.reopening import AUGUST, DECEMBER, OCTOBER
from tests.pipeline.world import World

PERSONAL = ("psn_name", "certno", "patn_cert_type", "brdy", "gend", "age")
VIP = {"ward_type": "special"}


@pytest.fixture
def provider(world: World, tmp_path: Path) -> Iterator[DecidingProvider]:
    provider = DecidingProvider(world, tmp_path / "provider")
    yield provider
    provider.node.close()


def decided_by_node(world: World, provider: DecidingProvider, native: Mapping[str, Any]) -> str:
    claim = provider.released(native)
    assert world.state(claim) == "matched"
    decide.decide_batch(world.ctx, world.batch(claim))
    return claim


def test_both_modes_give_the_same_fen_on_the_same_case(world: World, provider: DecidingProvider) -> None:
    """A year of one person decided at the provider, and the same bills of another one sent whole."""
    year = [
        world.native(0, admitted=AUGUST, self_paid_fen=900_000),
        world.native(0, admitted=OCTOBER),
        world.native(0, admitted=date(2024, 11, 4), self_paid_fen=50_000),
        {**(vip := world.native(0, admitted=DECEMBER)), "setlinfo": {**vip["setlinfo"], **VIP}},
        world.native(0, admitted=date(2025, 2, 3), discharge_way="5"),
        world.native(0, admitted=date(2024, 6, 28)),
    ]
    outcomes = []
    for native in year:
        whole = _as_of(world, native, 1)
        sent = world.send(whole).claim_id
        world.decided(sent)
        claim = decided_by_node(world, provider, native)
        theirs, ours = _decision(world, claim), _decision(world, sent)
        assert result_of(theirs) == result_of(ours)
        assert world.claim(claim).payable_fen == world.claim(sent).payable_fen
        assert world.state(claim) == world.state(sent)
        outcomes.append((ours["decision"], ours["payable_fen"] > 0))
    assert {one for one, _ in outcomes} == {"pay", "nothing", "review", "refuse"}


def _as_of(world: World, native: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The same stay of another person."""
    other = world.native(index)
    bill = copy.deepcopy(dict(native))
    for name in (*PERSONAL, "setl_id"):
        bill["setlinfo"][name] = other["setlinfo"][name]
    return bill


def _decision(world: World, claim: str) -> dict[str, Any]:
    found = decision(world.ctx.vault, world.claim(claim))
    assert found is not None
    return found
