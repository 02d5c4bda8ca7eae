"""A command loads what it runs, and no more: a chain, a database and a workflow engine cost seconds."""

import subprocess
import sys

import pytest

HEAVY = ("dbos", "eth", "eth_tester", "sqlalchemy", "web3")


def _loaded_by(modules: str) -> set[str]:
    program = f"import sys, {modules}\nprint(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "modules", ["api.cli.main", "engine.evidence.verify, engine.evidence.endpoint", "engine.adjudication"]
)
def test_the_command_line_and_the_verifier_load_neither_a_chain_nor_a_database(modules: str) -> None:
    assert not _loaded_by(modules)


def test_the_check_sees_what_is_loaded() -> None:
    assert {"eth", "web3"} <= _loaded_by("engine.chain.client")
