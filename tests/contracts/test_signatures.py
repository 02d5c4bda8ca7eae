"""AuthorizationRegistry: what a signature covers, and how often it counts."""

from typing import Any

import pytest
from eth_typing import Hash32
from web3.contract import Contract

from engine.chain.compile import compile_sources
from engine.chain.eip712 import Grant, grant_typed_data, revoke_typed_data, sign, signer_of, signing_hash
from tests.contracts.consent import refused_grant
from tests.contracts.model import GrantRefusal, Liveness
from tests.contracts.world import DAY, KEYS, Refused, World


@pytest.mark.parametrize("field", ["id", "subject", "scope", "consent_digest", "insured", "expires"])
def test_a_signature_covers_every_field(world: World, field: str) -> None:
    signed = world.new_grant()
    changed = {
        "insured": world.people["guardian"],
        "expires": signed.expires + 1,
    }.get(field, world.fresh())
    forged = Grant(**{**signed.__dict__, field: changed})
    _, deadline, signature = world.signed_grant(signed)
    assert refused_grant(world, forged, (forged.as_tuple(), deadline, signature)) == (
        "GrantRefused",
        0,
        forged.id,
        GrantRefusal.BAD_SIGNATURE,
    )


def test_a_signature_covers_the_deadline_the_chain_and_the_registry(world: World) -> None:
    grant = world.new_grant()
    message, deadline, signature = world.signed_grant(grant)
    refusal = ("GrantRefused", 0, grant.id, GrantRefusal.BAD_SIGNATURE)
    assert refused_grant(world, grant, (message, deadline + 1, signature)) == refusal
    for elsewhere in ({"chain_id": 1}, {"registry": world.store.address}):
        document = grant_typed_data(grant, nonce=0, deadline=deadline, **(world.domain | elsewhere))
        assert refused_grant(world, grant, (message, deadline, sign(document, KEYS["insured"]))) == refusal


def test_a_signature_is_good_for_one_nonce(world: World) -> None:
    first, second = world.new_grant(), world.new_grant()
    early = world.signed_grant(second, nonce=0)
    world.send(world.registry.functions.grant(*world.signed_grant(first, nonce=0)), by="stranger")
    refusal = ("GrantRefused", 0, second.id, GrantRefusal.BAD_SIGNATURE)
    assert refused_grant(world, second, early) == refusal
    assert refused_grant(world, second, world.signed_grant(second, nonce=2)) == refusal
    assert world.nonce("insured") == 1
    world.send(world.registry.functions.grant(*world.signed_grant(second, nonce=1)), by="stranger")
    assert world.nonce("insured") == 2


def test_a_replayed_grant_is_refused(world: World) -> None:
    grant = world.new_grant()
    arguments = world.signed_grant(grant)
    world.send(world.registry.functions.grant(*arguments), by="stranger")
    assert refused_grant(world, grant, arguments) == (
        "GrantRefused",
        0,
        grant.id,
        GrantRefusal.ALREADY_KNOWN,
    )


def test_a_replayed_revocation_cannot_revoke_another_grant(world: World) -> None:
    first, second = world.granted(), world.granted()
    _, deadline, signature = arguments = world.signed_revocation(first.id)
    world.send(world.registry.functions.revoke(*arguments), by="stranger")
    with pytest.raises(Refused) as again:
        world.send(world.registry.functions.revoke(*arguments), by="stranger")
    assert again.value.args == ("AlreadyRevoked", first.id)
    with pytest.raises(Refused) as other:
        world.send(world.registry.functions.revoke(second.id, deadline, signature), by="stranger")
    assert other.value.args == ("RevokeNotSigned", second.id, second.insured.lower())
    assert world.liveness(second) == Liveness.LIVE


def test_a_revocation_signed_for_an_older_nonce_is_refused(world: World) -> None:
    grant = world.granted()
    stale = world.signed_revocation(grant.id)
    world.granted()
    with pytest.raises(Refused, match="RevokeNotSigned"):
        world.send(world.registry.functions.revoke(*stale), by="stranger")
    assert world.liveness(grant) == Liveness.LIVE


