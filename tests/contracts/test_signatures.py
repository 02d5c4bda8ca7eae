"""AuthorizationRegistry: what a signature covers, and how often it counts."""

from typing import Any

import pytest
from eth_typing import Hash32

from engine.chain.eip712 import (
    LogHead,
    checkpoint_typed_data,
    grant_typed_data,
    renew_typed_data,
    revoke_typed_data,
    sign,
    signer_of,
    signing_hash,
)
from tests.contracts.consent import FIELDS, changed, refused_grant
from tests.contracts.model import GrantRefusal, Liveness
from tests.contracts.world import DAY, KEYS, NOBODY, World

BAD = GrantRefusal.BAD_SIGNATURE


@pytest.mark.parametrize("field", [field for field in FIELDS if field != "guardian"])
def test_a_signature_covers_every_field(world: World, field: str) -> None:
    signed = world.new_grant()
    forged = changed(world, signed, field)
    _, deadline, signature = world.signed_grant(signed)
    assert refused_grant(world, forged, (forged.as_tuple(), deadline, signature)) == BAD


def test_a_guardians_signature_covers_who_is_insured_and_who_is_guardian(world: World) -> None:
    signed = world.new_grant(guardian=world.people["guardian"])
    _, deadline, signature = world.signed_grant(signed, by="guardian")
    for field in ("insured", "guardian"):
        forged = changed(world, signed, field)
        assert refused_grant(world, forged, (forged.as_tuple(), deadline, signature)) == BAD


def test_a_signature_covers_the_deadline_the_chain_and_the_registry(world: World) -> None:
    grant = world.new_grant()
    message, deadline, signature = world.signed_grant(grant)
    assert refused_grant(world, grant, (message, deadline + 1, signature)) == BAD
    for elsewhere in ({"chain_id": 1}, {"registry": world.store.address}):
        document = grant_typed_data(grant, nonce=0, deadline=deadline, **(world.domain | elsewhere))
        assert refused_grant(world, grant, (message, deadline, sign(document, KEYS["insured"]))) == BAD


def test_a_signature_is_good_for_one_nonce(world: World) -> None:
    first, second = world.new_grant(), world.new_grant()
    early = world.signed_grant(second, nonce=0)
    world.send(world.registry.functions.grant(*world.signed_grant(first, nonce=0)), by="stranger")
    assert refused_grant(world, second, early) == BAD
    assert refused_grant(world, second, world.signed_grant(second, nonce=2)) == BAD
    assert world.nonce("insured") == 1
    world.send(world.registry.functions.grant(*world.signed_grant(second, nonce=1)), by="stranger")
    assert world.nonce("insured") == 2


def test_signatures_of_every_kind_count_in_one_line(world: World) -> None:
    """A nonce used to grant is not there to renew or to revoke, and the other way round."""
    grant, functions = world.granted(), world.registry.functions
    renewal = world.signed_renewal(grant, grant.expires + DAY)
    revocation = world.signed_revocation(grant)
    world.send(functions.renew(*renewal), by="stranger")
    assert world.nonce("insured") == 2
    assert world.refusal(functions.revoke(*revocation)) == ("NotSigned", grant.id, grant.insured.lower())
    later = world.signed_renewal(grant, grant.expires + 2 * DAY)
    world.send(functions.grant(*world.signed_grant(world.new_grant())), by="stranger")
    assert world.refusal(functions.renew(*later)) == ("NotSigned", grant.id, grant.insured.lower())
    world.send(functions.revoke(*world.signed_revocation(grant)), by="stranger")
    assert world.nonce("insured") == 4


def test_a_refusal_uses_no_nonce(world: World) -> None:
    grant = world.granted()
    before = world.nonce("insured")
    functions = world.registry.functions
    world.refusal(functions.grant(*world.signed_grant(grant)))
    world.refusal(functions.renew(*world.signed_renewal(grant, grant.expires)))
    world.refusal(functions.revoke(*world.signed_revocation(world.new_grant())))
    assert world.nonce("insured") == before


def test_a_replayed_grant_is_refused(world: World) -> None:
    grant = world.new_grant()
    arguments = world.signed_grant(grant)
    world.send(world.registry.functions.grant(*arguments), by="stranger")
    assert refused_grant(world, grant, arguments) == GrantRefusal.ALREADY_KNOWN


def test_a_replayed_revocation_cannot_revoke_another_grant(world: World) -> None:
    first, second = world.granted(), world.granted()
    arguments = world.signed_revocation(first)
    functions = world.registry.functions
    world.send(functions.revoke(*arguments), by="stranger")
    assert world.refusal(functions.revoke(*arguments)) == ("AlreadyRevoked", first.id)
    assert world.refusal(functions.revoke(second.as_tuple(), *arguments[1:])) == (
        "NotSigned",
        second.id,
        second.insured.lower(),
    )
    assert world.liveness(second) == Liveness.LIVE


def test_a_signature_of_one_kind_is_none_of_another(world: World) -> None:
    """A revocation of the same id, nonce and deadline renews nothing, nor the other way round."""
    grant, functions = world.granted(), world.registry.functions
    *_, deadline, revocation = world.signed_revocation(grant)
    *renewal, _ = world.signed_renewal(grant, grant.expires + DAY, deadline=deadline)
    refusal = ("NotSigned", grant.id, grant.insured.lower())
    assert world.refusal(functions.renew(*renewal, revocation)) == refusal
    *_, deadline, renewed = world.signed_renewal(grant, grant.expires + DAY)
    *revoking, _ = world.signed_revocation(grant, deadline=deadline)
    assert world.refusal(functions.revoke(*revoking, renewed)) == refusal


