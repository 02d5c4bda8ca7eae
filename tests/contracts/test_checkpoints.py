"""MatchResultStore: checkpoints of the audit log, each an extension of the last, signed by two of three."""

from collections.abc import Iterator
from itertools import combinations, pairwise

import pytest
from web3.types import TxReceipt

from engine.chain.eip712 import LogHead, checkpoint_typed_data, sign
from tests.contracts.checkpoints import EMPTY, HEADS, LOG, WITNESSES, recording, signed
from tests.contracts.transparency import consistency, head
from tests.contracts.world import KEYS, Refused, World, role


def record(world: World, new: int, last: int = 0) -> TxReceipt:
    return world.send(recording(world, new, last, "engine_witness", "auditor"), by="stranger")


def latest(world: World) -> tuple[int, int, bytes]:
    size, time, root = world.ask(world.store.functions.latestCheckpoint())
    return size, time, root


def why_not(world: World, size: int, root: bytes, proof: list[bytes]) -> str:
    """Asked, and signed by nobody: consistency is looked at before who signed."""
    with pytest.raises(Refused) as refused:
        world.ask(world.store.functions.recordCheckpoint(size, root, proof, []))
    return str(refused.value.args[0])


CONSISTENT, INCONSISTENT = "TooFewWitnesses", "CheckpointInconsistent"


def test_a_checkpoint_must_extend_the_last(world: World) -> None:
    assert latest(world) == (0, 0, bytes(32))
    receipt = record(world, 3)
    assert latest(world) == (3, world.now, HEADS[3].root)
    for last, new in pairwise((3, 4, 7, 8, 25, 40)):
        receipt = record(world, new, last)
        assert latest(world) == (new, world.now, HEADS[new].root)
        assert world.events(receipt, world.store) == [
            (
                "CheckpointRecorded",
                {
                    "size": new,
                    "root": HEADS[new].root,
                    "previousSize": last,
                    "previousRoot": HEADS[last].root,
                },
            )
        ]
    for size in (40, 39, 1, 0):
        function = world.store.functions.recordCheckpoint(size, HEADS[size].root, [], [])
        assert world.refusal(function) == ("CheckpointNotLarger", size, 40)


def test_a_log_that_was_rewritten_is_not_an_extension(world: World) -> None:
    record(world, 5)
    rewritten = [b"not entry 2" if i == 2 else entry for i, entry in enumerate(LOG[:9])]
    new = LogHead(9, head(rewritten))
    function = world.store.functions.recordCheckpoint(
        9, new.root, consistency(5, rewritten), signed(world, new, HEADS[5], *WITNESSES)
    )
    assert world.refusal(function) == ("CheckpointInconsistent", 5, HEADS[5].root, 9, new.root)
    assert latest(world)[0] == 5


def test_a_checkpoint_has_a_root(world: World) -> None:
    for last in (0, 1):
        function = world.store.functions.recordCheckpoint(2, bytes(32), [], [])
        assert world.refusal(function) == ("ZeroRoot", 2)
        if not last:
            record(world, 1)


def test_the_first_checkpoint_needs_no_proof_and_takes_none(world: World) -> None:
    assert world.refusal(recording(world, 3, 0, *WITNESSES, proof=[role("x")])) == (
        "CheckpointInconsistent",
        0,
        bytes(32),
        3,
        HEADS[3].root,
    )
    record(world, 3)


@pytest.mark.parametrize("old", range(1, len(LOG)))
def test_the_log_of_every_size_is_extended_to_every_larger_one(world: World, old: int) -> None:
    record(world, old)
    for new in range(old + 1, len(LOG) + 1):
        assert why_not(world, new, HEADS[new].root, consistency(old, LOG[:new])) == CONSISTENT


def spoilt(old: int, new: int) -> Iterator[tuple[int, bytes, list[bytes]]]:
    """(size, root, proof) that differ from the honest ones in one thing."""
    root, proof = HEADS[new].root, consistency(old, LOG[:new])
    for i in range(len(proof)):
        bit = (31 * old + 7 * new + 101 * i) % 256
        yield new, root, [*proof[:i], flip(proof[i], bit), *proof[i + 1 :]]
        yield new, root, proof[:i] + proof[i + 1 :]
    for i in range(len(proof) - 1):
        yield new, root, [*proof[:i], proof[i + 1], proof[i], *proof[i + 2 :]]
    for extra in (root, HEADS[old].root, bytes(32)):
        yield new, root, [*proof, extra]
        yield new, root, [extra, *proof]
    yield new, flip(root, (old + new) % 256), proof
    if proof:
        yield new, root, []


def flip(word: bytes, bit: int) -> bytes:
    return (int.from_bytes(word, "big") ^ (1 << bit)).to_bytes(32, "big")


