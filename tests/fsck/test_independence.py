"""What fsck writes down a second time agrees with the first, and it has a word for everything it names."""

import json

import pytest

from engine.chain.contracts import PayoutState as OnChain
from engine.fsck import Code, beliefs, chain
from engine.pipeline import states
from tests.support.process import REPOSITORY


def test_both_believe_in_the_same_moves_of_a_claim() -> None:
    assert beliefs.CLAIM_MOVES == states.CLAIM_MOVES


def test_both_believe_in_the_same_states_of_a_payout() -> None:
    assert states.PAYOUT_MOVES.keys() == beliefs.PAYOUT_STATES
    assert (beliefs.RECORDED, beliefs.PAID, beliefs.REVERSED) == (
        OnChain.RECORDED,
        OnChain.PAID,
        OnChain.REVERSED,
    )


@pytest.mark.parametrize(("contract", "signature", "names"), chain._EVENTS)
def test_the_events_are_the_contracts_own(contract: str, signature: str, names: tuple[str, ...]) -> None:
    artifact = json.loads((REPOSITORY / "contracts" / "artifacts" / f"{contract}.json").read_text())
    name, _, types = signature.removesuffix(")").partition("(")
    (declared,) = (e for e in artifact["abi"] if (e["type"], e.get("name")) == ("event", name))
    assert [i["type"] for i in declared["inputs"]] == types.split(",")
    laid_out = sorted(declared["inputs"], key=lambda i: not i["indexed"])
    assert tuple(i["name"] for i in laid_out) == names


def test_every_code_is_explained() -> None:
    explained = (REPOSITORY / "docs" / "fsck.md").read_text()
    assert [code for code in Code if f"`{code}`" not in explained] == []
