"""RFC 9162's Merkle tree over a log, once more, as plainly as section 2.1 defines it."""

from collections.abc import Sequence
from hashlib import sha256


def head(entries: Sequence[bytes]) -> bytes:
    """MTH: the Merkle tree head."""
    if not entries:
        return sha256().digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = _split(len(entries))
    return sha256(b"\x01" + head(entries[:k]) + head(entries[k:])).digest()


def consistency(old_size: int, entries: Sequence[bytes]) -> list[bytes]:
    """PROOF: that the log of `entries` begins with its first `old_size` ones."""
    return _subproof(old_size, entries, whole=True)


def _subproof(old_size: int, entries: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if old_size == len(entries):
        return [] if whole else [head(entries)]
    k = _split(len(entries))
    if old_size <= k:
        return [*_subproof(old_size, entries[:k], whole=whole), head(entries[k:])]
    return [*_subproof(old_size - k, entries[k:], whole=False), head(entries[:k])]


def _split(size: int) -> int:
    """The largest power of two below the size."""
    k = 1
    while 2 * k < size:
        k *= 2
    return k
