"""What the verifier knows of the contracts by heart, against what the compiler says of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from engine.evidence.errors import ProofInvalid
from engine.evidence.events import PAYOUT_CONFIRMED, RESULT_RECORDED, RESULT_SUPERSEDED, EventSpec, read_event
from engine.evidence.layout import AuthorizationWords, ClaimLife, slots_of
from engine.evidence.mpt import Log, Receipt

ARTIFACTS = Path(__file__).parents[2] / "contracts" / "artifacts"
CLAIM, AUTHORIZATION, SCOPE, TASK = (bytes([number]) * 32 for number in range(1, 5))


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


@pytest.mark.parametrize("version", [1, 2])
def test_the_slots_are_where_the_compiler_put_them(version: int) -> None:
    registry, results, tasks = "AuthorizationRegistry", "MatchResultStore", "TaskScheduler"
    later = compiled_slot(results, "_claims", CLAIM, "later")
    commitments = {
        1: compiled_slot(results, "_claims", CLAIM, "first"),
        2: keccak((2).to_bytes(32, "big") + later),
    }
    assert slots_of(CLAIM, version, AUTHORIZATION, SCOPE, TASK) == {
        registry: {
            "record": compiled_slot(registry, "_records", AUTHORIZATION),
            "scope": compiled_slot(registry, "_scopeNumbers", SCOPE),
        },
        results: {
            "commitment": commitments[version],
            "life": compiled_slot(results, "_claims", CLAIM, "life"),
        },
        tasks: {
            "purpose": compiled_slot(tasks, "_tasks", TASK, "purpose"),
            "terms": compiled_slot(tasks, "_tasks", TASK, "termsDigest"),
        },
    }


def test_a_claims_life_is_read_bit_by_bit() -> None:
    """ClaimLife.sol: versions after the first 248..255; version v from 2(v-1): recorded, paid, reversed."""
    fresh = ClaimLife.read(bytes(32))
    assert (fresh.latest, fresh.state_of(1)) == (1, 1)
    lived = ClaimLife.read((2 << 248 | 1 << 0 | 2 << 4).to_bytes(32, "big"))
    assert (lived.latest, [lived.state_of(version) for version in (1, 2, 3)]) == (3, [2, 1, 3])


@pytest.mark.parametrize("spec", [RESULT_RECORDED, RESULT_SUPERSEDED, PAYOUT_CONFIRMED])
def test_the_events_are_those_of_the_compiled_contracts(spec: EventSpec) -> None:
    (event,) = (e for e in artifact(spec.contract)["abi"] if e["type"] == "event" and e["name"] == spec.name)
    assert spec.order == tuple(argument["name"] for argument in event["inputs"])
    for indexed, arguments in ((True, spec.indexed), (False, spec.plain)):
        compiled = tuple((a["name"], a["type"]) for a in event["inputs"] if a["indexed"] is indexed)
        assert arguments == compiled


def test_an_authorization_word_is_read_bit_by_bit() -> None:
    """AuthorizationRecord.sol: revoked 255, granted from 215, expires 175, scope 159, subject 0."""
    subject = b"\xfa" * 32
    kept = int.from_bytes(subject, "big") & (1 << 159) - 1
    word = 1 << 255 | 1_732_000_000 << 215 | 1_742_000_000 << 175 | 3 << 159 | kept
    read = AuthorizationWords.read(word.to_bytes(32, "big"), (3).to_bytes(32, "big"))
    assert (read.revoked, read.granted, read.expires) == (True, 1_732_000_000, 1_742_000_000)
    assert read.binds(subject)
    assert not read.binds(b"\xfb" * 32)
    for other in (0, 2):
        assert not AuthorizationWords.read(word.to_bytes(32, "big"), other.to_bytes(32, "big")).binds(subject)


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
