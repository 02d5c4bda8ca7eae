"""The Merkle tree of a transparency log: RFC 9162, section 2.1, over SHA-256.

A leaf is SHA-256(0x00 || entry), an inner node SHA-256(0x01 || left || right). Whatever is asked of a log of
n entries takes O(log n) hashes, once the roots of its complete subtrees are at hand; those never change.
Pure, and shared by the engine and by who watches it.
"""

import hashlib
from collections.abc import Callable, Sequence

EMPTY_HEAD = hashlib.sha256().digest()
"""The head of a log without entries (section 2.1.1)."""
_BYTES = 32

Subtrees = Callable[[int, int], bytes]
"""(level, index) -> the root over the 2**level entries from index * 2**level on; at level 0 a leaf's hash.
Asked only for subtrees that the log fills."""


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def inner_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def head(size: int, subtrees: Subtrees) -> bytes:
    """The Merkle tree head over the first `size` entries."""
    return _over(0, size, subtrees) if size else EMPTY_HEAD


def inclusion_proof(index: int, size: int, subtrees: Subtrees) -> list[bytes]:
    """That entry `index` (from 0) is in the log of `size` entries (section 2.1.3.1). Raises ValueError."""
    if not 0 <= index < size:
        raise ValueError(f"index: a log of {size} entries has no entry {index}")
    siblings, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            siblings.append(_over(middle, end, subtrees))
            end = middle
        else:
            siblings.append(_over(start, middle, subtrees))
            start = middle
    return siblings[::-1]


def consistency_proof(old_size: int, size: int, subtrees: Subtrees) -> list[bytes]:
    """That the log of `size` begins with the log of `old_size` (section 2.1.4.1). Raises ValueError.

    Empty where the old log is empty or the whole.
    """
    if not 0 <= old_size <= size:
        raise ValueError(f"old_size: {old_size} is not within a log of {size} entries")
    if old_size in (0, size):
        return []
    nodes, start, end, known = [], 0, size, True
    while end != old_size:
        middle = start + _split(end - start)
        if old_size <= middle:
            nodes.append(_over(middle, end, subtrees))
            end = middle
        else:
            nodes.append(_over(start, middle, subtrees))
            start, known = middle, False
    # Whoever checks has the old head itself; any other subtree has to be given.
    return ([] if known else [_over(start, end, subtrees)]) + nodes[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf's hash is at `index` of the log of `size` entries under `root` (section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for node in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = inner_hash(node, found)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = inner_hash(found, node)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the log under `root` begins with the one under `old_root` (section 2.1.4.2).

    Any log extends the empty one, and a log extends itself, both by an empty proof.
    """
    if old_size == 0:
        return not proof
    if old_size == size:
        return not proof and old_root == root
    if not 0 < old_size < size:
        return False
    whole = old_size & (old_size - 1) == 0
    nodes = [old_root, *proof] if whole else list(proof)
    if not nodes:
        return False
    at, last = old_size - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old, new = nodes[0], nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = inner_hash(node, old), inner_hash(node, new)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            new = inner_hash(new, node)
        at, last = at >> 1, last >> 1
    return last == 0 and old == old_root and new == root


class Frontier:
    """The head of a log that is read once, from its first entry on: O(log n) memory, whatever its size.

    peaks: the roots of the complete subtrees that `size` is made of, the largest first.
    """

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Raises ValueError where there are not as many peaks as `size` has ones in binary."""
        if size < 0 or len(peaks) != size.bit_count() or any(len(peak) != _BYTES for peak in peaks):
            raise ValueError(f"peaks: {size} entries have {size.bit_count()} of them, each {_BYTES} bytes")
        self.size = size
        self.peaks = list(peaks)

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Take the hash of the next leaf; (level, index, root) of each subtree it fills, itself first."""
        node, level, index = leaf, 0, self.size
        completed = [(level, index, node)]
        while index & 1:
            node, level, index = inner_hash(self.peaks.pop(), node), level + 1, index >> 1
            completed.append((level, index, node))
        self.peaks.append(node)
        self.size += 1
        return completed

    def head(self) -> bytes:
        if not self.peaks:
            return EMPTY_HEAD
        found = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            found = inner_hash(peak, found)
        return found


def _over(start: int, end: int, subtrees: Subtrees) -> bytes:
    """The root over these entries; `start` is where a subtree at least that wide begins."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return subtrees(level, start >> level)
    middle = start + _split(width)
    return inner_hash(_over(start, middle, subtrees), _over(middle, end, subtrees))


def _split(width: int) -> int:
    """The largest power of two below `width`, which is at least 2."""
    return 1 << ((width - 1).bit_length() - 1)
