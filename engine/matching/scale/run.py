"""One list against another's, both sides' call: which of the provider's items the insurer has too.

The provider learns that, and about how long the insurer's list is; the insurer learns about how long the
provider's is, and nothing else, so long as both follow the protocol (semi-honest): docs/privacy.md.

A run is cut into buckets, and a bucket that both have finished is not done again. What a run needs to go on,
`run.json` and the finished buckets, stays in its folder until whoever called removes it.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.matching.errors import ScaleRefused
from engine.matching.scale.buckets import (
    STEP,
    Bucket,
    Spool,
    announced,
    buckets_for,
    read_rows,
    size_of_bucket,
)
from engine.matching.scale.child import INSTALLED, Child
from engine.matching.scale.link import Link

PROTOCOL = {"protocol": "PROTOCOL_RR22", "low_comm_mode": False}
"""What alone is spoken; the script that runs it holds to the same."""

_FORMAT = "autoclaim-scale/1"
_RUN_BYTES = 32
_TRACE = re.compile(r"Trace has been written to (/\S*psi_\w+\.trace)")


class Side(StrEnum):
    """Which of the two one is."""

    PROVIDER = "provider"
    """Learns which of its own items both have."""
    INSURER = "insurer"


class Run(NamedTuple):
    """One side of one run."""

    id: bytes
    """32 bytes that both sides know and no other run has, such as a task's id."""
    side: Side
    link: Link
    folder: Path
    """Of this run and side alone; kept from one try to the next; whoever called removes it at the end."""
    python: Path = INSTALLED
    patience_s: int = 120
    """For how long a silent other side is waited for, from the first connection to the end of a bucket."""
    most_of_peer: int | None = None
    """Do not run against a longer list."""


class Outcome(NamedTuple):
    """What a finished run says."""

    matched: NDArray[np.int64]
    """The places in the list, from 0 and ascending, of all items that both have. The insurer's is empty."""
    peer_count: int
    """How many items the other side announced: rounded up to the next 1,024."""
    buckets: int
    sent: int
    """Bytes on the line in this call, TLS and all; what an earlier call of the same run sent is not in it."""
    received: int


def intersect(
    items: Iterable[bytes],
    run: Run,
    rng: Callable[[int], bytes],
    progress: Callable[[int, int], None] = lambda _finished, _of: None,
) -> Outcome:
    """Run one side; the other has to be run at the same time. The same items twice are matched alike.

    items: read once. rng: n -> n random bytes. progress: told of (finished, all) buckets. Raises ValueError
    (id, link), ScaleMissing, ScaleRefused, and ScaleBroken, after which the same call goes on where it ended.
    """
    run.link.check()
    if len(run.id) != _RUN_BYTES:
        raise ValueError(f"a run's id is {_RUN_BYTES} bytes, not {len(run.id)}")
    work = run.folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    run.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    work.mkdir(mode=0o700)
    try:
        with Child(run.python, work, run.patience_s) as child:
            child.order(**_opening(run))  # it reaches the other side while the list is read
            spool = Spool(work / "parts", run.id)
            spool.take(items)
            kept = _Kept.of(run, spool)
            peer = _agree(child, kept, spool.count, run.most_of_peer)
            return _buckets(child, kept, spool, peer, rng, progress)
    finally:
        _keep_log(work, run.folder)
        shutil.rmtree(work, ignore_errors=True)


def _opening(run: Run) -> dict[str, Any]:
    first, link = run.side is Side.PROVIDER, run.link
    return {
        "protocol": PROTOCOL,
        "rank": 0 if first else 1,
        "run": run.id.hex(),
        "places": [link.own, link.peer] if first else [link.peer, link.own],
        "tls": [str(path.absolute()) for path in link.tls] if link.tls else None,
        "patience_s": run.patience_s,
    }


class _Kept(NamedTuple):
    """What a run has in its folder."""

    folder: Path
    document: dict[str, str]
    """Whose run it is, and over which list."""

    @classmethod
    def of(cls, run: Run, spool: Spool) -> "_Kept":
        """Raises ScaleRefused where the folder is another run's, or this one's over another list."""
        document = {"run": run.id.hex(), "side": run.side.value, "list": spool.digest()}
        path = run.folder / "run.json"
        if not path.exists():
            path.write_text(json.dumps(document), encoding="utf-8")
        for name, value in json.loads(path.read_text(encoding="utf-8")).items():
            if value != document[name]:
                raise ScaleRefused(name, "not what this run began with; begin another in a folder of its own")
        return cls(run.folder, document)

    def finished(self) -> list[int]:
        return sorted(int(path.name.partition("-")[2]) for path in self.folder.glob("finished-[0-9]*"))

    def file(self, bucket: int) -> Path:
        return self.folder / f"finished-{bucket}"

    def finish(self, bucket: int, indices: NDArray[np.int64]) -> None:
        """At once or not at all."""
        half = self.folder / "half"
        indices.tofile(half)
        half.replace(self.file(bucket))


