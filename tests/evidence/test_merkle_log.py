"""The log's tree against a plain reading of RFC 9162's recursive definitions, and against published heads."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evidence.merkle_log import (
    EMPTY_HEAD,
    Frontier,
    Subtrees,
    consistency_proof,
    head,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)

Entries = Sequence[bytes]


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(entries: Entries) -> bytes:
    """Section 2.1.1, word for word."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = split(len(entries))
    return hashlib.sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m: int, entries: Entries) -> list[bytes]:
    """Section 2.1.3.1, word for word."""
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def subproof(m: int, entries: Entries, whole: bool) -> list[bytes]:
    """Section 2.1.4.1, word for word."""
    if m == len(entries):
        return [] if whole else [mth(entries)]
    k = split(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], whole), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], False), mth(entries[:k])]


def subtrees_of(entries: Entries) -> Subtrees:
    def root(level: int, index: int) -> bytes:
        covered = entries[index << level : (index + 1) << level]
        assert len(covered) == 1 << level, "a subtree that the log does not fill"
        return mth(covered)

    return root


LOG = [f"entry {number}".encode() for number in range(300)]
sizes = st.integers(1, len(LOG))

# The eight entries and heads of the reference implementation of certificate transparency.
VECTORS = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
]


def test_heads_are_those_that_certificate_transparency_publishes() -> None:
    entries = [bytes.fromhex(entry) for entry, _ in VECTORS]
    for size, (_, expected) in enumerate(VECTORS, start=1):
        assert head(size, subtrees_of(entries[:size])).hex() == expected
    assert head(0, subtrees_of([])) == EMPTY_HEAD == mth([])


@given(size=sizes)
def test_a_head_is_the_recursive_one(size: int) -> None:
    assert head(size, subtrees_of(LOG)) == mth(LOG[:size])


@given(size=sizes, data=st.data())
def test_an_inclusion_proof_is_the_recursive_one_and_holds_for_its_entry_alone(
    size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, subtrees_of(LOG))
    assert proof == path(index, LOG[:size])
    leaf, root = leaf_hash(LOG[index]), mth(LOG[:size])
    assert verify_inclusion(leaf, index, size, proof, root)
    other = data.draw(st.integers(0, len(LOG)).filter(lambda other: other != index))
    assert not verify_inclusion(leaf, other, size, proof, root)
    assert not verify_inclusion(leaf_hash(b"another"), index, size, proof, root)
    assert not verify_inclusion(leaf, index, size, [*proof, root], root)
    assert not verify_inclusion(leaf, index, size, proof, mth([*LOG[:size], b"one more"]))


@given(size=sizes, data=st.data())
def test_a_consistency_proof_is_the_recursive_one_and_holds_for_its_logs_alone(
    size: int, data: st.DataObject
) -> None:
    old = data.draw(st.integers(1, size))
    proof = consistency_proof(old, size, subtrees_of(LOG))
    assert proof == subproof(old, LOG[:size], True)
    old_root, root = mth(LOG[:old]), mth(LOG[:size])
    assert verify_consistency(old, old_root, size, root, proof)
    assert not verify_consistency(old, mth(LOG[: old - 1]), size, root, proof)
    assert not verify_consistency(old, old_root, size, mth(LOG[1 : size + 1]), proof)
    assert not verify_consistency(old, old_root, size, root, [*proof, root])
    if proof:
        assert not verify_consistency(old, old_root, size, root, proof[:-1])
        changed = data.draw(st.integers(0, len(proof) - 1))
        forged = [*proof[:changed], bytes(32), *proof[changed + 1 :]]
        assert not verify_consistency(old, old_root, size, root, forged)


@given(size=sizes, data=st.data())
def test_a_log_with_one_old_entry_rewritten_extends_nothing(size: int, data: st.DataObject) -> None:
    """The engine's own best proof over the rewritten log does not help it."""
    old = data.draw(st.integers(1, size))
    at = data.draw(st.integers(0, old - 1))
    rewritten = [*LOG[:at], b"rewritten", *LOG[at + 1 : size]]
    proof = consistency_proof(old, size, subtrees_of(rewritten))
    assert not verify_consistency(old, mth(LOG[:old]), size, mth(rewritten), proof)


def test_the_ends_of_what_can_be_asked() -> None:
    root = mth(LOG[:5])
    assert consistency_proof(0, 5, subtrees_of(LOG)) == []
    assert verify_consistency(0, EMPTY_HEAD, 5, root, [])
    assert not verify_consistency(0, EMPTY_HEAD, 5, root, [root])
    assert not verify_consistency(6, root, 5, root, [])
    assert not verify_consistency(-1, root, 5, root, [])
    assert not verify_consistency(3, root, 5, root, [])
    assert not verify_inclusion(root, 0, 0, [], root)
    assert not verify_inclusion(root, 0, 2, [], root), "a log of two is more than its first leaf"
    for index, size in ((5, 5), (-1, 5), (0, 0)):
        with pytest.raises(ValueError, match="index"):
            inclusion_proof(index, size, subtrees_of(LOG))
    for old in (-1, 6):
        with pytest.raises(ValueError, match="old_size"):
            consistency_proof(old, 5, subtrees_of(LOG))


@given(size=st.integers(0, len(LOG)), more=st.integers(0, 40))
def test_a_frontier_taken_up_again_comes_to_the_same_head(size: int, more: int) -> None:
    first = Frontier()
    for entry in LOG[:size]:
        first.append(leaf_hash(entry))
    again = Frontier(first.size, first.peaks)
    for entry in LOG[size : size + more]:
        again.append(leaf_hash(entry))
    assert first.head() == mth(LOG[:size])
    assert again.head() == mth(LOG[: size + more])
    assert len(again.peaks) <= 9


def test_a_frontier_names_every_subtree_it_completes_once() -> None:
    frontier, seen = Frontier(), {}
    for entry in LOG:
        for level, index, root in frontier.append(leaf_hash(entry)):
            assert (level, index) not in seen
            seen[level, index] = root
    assert seen == {
        (level, index): subtrees_of(LOG)(level, index)
        for level in range(9)
        for index in range(len(LOG) >> level)
    }


@pytest.mark.parametrize(("size", "peaks"), [(3, [bytes(32)]), (0, [bytes(32)]), (1, [b"short"]), (-1, [])])
def test_peaks_that_cannot_be_of_that_log_are_refused(size: int, peaks: list[bytes]) -> None:
    with pytest.raises(ValueError, match="peaks"):
        Frontier(size, peaks)
