"""What the verifier knows of the contracts by heart, against what the compiler says of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from engine.evidence.errors import ProofInvalid
from engine.evidence.events import PAYOUT_CONFIRMED, RESULT_RECORDED, EventSpec, read_event
from engine.evidence.layout import AuthorizationWords, PayoutWord, slots_of
from engine.evidence.mpt import Log, Receipt

ARTIFACTS = Path(__file__).parents[2] / "contracts" / "artifacts"
CLAIM, AUTHORIZATION, TASK = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32


def artifact(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ARTIFACTS / f"{name}.json").read_bytes())
    return loaded


def compiled_slot(contract: str, mapping: str, key: bytes, member: str | None = None) -> bytes:
    """keccak(key . slot) of a mapping of the compiled layout, plus the offset of a struct's member."""
    layout = artifact(contract)["storageLayout"]
    (entry,) = (entry for entry in layout["storage"] if entry["label"] == mapping)
    offset = 0
    if member is not None:
        members = layout["types"][layout["types"][entry["type"]]["value"]]["members"]
        (found,) = (candidate for candidate in members if candidate["label"] == member)
        assert found["offset"] == 0
        offset = int(found["slot"])
    base = int.from_bytes(keccak(key + int(entry["slot"]).to_bytes(32, "big")), "big")
    return ((base + offset) % 2**256).to_bytes(32, "big")


def test_the_slots_are_where_the_compiler_put_them() -> None:
    registry, results, tasks = "AuthorizationRegistry", "MatchResultStore", "TaskScheduler"
    assert slots_of(CLAIM, AUTHORIZATION, TASK) == {
        registry: {
            "record": compiled_slot(registry, "_authorizations", AUTHORIZATION, "record"),
            "holder": compiled_slot(registry, "_authorizations", AUTHORIZATION, "holder"),
        },
        results: {
            "commitment": compiled_slot(results, "_commitments", CLAIM),
            "payout": compiled_slot(results, "_payouts", CLAIM),
        },
        tasks: {
            "purpose": compiled_slot(tasks, "_tasks", TASK, "purpose"),
            "terms": compiled_slot(tasks, "_tasks", TASK, "termsDigest"),
        },
    }


def test_a_payouts_version_and_state_stand_where_the_compiler_packed_them() -> None:
    types = artifact("MatchResultStore")["storageLayout"]["types"]
    (payout,) = (entry for name, entry in types.items() if "Payout)" in name and "members" in entry)
    places = {member["label"]: (member["slot"], member["offset"]) for member in payout["members"]}
    assert places == {"version": ("0", 0), "state": ("0", 4)}
    assert PayoutWord.read((7 | 3 << 32).to_bytes(32, "big")) == PayoutWord(version=7, state=3)


@pytest.mark.parametrize("spec", [RESULT_RECORDED, PAYOUT_CONFIRMED])
def test_the_events_are_those_of_the_compiled_contracts(spec: EventSpec) -> None:
    (event,) = (e for e in artifact(spec.contract)["abi"] if e["type"] == "event" and e["name"] == spec.name)
    assert spec.order == tuple(argument["name"] for argument in event["inputs"])
    for indexed, arguments in ((True, spec.indexed), (False, spec.plain)):
        compiled = tuple((a["name"], a["type"]) for a in event["inputs"] if a["indexed"] is indexed)
        assert arguments == compiled


def test_an_authorization_word_is_read_bit_by_bit() -> None:
    """AuthorizationRecord.sol: revoked 255, granted 208..254, expires 160..207, binding 0..159."""
    binding = keccak(b"\x0a" * 32 + b"\x0b" * 32)[12:]
    word = 1 << 255 | 1_732_000_000 << 208 | 1_742_000_000 << 160 | int.from_bytes(binding, "big")
    holder = b"\xee" * 12 + b"\x11" * 20
    read = AuthorizationWords.read(word.to_bytes(32, "big"), holder)
    assert (read.revoked, read.granted, read.expires) == (True, 1_732_000_000, 1_742_000_000)
    assert read.insured == b"\x11" * 20
    assert read.binds(b"\x0a" * 32, b"\x0b" * 32)
    assert not read.binds(b"\x0b" * 32, b"\x0a" * 32)


def test_a_log_is_taken_only_from_its_contract_of_a_transaction_that_succeeded() -> None:
    ours = b"\x01" * 20
    log = Log(ours, (PAYOUT_CONFIRMED.topic, CLAIM, b"\0" * 31 + b"\x01"), b"\x09" * 32)
    good = Receipt(True, (log,))
    assert read_event(PAYOUT_CONFIRMED, good, 0, ours)["payoutDigest"] == b"\x09" * 32
    for spec, receipt, index, address in (
        (PAYOUT_CONFIRMED, Receipt(False, (log,)), 0, ours),
        (PAYOUT_CONFIRMED, good, 1, ours),
        (PAYOUT_CONFIRMED, good, 0, b"\x02" * 20),
        (RESULT_RECORDED, good, 0, ours),
        (PAYOUT_CONFIRMED, Receipt(True, (Log(ours, log.topics, b"\x09" * 31),)), 0, ours),
        (PAYOUT_CONFIRMED, Receipt(True, (Log(ours, log.topics[:2], log.data),)), 0, ours),
    ):
        with pytest.raises(ProofInvalid):
            read_event(spec, receipt, index, address)
