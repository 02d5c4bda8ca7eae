"""The access log: its chain within, and its head against what was co-signed on chain."""

import hashlib
from collections.abc import Iterable

import rfc8785

from engine.fsck import database
from engine.fsck.report import Code, Findings

_BEFORE_THE_FIRST = "0x" + "00" * 32


def check_access_log(
    entries: Iterable[database.AccessEntry], checkpoint: tuple[int, bytes], findings: Findings
) -> int:
    """Each entry against its own digest and the one before it, the first ones together against the checkpoint
    (size, head) that was on chain before they were read. Returns how many entries there are.

    Rule: seq counts from 1; digest = sha256 over the RFC 8785 form of all fields with the digest before.
    """
    size, head = checkpoint
    count, previous, tree = 0, _BEFORE_THE_FIRST, _Tree()
    for entry in entries:
        count += 1
        wrong = []
        if entry.previous_digest != previous:
            wrong.append("it does not follow the entry before it")
        if entry.digest != _digest(entry):
            wrong.append("its digest is of other content")
        if wrong:
            findings.differ(Code.ACCESS_LOG_BROKEN, f"entry {entry.seq}", "; ".join(wrong))
        previous = entry.digest
        if count <= size:
            tree.add(_leaf(entry.digest))
    subject = f"the first {size} entries"
    if count < size:
        findings.differ(
            Code.CHECKPOINT_BEYOND_LOG, subject, f"were co-signed on chain, and there are {count}"
        )
    elif size and tree.head() != head:
        detail = f"have the head 0x{tree.head().hex()}; co-signed on chain is 0x{head.hex()}"
        findings.differ(Code.CHECKPOINT_OTHER_LOG, subject, detail)
    return count


def _leaf(digest: str) -> bytes:
    """A leaf is an entry's digest; whether that is the entry's own has been looked at apart."""
    try:
        return bytes.fromhex(digest.removeprefix("0x"))
    except ValueError:
        return digest.encode()


class _Tree:
    """RFC 9162, 2.1.1, read once: the roots of the complete subtrees, each with its width, widest first."""

    def __init__(self) -> None:
        self._roots: list[tuple[int, bytes]] = []

    def add(self, entry: bytes) -> None:
        width, root = 1, hashlib.sha256(b"\x00" + entry).digest()
        while self._roots and self._roots[-1][0] == width:
            root = _parent(self._roots.pop()[1], root)
            width *= 2
        self._roots.append((width, root))

    def head(self) -> bytes:
        *wider, (_, head) = self._roots
        for _, root in reversed(wider):
            head = _parent(root, head)
        return head


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _digest(entry: database.AccessEntry) -> str:
    at = database.in_utc(entry.at).isoformat(timespec="microseconds")
    names = ("seq", "request_id", "key_id", "role", "principal", "method", "path", "status", "remote")
    chained = {name: getattr(entry, name) for name in (*names, "previous_digest")} | {"at": at}
    return "0x" + hashlib.sha256(rfc8785.dumps(chained)).hexdigest()
