"""`python -m tests.support.scale_side SIDE.json`: one side of lists against each other, a process of its own.

SIDE.json: {"side", "own", "peer", "run", "folder"}, and where it applies "tls": [certificate, key, trusted],
"patience_s", "most_of_peer"; the list is "items", or {"from", "to"} as "people" for a longer one.
"in_bucket" makes many buckets of a short list. Each finished bucket is a line "finished/all" on stderr.
Prints the outcome as one JSON object; exit 2 with the code of the error where there is none.
"""

import json
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import AutoclaimError
from engine.matching.scale import buckets
from engine.matching.scale.link import Link, Tls
from engine.matching.scale.run import Outcome, Run, Side, intersect
from engine.matching.voprf import person_message


def items_of(document: dict[str, Any]) -> Iterator[bytes]:
    """The list that a SIDE.json names."""
    if "people" in document:
        for person in range(document["people"]["from"], document["people"]["to"]):
            yield person_message("01", f"{person:018}")
    else:
        yield from (item.encode() for item in document["items"])


def main(path: Path) -> int:
    """Exit 0, or 2."""
    document = json.loads(path.read_text(encoding="utf-8"))
    buckets.IN_BUCKET = document.get("in_bucket", buckets.IN_BUCKET)
    tls = Tls(*map(Path, document["tls"])) if document.get("tls") else None
    run = Run(
        id=bytes.fromhex(document["run"]),
        side=Side(document["side"]),
        link=Link(document["own"], document["peer"], tls),
        folder=Path(document["folder"]),
        patience_s=document.get("patience_s", 120),
        most_of_peer=document.get("most_of_peer"),
    )
    try:
        outcome = intersect(items_of(document), run, os.urandom, _tell)
    except AutoclaimError as error:
        print(json.dumps({"error": error.code, "message": error.message}))  # noqa: T201 - what a test reads
        return 2
    print(json.dumps(_document(outcome)))  # noqa: T201 - what a test reads
    return 0


def _tell(finished: int, of: int) -> None:
    print(f"{finished}/{of}", file=sys.stderr, flush=True)  # noqa: T201 - progress


def _document(outcome: Outcome) -> dict[str, Any]:
    own, library = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "matched": outcome.matched[:100_000].tolist(),
        "matches": len(outcome.matched),
        "peer_count": outcome.peer_count,
        "buckets": outcome.buckets,
        "sent": outcome.sent,
        "received": outcome.received,
        "cpu_s": own.ru_utime + own.ru_stime + library.ru_utime + library.ru_stime,
        "peak_kib": own.ru_maxrss + library.ru_maxrss,
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
