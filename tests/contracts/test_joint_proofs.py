"""Many leaves out of one wave, by one proof: nothing but the wave's own leaves ever comes out."""

from collections.abc import Iterator
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.chain.eip712 import Grant
from tests.contracts.consent import Wave
from tests.contracts.model import GrantRefusal, Liveness
from tests.contracts.world import GAS_LIMIT, NOBODY, Refused, World, role

Steps = list[tuple[int, int]]
Joint = tuple[list[Grant], list[bytes], Steps]


def sending(world: World, wave: Wave, joint: Joint, scope: bytes = role("purpose")) -> Any:
    leaves, siblings, steps = joint
    rows = [
        (leaf.subject, leaf.consent_digest, leaf.insured, leaf.guardian, leaf.expires, *step)
        for leaf, step in zip(leaves, steps, strict=True)
    ]
    return world.registry.functions.materializeBatch(wave.root, scope, rows, siblings)


def honest(wave: Wave, leaves: list[Grant]) -> Joint:
    proof = wave.tree.joint_proof([leaf.id for leaf in leaves])
    return leaves, list(proof.siblings), list(proof.steps)


def why_not(world: World, wave: Wave, joint: Joint) -> tuple[object, ...]:
    """Asked, not sent: a mutation costs a call. Fails where the forged proof is taken."""
    try:
        world.ask(sending(world, wave, joint))
    except Refused as refused:
        return refused.args
    raise AssertionError(f"taken: {joint}")


def of(world: World, size: int) -> Wave:
    return Wave(world, leaves=[world.new_grant() for _ in range(size)])


def in_tree_order(wave: Wave) -> list[Grant]:
    place = {node: i for i, node in enumerate(wave.tree.nodes)}
    return sorted(wave.leaves, key=lambda leaf: place[leaf.id])


def test_leaves_of_a_wave_are_materialized_together_by_one_joint_proof(world: World) -> None:
    guarded = world.new_grant(guardian=world.people["guardian"], insured=NOBODY)
    wave = Wave(world, leaves=[world.new_grant(), guarded, *(world.new_grant() for _ in range(9))])
    chosen = [wave.leaves[i] for i in (1, 4, 0, 7, 10)]
    receipt = world.send(wave.together(world, chosen), by="stranger")
    assert world.events(receipt, world.registry) == [
        (
            "AuthorizationMaterialized",
            {
                "id": leaf.id,
                "subject": leaf.subject,
                "root": wave.root,
                "insured": leaf.insured,
                "guardian": leaf.guardian,
                "expires": leaf.expires,
                "consentDigest": leaf.consent_digest,
            },
        )
        for leaf in chosen
    ]
    for leaf in wave.leaves:
        assert world.liveness(leaf) == (Liveness.LIVE if leaf in chosen else Liveness.UNKNOWN)
    assert world.liveness(chosen[0], at=wave.granted_at) == Liveness.LIVE
    assert world.liveness(chosen[0], at=wave.granted_at - 1) == Liveness.NOT_YET_GRANTED
    again = wave.together(world, [wave.leaves[2], chosen[3]])
    assert world.refusal(again) == ("GrantRefused", 1, chosen[3].id, GrantRefusal.ALREADY_KNOWN)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
def test_all_of_a_wave_come_out_together_in_any_order(world: World, size: int) -> None:
    wave = of(world, size)
    for order in list(permutations(wave.leaves))[:24]:
        world.ask(wave.together(world, list(order)))
    world.send(wave.together(world, wave.leaves), by="stranger")
    assert [world.liveness(leaf) for leaf in wave.leaves] == [Liveness.LIVE] * size
    more = world.registry.functions.materializeBatch(wave.root, role("purpose"), [], [])
    assert world.refusal(more) == ("EmptyBatch",)