@pytest.mark.parametrize("name", ["revoke", "renew"])
def test_only_a_holder_signs_about_an_authorization(world: World, name: str) -> None:
    grant, functions = world.granted(), world.registry.functions

    def signed(by: str) -> tuple[Any, ...]:
        if name == "revoke":
            return world.signed_revocation(grant, by=by)
        return world.signed_renewal(grant, grant.expires + DAY, by=by)

    def at_signer(arguments: tuple[Any, ...], signer: str) -> tuple[Any, ...]:
        return *arguments[:-3], signer, *arguments[-2:]

    for by in ("guardian", "stranger", "revoker", "governor"):
        address = world.people[by]
        assert world.refusal(functions[name](*signed(by))) == ("NotAHolder", grant.id, address.lower())
        forged = at_signer(signed(by), grant.insured)
        assert world.refusal(functions[name](*forged)) == ("NotSigned", grant.id, grant.insured.lower())
    # an absent guardian is the zero address, which is what a signature that recovers to nobody gives
    nobody = at_signer((*signed("insured")[:-1], bytes(65)), NOBODY)
    assert world.refusal(functions[name](*nobody)) == ("NotAHolder", grant.id, NOBODY)
    assert world.liveness(grant) == Liveness.LIVE


def test_a_signature_is_taken_up_to_its_deadline(world: World) -> None:
    functions = world.registry.functions
    in_time, late = world.new_grant(), world.new_grant()
    deadline = world.now + 100
    arguments = world.signed_grant(in_time, deadline=deadline)
    world.next_block_at(deadline)
    world.send(functions.grant(*arguments), by="stranger")
    message, _, signature = world.signed_grant(late, deadline=deadline)
    for function, by in (
        (functions.grant(message, deadline, signature), "stranger"),
        (functions.grantBatch([message], deadline, [signature]), "enrolment"),
        (functions.revoke(*world.signed_revocation(in_time, deadline=deadline)), "stranger"),
        (functions.renew(*world.signed_renewal(in_time, in_time.expires + 1, deadline=deadline)), "stranger"),
    ):
        assert world.refusal(function, by=by) == ("SignatureExpired", deadline, world.now)


@pytest.mark.parametrize("name", ["revoke", "renew"])
def test_a_revocation_and_a_renewal_are_taken_up_to_their_deadline(world: World, name: str) -> None:
    grant, deadline = world.granted(), world.now + 100
    arguments = (
        world.signed_revocation(grant, deadline=deadline)
        if name == "revoke"
        else world.signed_renewal(grant, grant.expires + 1, deadline=deadline)
    )
    world.next_block_at(deadline)
    world.send(world.registry.functions[name](*arguments), by="stranger")


@pytest.mark.parametrize("signature", [b"", b"\x00" * 65, b"\xff" * 65, b"\x01" * 64])
def test_a_malformed_signature_is_a_bad_signature(world: World, signature: bytes) -> None:
    grant = world.new_grant()
    message, deadline, _ = world.signed_grant(grant)
    assert refused_grant(world, grant, (message, deadline, signature)) == BAD


def test_the_mirrored_signature_is_refused(world: World) -> None:
    """(r, n - s) with the other v recovers the same key: taking it would make signatures malleable."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    grant = world.new_grant()
    message, deadline, signature = world.signed_grant(grant)
    s = order - int.from_bytes(signature[32:64], "big")
    mirrored = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
    assert refused_grant(world, grant, (message, deadline, mirrored)) == BAD


@pytest.mark.parametrize("contract", ["registry", "store"])
def test_the_typed_data_is_what_the_contract_hashes(world: World, contract: str) -> None:
    functions = getattr(world, contract).functions
    fields, name, version, chain_id, verifying, salt, extensions = world.ask(functions.eip712Domain())
    chain = world.domain["chain_id"]
    documents = {
        "registry": grant_typed_data(world.new_grant(), nonce=0, deadline=0, **world.domain),
        "store": checkpoint_typed_data(
            LogHead(1, world.fresh()), LogHead(0, bytes(32)), chain_id=chain, store=world.store.address
        ),
    }
    assert documents[contract]["domain"] == {
        "name": name,
        "version": version,
        "chainId": chain_id,
        "verifyingContract": verifying,
    }
    assert (fields, salt, extensions) == (b"\x0f", bytes(32), [])


def test_the_signer_of_typed_data_is_recovered(world: World) -> None:
    document = renew_typed_data(world.fresh(), 5, world.fresh(), nonce=3, deadline=9, **world.domain)
    other = revoke_typed_data(document["message"]["id"], nonce=3, deadline=9, **world.domain)
    signature = sign(document, KEYS["guardian"])
    assert signer_of(document, signature) == world.people["guardian"]
    assert signer_of(other, signature) != world.people["guardian"]
    assert KEYS["guardian"].unsafe_sign_hash(Hash32(signing_hash(document))).signature == signature


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject", bytes(33)),
        ("scope", b"short"),
        ("insured", "0x12"),
        ("guardian", "nobody"),
        ("expires", 2**40),
        ("expires", -1),
    ],
)
def test_a_grant_that_the_contract_could_not_hold_names_its_field(
    world: World, field: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        world.new_grant(**{field: value})
