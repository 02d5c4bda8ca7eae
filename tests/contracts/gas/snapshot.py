"""The committed gas snapshot, and the page that is made from it.

`make bench ONLY=gas` measures ours and the peers and writes both files; a test measures ours again and
compares, so a change of gas is a change in review.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import unified_diff
from pathlib import Path

from tests.contracts.gas import case

ROOT = Path(__file__).resolve().parents[3]
SNAPSHOT = ROOT / "contracts" / "gas-snapshot.json"
PAGE = ROOT / "docs" / "gas.md"

EAS_MULTI_ATTEST = f"EAS multiAttest, an item of {case.BATCH}"
EAS_ATTEST = "EAS attest"
EAS_REVOKE = "EAS revoke"
GIF_CLAIM = "gif-next submitClaim to processPayout, four transactions"
COMPARISONS = {
    case.RECORDED: EAS_MULTI_ATTEST,
    case.RECORDED_ALONE: EAS_ATTEST,
    case.REVOKED: EAS_REVOKE,
    case.RECORDED_AND_CONFIRMED: GIF_CLAIM,
}


@dataclass(frozen=True)
class Snapshot:
    """what -> gas, of our contracts and of others; `packages`: the others' package -> version."""

    ours: dict[str, int]
    peers: dict[str, int]
    packages: dict[str, str]


def committed() -> Snapshot:
    return Snapshot(**json.loads(SNAPSHOT.read_bytes()))


def write(snapshot: Snapshot) -> None:
    SNAPSHOT.write_text(json.dumps(asdict(snapshot), indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(page(snapshot), encoding="utf-8")


def differences(before: dict[str, int], after: dict[str, int]) -> str:
    """A line for each figure that is not the same in both: empty when nothing changed."""
    old, new = ([f"{what}: {gas:,}" for what, gas in figures.items()] for figures in (before, after))
    return "\n".join(unified_diff(old, new, "committed", "measured", n=0, lineterm=""))


def page(snapshot: Snapshot) -> str:
    """docs/gas.md"""
    ours, peers = snapshot.ours, snapshot.peers
    return _PAGE.format(
        targets=_table(
            ("what", "gas", "at most", ""),
            [(what, ours[what], limit, _met(ours[what], limit)) for what, limit in case.TARGETS.items()],
        ),
        packages="\n".join(f"- `{name}` {version}" for name, version in snapshot.packages.items()),
        compared=_table(
            ("what", "gas", "beside", "gas", "ours / theirs"),
            [
                (w, ours[w], peer, peers[peer], f"{ours[w] / peers[peer]:.2f}")
                for w, peer in COMPARISONS.items()
            ],
        ),
        peers=_table(("theirs", "gas"), list(peers.items())),
        ours=_table(("what", "gas"), list(ours.items())),
    )


def _met(spent: int, limit: int) -> str:
    return "met" if spent <= limit else f"missed by {spent - limit:,}"


def _table(heading: tuple[str, ...], rows: Sequence[tuple[str | int, ...]]) -> str:
    """Whole numbers to the right."""
    rule = tuple("---:" if isinstance(cell, int) else "---" for cell in rows[0])
    return "\n".join(f"| {' | '.join(map(_cell, cells))} |" for cells in (heading, rule, *rows))


def _cell(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else value


_PAGE = """\
# Gas

Written by `make bench ONLY=gas`, like `contracts/gas-snapshot.json`; do not edit. Exact: the same
contracts and inputs give the same figures on every machine (py-evm, Prague). An item's figure is its
share of the whole transaction, calldata and the 21,000 included.

## Targets

{targets}

## Beside others

Measured in the same run on the same kind of chain, with the bytecode that these packages ship:

{packages}

**Ethereum Attestation Service** records any statement about anybody. Here: one `bytes32` under a
revocable schema without a resolver, another recipient each. It asks for nobody's consent; ours checks
for each item that one is live, for this person and purpose, and that the claim is new. Its `revoke` is
sent by the attester; ours carries the insured's signature.

**gif-next** keeps the whole policy on chain and moves the tokens itself. Here: its own example product
and pool, no fees, the first claim under a policy, one transaction a step. Ours records digests of what
was decided and paid elsewhere, a hundred in a transaction: it does less, for less.

{compared}

{peers}

## Every function

{ours}
"""