@settings(max_examples=15)
@given(data=st.data())
def test_any_leaves_of_any_wave_come_out_together(deployed_world: World, data: st.DataObject) -> None:
    world = deployed_world
    snapshot = world.tester.take_snapshot()
    wave = of(world, data.draw(st.integers(1, 20)))
    order = data.draw(st.permutations(wave.leaves))
    chosen = list(order[: data.draw(st.integers(1, len(order)))])
    world.send(wave.together(world, chosen), by="stranger", gas=GAS_LIMIT // 2)
    assert all(world.liveness(leaf) == Liveness.LIVE for leaf in chosen)
    world.tester.revert_to_snapshot(snapshot)


def test_neighbours_share_their_way(world: World) -> None:
    wave = of(world, 8)
    leaves, siblings, steps = honest(wave, in_tree_order(wave))
    assert len(siblings) == 7  # against 24 in proofs of their own
    assert sum(own for own, _ in steps) == len(siblings)
    world.send(sending(world, wave, (leaves, siblings, steps)), by="stranger")


def mutations(world: World, wave: Wave, joint: Joint) -> Iterator[Joint]:
    """Every proof that differs from an honest one in one thing."""
    leaves, siblings, steps = joint
    nodes = {*wave.tree.nodes, *(leaf.id for leaf in leaves), world.fresh(), bytes(32)}
    for other in other_siblings(siblings, nodes):
        yield leaves, other, steps
    for others in other_steps(steps, len(siblings)):
        yield leaves, siblings, others
    for i, leaf in enumerate(leaves):
        yield [*leaves[:i], world.new_grant(), *leaves[i + 1 :]], siblings, steps
        yield [*leaves, leaf], siblings, [*steps, steps[i]]
        if i:
            yield [*leaves[: i - 1], leaf, leaves[i - 1], *leaves[i + 1 :]], siblings, steps


def other_siblings(siblings: list[bytes], nodes: set[bytes]) -> Iterator[list[bytes]]:
    """One replaced, left out, added or exchanged."""
    count = len(siblings)
    for i, sibling in enumerate(siblings):
        flipped = bytes([sibling[0] ^ 1]) + sibling[1:]
        for node in sorted({flipped, *nodes} - {sibling}):
            yield [*siblings[:i], node, *siblings[i + 1 :]]
        yield siblings[:i] + siblings[i + 1 :]
        if i:
            yield [*siblings[: i - 1], sibling, siblings[i - 1], *siblings[i + 1 :]]
    for node in sorted(nodes):
        for at in (0, count):
            yield [*siblings[:at], node, *siblings[at:]]


def other_steps(steps: Steps, count: int) -> Iterator[Steps]:
    """Another length, another end, or a sibling too many here and one too few there."""
    for i, (own, joins) in enumerate(steps):
        for other in {own - 1, own + 1, 0, count} - {own, -1}:
            yield [*steps[:i], (other, joins), *steps[i + 1 :]]
        for other in {*range(count + 2), 2**32 - 1} - {joins}:
            yield [*steps[:i], (own, other), *steps[i + 1 :]]
    for i, ((a, to), (b, onto)) in enumerate(pairwise(steps)):
        for more in (1, -1):
            if a + more >= 0 and b - more >= 0:
                yield [*steps[:i], (a + more, to), (b - more, onto), *steps[i + 2 :]]


def harmless(wave: Wave, joint: Joint) -> bool:
    """Whether the changed proof still says something true: by the tree's own nodes, from leaf to root or to a
    node that an earlier leaf's proof was given, with nothing left over. Worked out without the contract.
    """
    leaves, siblings, steps = joint
    place = {node: i for i, node in enumerate(wave.tree.nodes)}
    used = 0
    seen: set[bytes] = set()
    for leaf, (own, joins) in zip(leaves, steps, strict=True):
        mine, i = siblings[used : used + own], place.get(leaf.id, -1)
        if i < 0 or leaf.id in seen or joins > used or len(mine) != own:
            return False
        for sibling in mine:
            if i <= 0 or place.get(sibling) != (i + 1 if i % 2 else i - 1):
                return False
            i = (i - 1) // 2
        if wave.tree.nodes[i] != (siblings[joins - 1] if joins else wave.root):
            return False
        used += own
        seen.add(leaf.id)
    return used == len(siblings)


@pytest.mark.parametrize("picks", [(0, 1, 2), (5, 0, 6, 3), (6, 5, 4, 3, 2, 1, 0)])
def test_every_mutation_of_a_joint_proof_is_refused(world: World, picks: tuple[int, ...]) -> None:
    wave = of(world, 7)
    order = in_tree_order(wave)
    joint = honest(wave, [order[i] for i in picks])
    assert harmless(wave, joint)
    world.ask(sending(world, wave, joint))
    tried = 0
    for mutant in mutations(world, wave, joint):
        assert not harmless(wave, mutant), f"the same claim, said otherwise: {mutant}"
        why_not(world, wave, mutant)
        tried += 1
    assert tried > 100


def test_a_leaf_joins_only_what_came_before_it(world: World) -> None:
    """A sibling of its own or of a later leaf has not been led to the root yet."""
    wave = of(world, 8)
    order = in_tree_order(wave)
    leaves, siblings, steps = honest(wave, order[:4])
    assert steps[1] == (0, 1)  # the second leaf is the first one's sibling
    turned = [leaves[1], leaves[0]]  # true nodes all, but in the wrong order
    later = (turned, siblings[: steps[0][0]], [(0, 1), steps[0]])
    assert why_not(world, wave, later) == ("JoinsAhead", wave.root, 0, 1)
    own = (leaves[:1], siblings[: steps[0][0]], [(steps[0][0], 1)])
    assert why_not(world, wave, own) == ("JoinsAhead", wave.root, 0, 1)


def test_a_forged_leaf_cannot_lean_on_a_sibling_that_nobody_led_to_the_root(world: World) -> None:
    """Its id put among the siblings, used by nobody, or by another forged leaf."""
    wave = of(world, 4)
    forged, other = world.new_grant(), world.new_grant()
    leaves, siblings, steps = honest(wave, wave.leaves[:1])
    left_over = ([*leaves, forged], [*siblings, forged.id], [*steps, (0, len(siblings) + 1)])
    assert why_not(world, wave, left_over) == ("JoinsAhead", wave.root, 1, len(siblings) + 1)
    unused = (leaves, [*siblings, forged.id], steps)
    assert why_not(world, wave, unused) == ("SiblingsLeftOver", wave.root, len(siblings), len(siblings) + 1)
    each_other = ([forged, other], [other.id, forged.id], [(1, 2), (1, 1)])
    assert why_not(world, wave, each_other) == ("JoinsAhead", wave.root, 0, 2)
    after = ([other, forged], [forged.id], [(1, 0), (0, 1)])
    assert why_not(world, wave, after) == ("NotInWave", wave.root, other.id)


def test_an_inner_node_is_no_leaf(world: World) -> None:
    """An id is hashed twice, a node once: no grant has a node for its id."""
    wave = of(world, 4)
    assert {leaf.id for leaf in wave.leaves}.isdisjoint(wave.tree.nodes[:3])
    _, siblings, _ = honest(wave, wave.leaves[:1])
    stray = world.new_grant()
    assert why_not(world, wave, ([stray], siblings[1:], [(1, 0)])) == ("NotInWave", wave.root, stray.id)


def test_a_batch_is_of_one_scope(world: World) -> None:
    wave = of(world, 3)
    function = sending(world, wave, honest(wave, wave.leaves), scope=role("another purpose"))
    assert world.refusal(function) == ("OtherScope", wave.root, role("another purpose"))
