"""A change of gas shows in review."""

import pytest

from tests.contracts import gas
from tests.contracts.gas import snapshot as gas_snapshot
from tests.contracts.gas.case import TARGETS
from tests.contracts.world import artifact

CONTRACTS = ("AuthorizationRegistry", "DataCatalog", "TaskScheduler", "MatchResultStore")
EVERYBODYS = {
    *("announceRoleChange", "withdrawRoleChange", "grantRole", "revokeRole", "renounceRole"),
    *("pause", "unpause"),
}
"""Of `SeparateRoles`: measured once."""


@pytest.fixture(scope="module")
def measured() -> dict[str, int]:
    return gas.measure()


def test_the_snapshot_is_what_the_contracts_cost(measured: dict[str, int]) -> None:
    changed = gas_snapshot.differences(gas_snapshot.committed().ours, measured)
    assert not changed, f"run `make bench ONLY=gas` and commit what it writes:\n{changed}"


@pytest.mark.parametrize("what", TARGETS)
def test_a_target_is_met(measured: dict[str, int], what: str) -> None:
    assert measured[what] <= TARGETS[what]


def test_the_page_says_what_the_snapshot_says() -> None:
    page = gas_snapshot.page(gas_snapshot.committed())
    assert gas_snapshot.PAGE.read_text(encoding="utf-8") == page, "run `make bench ONLY=gas`"


def test_every_state_changing_function_has_a_figure(measured: dict[str, int]) -> None:
    functions = {
        f"{'SeparateRoles' if entry['name'] in EVERYBODYS else contract}.{entry['name']}"
        for contract in CONTRACTS
        for entry in artifact(contract)["abi"]
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }
    assert functions <= {what.partition(",")[0] for what in measured}


def test_a_changed_figure_is_shown_before_and_after() -> None:
    shown = gas_snapshot.differences({"grant": 10, "revoke": 20}, {"grant": 10, "revoke": 21_000})
    assert "-revoke: 20\n+revoke: 21,000" in shown
    assert "grant" not in shown
