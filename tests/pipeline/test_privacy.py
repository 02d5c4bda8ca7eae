"""Personal fields are sealed wherever they are kept, and nothing personal is on chain, nor its bare hash."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from engine.errors import Refused
from engine.pipeline import claims
from engine.pipeline.dispatcher import Dispatcher
from engine.store.vault import VaultError
from tests.payout.bank_process import eventually
from tests.pipeline.world import World, person, policy_no

LIVED = range(4)


def personal(world: World) -> dict[str, bytes]:
    """What must be found nowhere: field -> its bytes."""
    found: dict[str, bytes] = {}
    for index in range(10):
        who = person(index)
        found |= {
            f"name of {index}": who.name.encode(),
            f"certificate of {index}": who.cert_no.encode(),
            f"account of {index}": who.account.encode(),
        }
    # Names of two characters occur by chance in other text.
    return {field: value for field, value in found.items() if len(value) >= 9}


@pytest.fixture
def lived(paying: World) -> World:
    """Paid, refused into quarantine, failed by the pipeline, reversed: everything that writes."""
    paid = [paying.accepted(index) for index in LIVED]
    bad = paying.native(4)
    bad["setlinfo"] |= {"certno": bad["setlinfo"]["certno"][:-1] + "?", "dscg_way": person(4).name}
    with pytest.raises(Refused):
        paying.send(bad)
    dispatcher = Dispatcher(paying.ctx)
    dispatcher.start()
    try:
        eventually(lambda: {paying.state(claim) for claim in paid}, lambda seen: seen == {"confirmed"})
    finally:
        dispatcher.stop()
    paying.reverse(paid[0], reason=f"{person(0).name} {person(0).cert_no}")
    return paying


def kept_files(world: World) -> Iterator[Path]:
    yield from (path for path in world.ctx.settings.home.rglob("*") if path.is_file())


def test_no_file_of_the_engine_shows_a_person(lived: World) -> None:
    files = {path.name: path.read_bytes() for path in kept_files(lived)}
    assert {"engine.db", "engine.db-wal", "chain.db", "workflows.db"} <= files.keys()
    shown = [
        (name, field)
        for name, content in files.items()
        for field, value in personal(lived).items()
        # As it stands, and as JSON or a driver may have spelled it.
        if any(
            form in content for form in (value, value.decode().encode("unicode_escape"), value.hex().encode())
        )
    ]
    assert shown == []


def on_chain(world: World) -> bytes:
    """All calldata and all logs of the whole chain."""
    chain = world.ctx.chain
    pieces = []
    for number in range(chain.block_number() + 1):
        block = chain.request("eth_getBlockByNumber", [hex(number), True])
        pieces += [bytes.fromhex(tx["input"][2:]) for tx in block["transactions"]]
        for receipt in chain.request("eth_getBlockReceipts", [hex(number)]):
            for log in receipt["logs"]:
                pieces += [bytes.fromhex(word[2:]) for word in (log["data"], *log["topics"])]
    return b"\x00".join(pieces)


def test_nothing_that_can_be_enumerated_is_on_chain_nor_its_bare_hash(lived: World) -> None:
    public = on_chain(lived)
    enumerable = dict(personal(lived))
    for index in LIVED:
        who = person(index)
        enumerable[f"policy of {index}"] = policy_no(index).encode()
        enumerable[f"01 and certificate of {index}"] = b"01" + who.cert_no.encode()
    for item in claims.list_claims(lived.ctx, None, None, None, 0, 100).items:
        settlement = lived.settlement(item["claim_id"])
        enumerable[f"settlement {settlement.id}"] = settlement.setl_id.encode()
        enumerable[f"claim {settlement.id}"] = item["claim_id"].encode()
        enumerable[f"amount {settlement.id}"] = item["payable_fen"].to_bytes(32, "big")
        if settlement.pseudonym:
            enumerable[f"pseudonym {settlement.id}"] = bytes.fromhex(settlement.pseudonym)
    for field, value in enumerable.items():
        quoted = json.dumps(value.decode("latin-1")).encode()
        assert value not in public, field
        for hashed in (hashlib.sha256, hashlib.sha3_256, hashlib.md5):
            assert hashed(value).digest() not in public, field
            assert hashed(quoted).digest() not in public, field
        assert keccak(value) not in public, field


def test_a_sealed_value_opens_in_its_own_place_only(world: World) -> None:
    """Swapped between two rows by whoever can write the database and has no key."""
    first, second = world.accepted(0), world.accepted(1)
    world.decided(first, second)
    with world.ctx.database.transaction() as session:
        mine, theirs = (claims.known(session, claim) for claim in (first, second))
        mine.decision_sealed, theirs.decision_sealed = theirs.decision_sealed, mine.decision_sealed
    with pytest.raises(VaultError):
        claims.get_claim(world.ctx, first)
