"""`python -m tests.contracts.deep [PART…]`: these parts, or all and build/contracts-deep.json.

Exit 0: they hold; 1: one does not, or could not be run; 2: no such part.
"""

import sys
from collections.abc import Callable, Sequence
from subprocess import TimeoutExpired

from rich.console import Console

from tests.contracts.deep import forge, halmos, mutants, python, slither
from tests.contracts.deep.outcome import Outcome, keep, summarize, table

_NOT_RUN = (forge.ForgeFailed, slither.SlitherFailed, mutants.MutantInvalid, OSError, TimeoutExpired)

PARTS: dict[str, Callable[[], Outcome]] = {
    "forge": forge.outcome,
    "halmos": halmos.outcome,
    "slither": slither.outcome,
    "mutants": mutants.outcome,
    "lives": python.lives,
    "bft": python.bft,
}


def main(arguments: Sequence[str]) -> int:
    talk, data = Console(stderr=True, soft_wrap=True), Console(soft_wrap=True)
    wanted = arguments or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        talk.print(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
        return 2
    outcomes = []
    for name in wanted:
        talk.print(f"{name} …")
        outcomes.append(_run(name))
        keep(outcomes[-1])
        for failure in outcomes[-1].failures:
            talk.print(f"{name}: {failure}", markup=False, highlight=False)
    if not arguments:
        talk.print(f"written to {summarize(outcomes)}")
    data.print(table(outcomes))
    return 1 if any(outcome.failures for outcome in outcomes) else 0


def _run(name: str) -> Outcome:
    try:
        return PARTS[name]()
    except _NOT_RUN as error:
        return Outcome(name, 0.0, {}, [f"could not be run: {error}"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