def _agree(child: Child, kept: _Kept, count: int, most_of_peer: int | None) -> dict[str, Any]:
    """What the other side says of itself, after either had the chance to refuse."""
    own = {
        "format": _FORMAT,
        **PROTOCOL,
        "spu": child.answer()["spu"],
        "run": kept.document["run"],
        "side": kept.document["side"],
        "count": announced(count),
        "finished": kept.finished(),
    }
    peer: dict[str, Any] = json.loads(_exchanged(child, json.dumps(own)))
    refusal = None
    try:
        check_peer(own, peer, most_of_peer)
    except ScaleRefused as error:
        refusal = error
    theirs = _exchanged(child, refusal.message if refusal else "")
    if refusal or theirs:
        _end(child)
        raise refusal or ScaleRefused("the other side refuses", theirs)
    return peer


def _exchanged(child: Child, text: str) -> str:
    child.order(say=text)
    return str(child.answer()["heard"])


def _end(child: Child) -> dict[str, int]:
    """The bytes sent and received. Whoever ends otherwise may take away what the other has yet to get."""
    child.order(end=True)
    return child.answer()


def check_peer(own: dict[str, Any], peer: Any, most_of_peer: int | None) -> None:
    """Raises ScaleRefused unless the other side, as it describes itself, is one to run against."""
    if not isinstance(peer, dict):
        raise ScaleRefused("format", "the other side does not say what it is")
    for name in ("format", "protocol", "low_comm_mode", "spu", "run"):
        if peer.get(name) != own[name]:
            raise ScaleRefused(name, f"{own[name]!r} here, {peer.get(name)!r} there")
    if {peer.get("side"), own["side"]} != set(Side):
        raise ScaleRefused("side", f"both say {own['side']!r}")
    count, finished = peer.get("count"), peer.get("finished")
    if not isinstance(count, int) or count <= 0 or count % STEP:
        raise ScaleRefused("count", f"a multiple of {STEP}, not {count!r}")
    if most_of_peer is not None and count > announced(most_of_peer):
        raise ScaleRefused("count", f"{count:,} items are more than the {most_of_peer:,} that were agreed")
    if not isinstance(finished, list) or not all(isinstance(number, int) for number in finished):
        raise ScaleRefused("finished", "a list of buckets")


def _buckets(
    child: Child,
    kept: _Kept,
    spool: Spool,
    peer: dict[str, Any],
    rng: Callable[[int], bytes],
    progress: Callable[[int, int], None],
) -> Outcome:
    count = announced(spool.count)
    buckets = buckets_for(max(count, peer["count"]))
    both = set(kept.finished()) & set(peer["finished"])
    size = size_of_bucket(count, buckets)
    progress(len(both), buckets)
    for number in sorted(set(range(buckets)) - both):
        both.add(number)
        kept.finish(number, _one(child, kept, number, spool.bucket(number, buckets).filled(size, rng)))
        progress(len(both), buckets)
    line = _end(child)
    found = [np.fromfile(kept.file(number), dtype=np.int64) for number in range(buckets)]
    matched = np.sort(np.concatenate(found))
    return Outcome(matched, peer["count"], buckets, line["sent"], line["received"])


def _one(child: Child, kept: _Kept, number: int, bucket: Bucket) -> NDArray[np.int64]:
    """One bucket matched: the indices found, at the insurer none."""
    put, got = (kept.folder / "work" / name for name in ("in.csv", "out.csv"))
    bucket.write(put)
    child.order(bucket=number, input=str(put.absolute()), output=str(got.absolute()))
    child.answer()
    found = bucket.found(read_rows(got)) if kept.document["side"] == Side.PROVIDER else np.empty(0, np.int64)
    for path in put.parent.glob("*.csv*"):
        path.unlink()
    return found


def _keep_log(work: Path, folder: Path) -> None:
    """What the library said, less the trace of each bucket that it leaves lying about outside."""
    log = work / "spu.log"
    if log.exists():
        for trace in _TRACE.findall(log.read_text(encoding="utf-8", errors="replace")):
            Path(trace).unlink(missing_ok=True)
        log.replace(folder / "spu.log")