def test_a_signature_is_taken_up_to_its_deadline(world: World) -> None:
    in_time, late = world.new_grant(), world.new_grant()
    deadline = world.now + 100
    arguments = world.signed_grant(in_time, deadline=deadline)
    world.next_block_at(deadline)
    world.send(world.registry.functions.grant(*arguments), by="stranger")
    revocation = world.signed_revocation(in_time.id, deadline=deadline)
    for function in (
        world.registry.functions.grant(*world.signed_grant(late, deadline=deadline)),
        world.registry.functions.revoke(*revocation),
    ):
        with pytest.raises(Refused) as refused:
            world.send(function, by="stranger")
        assert refused.value.args == ("SignatureExpired", deadline, world.now)
    batch = world.signed_grant(late, deadline=deadline)
    with pytest.raises(Refused, match="SignatureExpired"):
        world.send(world.registry.functions.grantBatch([batch[0]], deadline, [batch[2]]), by="enrolment")


@pytest.mark.parametrize("signature", [b"", b"\x00" * 65, b"\xff" * 65, b"\x01" * 64])
def test_a_malformed_signature_is_a_bad_signature(world: World, signature: bytes) -> None:
    grant = world.new_grant()
    message, deadline, _ = world.signed_grant(grant)
    assert refused_grant(world, grant, (message, deadline, signature)) == (
        "GrantRefused",
        0,
        grant.id,
        GrantRefusal.BAD_SIGNATURE,
    )


def test_the_mirrored_signature_is_refused(world: World) -> None:
    """(r, n - s) with the other v recovers the same key: taking it would make signatures malleable."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    grant = world.new_grant()
    message, deadline, signature = world.signed_grant(grant)
    s = order - int.from_bytes(signature[32:64], "big")
    mirrored = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
    assert refused_grant(world, grant, (message, deadline, mirrored))[-1] == GrantRefusal.BAD_SIGNATURE


@pytest.fixture(scope="module")
def wallet(deployed_world: World) -> Contract:
    """A contract wallet that one key, the guardian's, signs for."""
    compiled = compile_sources(["contracts/test/OneKeyWallet.sol"])["OneKeyWallet"]
    return deployed_world.deploy("OneKeyWallet", deployed_world.people["guardian"], compiled=compiled)


def test_a_contract_wallet_grants_and_revokes(wallet: Contract, world: World) -> None:
    grant = world.new_grant(insured=wallet.address)
    deadline = world.now + DAY
    document = grant_typed_data(grant, nonce=0, deadline=deadline, **world.domain)
    stranger = (grant.as_tuple(), deadline, sign(document, KEYS["stranger"]))
    assert refused_grant(world, grant, stranger)[-1] == GrantRefusal.BAD_SIGNATURE
    signature = sign(document, KEYS["guardian"])
    world.send(world.registry.functions.grant(grant.as_tuple(), deadline, signature), by="stranger")
    assert world.liveness(grant) == Liveness.LIVE

    revocation = revoke_typed_data(grant.id, nonce=1, deadline=deadline, **world.domain)
    revoke = world.registry.functions.revoke
    with pytest.raises(Refused) as refused:
        world.send(revoke(grant.id, deadline, sign(revocation, KEYS["stranger"])), by="stranger")
    assert refused.value.args == ("RevokeNotSigned", grant.id, wallet.address.lower())
    world.send(revoke(grant.id, deadline, sign(revocation, KEYS["guardian"])), by="stranger")
    assert world.liveness(grant) == Liveness.REVOKED


def test_a_contract_that_is_no_wallet_cannot_grant(world: World) -> None:
    grant = world.new_grant(insured=world.store.address)
    assert refused_grant(world, grant, world.signed_grant(grant))[-1] == GrantRefusal.BAD_SIGNATURE


def test_the_typed_data_is_what_the_contract_hashes(world: World) -> None:
    fields, name, version, chain_id, verifying, salt, extensions = world.ask(
        world.registry.functions.eip712Domain()
    )
    document = grant_typed_data(world.new_grant(), nonce=0, deadline=0, **world.domain)
    assert document["domain"] == {
        "name": name,
        "version": version,
        "chainId": chain_id,
        "verifyingContract": verifying,
    }
    assert (fields, salt, extensions) == (b"\x0f", bytes(32), [])


def test_the_signer_of_typed_data_is_recovered(world: World) -> None:
    document = revoke_typed_data(world.fresh(), nonce=3, deadline=9, **world.domain)
    signature = sign(document, KEYS["guardian"])
    assert signer_of(document, signature) == world.people["guardian"]
    assert KEYS["guardian"].unsafe_sign_hash(Hash32(signing_hash(document))).signature == signature


@pytest.mark.parametrize(
    ("field", "value"),
    [("id", b"short"), ("subject", bytes(33)), ("insured", "0x12"), ("expires", 2**48), ("expires", -1)],
)
def test_a_grant_that_the_contract_could_not_hold_names_its_field(
    world: World, field: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        world.new_grant(**{field: value})