@pytest.mark.parametrize("old", range(1, 12))
def test_every_spoilt_proof_of_consistency_is_refused(world: World, old: int) -> None:
    record(world, old)
    for new in range(old + 1, 14):
        for size, root, proof in spoilt(old, new):
            assert why_not(world, size, root, proof) == INCONSISTENT, (old, new, proof)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_every_bit_of_a_proof_of_consistency_counts(world: World, place: int) -> None:
    record(world, 3)
    proof = consistency(3, LOG[:4])
    assert why_not(world, 4, HEADS[4].root, proof) == CONSISTENT
    assert len(proof) == 3
    for bit in range(256):
        bad = [flip(word, bit) if i == place else word for i, word in enumerate(proof)]
        assert why_not(world, 4, HEADS[4].root, bad) == INCONSISTENT


def test_a_proof_is_good_for_trees_of_its_own_shape_only(world: World) -> None:
    """RFC 9162's proof tells how high the tree is, and not how much of its right edge is filled: the size as
    such is what the witnesses sign for (test_what_is_signed_is_both_heads_on_this_chain_in_this_store).
    """
    record(world, 6)
    proof = consistency(6, LOG[:11])
    told = {n for n in range(7, 70) if why_not(world, n, HEADS[11].root, proof) == CONSISTENT}
    assert told == set(range(9, 17))


def test_a_log_of_any_size_is_extended_without_running_on(world: World) -> None:
    """Sizes are 64 bits wide: no proof is long enough to pass for one of the largest log."""
    record(world, 7)
    largest = 2**64 - 1
    assert why_not(world, largest, role("root"), []) == INCONSISTENT
    assert why_not(world, largest, role("root"), [role("x")] * 64) == INCONSISTENT


# ---------------------------------------------------------------- witnesses


@pytest.mark.parametrize("two", list(combinations(WITNESSES, 2)))
def test_two_kinds_of_witnesses_are_enough(world: World, two: tuple[str, str]) -> None:
    world.send(recording(world, 4, 0, *two), by="stranger")
    world.send(recording(world, 9, 4, *reversed(two)), by="stranger")
    assert latest(world)[0] == 9


def test_all_three_may_sign(world: World) -> None:
    world.send(recording(world, 4, 0, "hospital", *WITNESSES, "other_hospital"), by="stranger")
    assert latest(world)[0] == 4


@pytest.mark.parametrize(
    "by",
    [
        (),
        ("auditor",),
        ("engine_witness", "engine_witness"),
        ("hospital", "other_hospital"),
        ("hospital", "hospital", "other_hospital"),
    ],
)
def test_one_kind_of_witness_is_too_few(world: World, by: tuple[str, ...]) -> None:
    assert world.refusal(recording(world, 4, 0, *by)) == ("TooFewWitnesses",)
    assert latest(world)[0] == 0


@pytest.mark.parametrize("who", [name for name in KEYS if name not in (*WITNESSES, "other_hospital")])
def test_who_is_no_witness_does_not_count(world: World, who: str) -> None:
    function = recording(world, 4, 0, "engine_witness", who, "hospital")
    assert world.refusal(function) == ("NotAWitness", world.people[who].lower())


def test_a_dismissed_witness_does_not_count(world: World) -> None:
    world.change_role(world.store, "AUDITOR_ROLE", "auditor", grants=False)
    function = recording(world, 4, 0, "engine_witness", "auditor")
    assert world.refusal(function) == ("NotAWitness", world.people["auditor"].lower())


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_witness_is_counted_by_its_own_signature_only(world: World, place: int) -> None:
    signatures = signed(world, HEADS[4], EMPTY, *WITNESSES)
    signatures[place] = (signatures[place][0], signatures[place - 1][1])
    function = recording(world, 4, 0, signatures=signatures)
    assert world.refusal(function) == ("WitnessNotSigned", signatures[place][0].lower())


def test_what_is_signed_is_both_heads_on_this_chain_in_this_store(world: World) -> None:
    record(world, 2)
    honest = (HEADS[5], HEADS[2])
    for new, last in [
        (LogHead(6, HEADS[5].root), HEADS[2]),
        (LogHead(5, HEADS[6].root), HEADS[2]),
        (HEADS[5], LogHead(3, HEADS[2].root)),
        (HEADS[5], LogHead(2, HEADS[3].root)),
        (HEADS[5], EMPTY),
    ]:
        signatures = signed(world, new, last, *WITNESSES)
        assert world.refusal(recording(world, 5, 2, signatures=signatures))[0] == "WitnessNotSigned"
    elsewhere = signed(world, *honest, *WITNESSES, store=world.registry)
    assert world.refusal(recording(world, 5, 2, signatures=elsewhere))[0] == "WitnessNotSigned"
    document = checkpoint_typed_data(*honest, chain_id=1, store=world.store.address)
    other_chain = [(world.people[who], sign(document, KEYS[who])) for who in WITNESSES]
    assert world.refusal(recording(world, 5, 2, signatures=other_chain))[0] == "WitnessNotSigned"
    record(world, 5, 2)


def test_a_checkpoint_is_recorded_once(world: World) -> None:
    function = recording(world, 4, 0, *WITNESSES)
    world.send(function, by="stranger")
    assert world.refusal(function) == ("CheckpointNotLarger", 4, 4)
