"""Every way of not being true that we could think of, and the step that notices."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account

from engine.evidence.anchors import Anchor
from engine.evidence.bundle import build_bundle, seal_of
from engine.evidence.canonical import canonical_bytes
from engine.evidence.manifest import Documents, hex32
from engine.evidence.report import Outcome
from engine.evidence.verify import verify_bundle
from tests.evidence.test_verify import failed
from tests.evidence.world import Paid, World, settlement

_RANDOM = random.Random(3)
Forge = Callable[[Documents], Documents]


def resealed(body: dict[str, Any]) -> bytes:
    """What a forger would hand over: canonical, and sealed again."""
    return canonical_bytes({**body, "seal": hex32(seal_of(body))})


def changed(byte: int) -> int:
    """Another byte of the same kind, so that the bundle stays well-formed where it can."""
    for kind in (b"0123456789", b"abcdef", b"ghijklmnopqrstuvwxyz", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
        if byte in kind:
            return _RANDOM.choice([other for other in kind if other != byte])
    return byte ^ 1


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value that is not an object or list, and of every empty one."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    empty = True
    for key, child in children:
        empty = False
        yield from leaves(child, (*path, key))
    if empty:
        yield path


def with_leaf(body: Any, path: tuple[Any, ...]) -> Any:
    """The body with another value of the same type at the path."""
    if path:
        copy = dict(body) if isinstance(body, dict) else list(body)
        copy[path[0]] = with_leaf(body[path[0]], path[1:])
        return copy
    if isinstance(body, str):
        return body[:-1] + (chr(changed(ord(body[-1]))) if body.isascii() else "x") if body else "x"
    if isinstance(body, bool) or body is None:
        return not body
    return body + 1 if isinstance(body, int) else [1]


def test_a_changed_byte_fails_wherever_it_is_and_is_named_by_more_than_the_seal(
    world: World, raw: bytes
) -> None:
    anchor = world.anchor(raw)
    seal_starts = raw.index(b'"seal":"')
    seal_ends = raw.index(b'"', seal_starts + 8)
    positions = (
        set(_RANDOM.sample(range(len(raw)), 400)) | set(range(40)) | set(range(len(raw) - 40, len(raw)))
    )
    for at in positions | {seal_starts + 10}:
        damaged = raw[:at] + bytes([changed(raw[at])]) + raw[at + 1 :]
        report = verify_bundle(damaged, anchor)
        assert report.exit_code == 1, (at, raw[at - 20 : at + 20])
        if not seal_starts <= at <= seal_ends:
            assert failed(report) != ["seal"], (at, raw[at - 20 : at + 20])


@pytest.mark.parametrize("kept", [0, 1, 2, 100, -1])
def test_a_truncated_or_padded_bundle_fails_on_its_form(raw: bytes, kept: int) -> None:
    for damaged in (raw[:kept], raw + b" ", b" " + raw, raw + raw, b"\xff" + raw):
        assert failed(verify_bundle(damaged, Anchor())) == ["form"]


@pytest.mark.parametrize(
    "noise",
    [b"null", b"[]", b"{}", b"1.5", b"NaN", b'{"format":1}', b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000],
)
def test_what_is_no_bundle_fails_on_its_form(noise: bytes) -> None:
    report = verify_bundle(noise, Anchor())
    assert failed(report) == ["form"]
    assert report.exit_code == 1


def test_every_value_is_held_by_more_than_the_seal(world: World, raw: bytes) -> None:
    body = json.loads(raw)
    paths = [path for path in leaves(body) if path != ("seal",)]
    # Of the terms' and the trace's many words a sample will do: they stand under one digest each.
    papers = [path for path in paths if path[:2] in {("documents", "terms"), ("documents", "decision")}]
    kept = [path for path in paths if path not in papers] + _RANDOM.sample(papers, 60)
    anchor = world.anchor(raw)
    for path in kept:
        report = verify_bundle(resealed(with_leaf(body, path)), anchor)
        assert report.outcome is Outcome.FAILED, path


def test_an_added_or_missing_field_fails_on_the_form(raw: bytes) -> None:
    body = json.loads(raw)
    for forged in ({**body, "note": 1}, {k: v for k, v in body.items() if k != "task_id"}):
        assert failed(verify_bundle(resealed(forged), Anchor())) == ["form"]
    body["chain"]["state"]["MatchResultStore"]["slots"]["extra"] = []
    assert "state" in failed(verify_bundle(resealed(body), Anchor()))


def test_papers_exchanged_with_their_commitments_do_not_match_the_chain(world: World, paid: Paid) -> None:
    """The holder of a bundle has its salts, and can commit to another decision; the chain has the first."""
    decision = {**paid.documents.decision, "payable_fen": 9_999_999}
    given = world.given(paid)
    forged = build_bundle(
        replace(
            given,
            documents=replace(given.documents, decision=decision),
            payment={**given.payment, "amount_fen": 9_999_999},
        )
    )
    assert failed(verify_bundle(forged, world.anchor(forged))) == ["adjudication", "result", "payment"]


def more(documents: Documents) -> Documents:
    """A decision that pays more than the terms give."""
    decision = documents.decision
    return replace(documents, decision={**decision, "payable_fen": decision["payable_fen"] + 100})


def test_a_dishonest_decision_on_chain_is_found_by_the_re_run_alone(world: World) -> None:
    raw = world.bundle(world.pay(settlement(setl_id="S-MORE"), forge=more))
    assert failed(verify_bundle(raw, world.anchor(raw))) == ["adjudication"]


def with_other_terms(documents: Documents) -> Documents:
    """Terms with a lower deductible, which nobody published."""
    terms = json.loads(json.dumps(documents.terms))
    for benefit in terms["benefits"]:
        if "deductible" in benefit:
            benefit["deductible"]["amount_fen"] = 1
    return replace(documents, terms=terms)


def test_terms_that_were_not_published_with_the_task_are_found(world: World) -> None:
    raw = world.bundle(world.pay(settlement(setl_id="S-TERMS"), forge=with_other_terms))
    assert set(failed(verify_bundle(raw, world.anchor(raw)))) == {"terms", "adjudication"}


def with_other_words(documents: Documents) -> Documents:
    return replace(documents, consent={**documents.consent, "text": "I agree to everything."})


def with_wider_scope(documents: Documents) -> Documents:
    scope = {**documents.consent["scope"], "recipient": "anyone"}
    return replace(documents, consent={**documents.consent, "scope": scope})


def signed_by_another(documents: Documents) -> Documents:
    signature = Account.from_key(b"\x05" * 32).unsafe_sign_hash(b"\x01" * 32).signature
    return replace(documents, consent={**documents.consent, "signature": "0x" + signature.hex()})


def of_another_person(documents: Documents) -> Documents:
    return replace(documents, coverage={**documents.coverage, "subject": "0x" + "33" * 32})


def by_a_guardian(documents: Documents) -> Documents:
    grant = {**documents.consent["grant"], "guardian": "0x" + "55" * 20}
    return replace(documents, consent={**documents.consent, "grant": grant})


@pytest.mark.parametrize(
    ("forge", "found_by"),
    [
        (by_a_guardian, "consent form"),
        (with_other_words, "consent text"),
        (with_wider_scope, "consent text"),
        (signed_by_another, "consent signature"),
        (of_another_person, "authorization"),
    ],
)
def test_a_consent_that_was_not_given_so_is_found(world: World, forge: Forge, found_by: str) -> None:
    raw = world.bundle(world.pay(settlement(setl_id=f"S-{forge.__name__}"), forge=forge))
    assert failed(verify_bundle(raw, world.anchor(raw))) == [found_by]


@pytest.mark.parametrize(
    "change",
    [
        {"amount_fen": 3_360_001},
        {"amount_fen": 3_359_999},
        {"amount_fen": 1_000_000, "previously_paid_fen": 2_360_000},
        {"status": "accepted"},
        {"version": 2},
        {"payee_commitment": "0x" + "44" * 32},
        {"amount_fen": "3360000"},
        {"amount_fen": True},
    ],
)
def test_a_payment_that_is_not_the_decided_one_is_found(world: World, change: dict[str, Any]) -> None:
    name = f"S-{abs(hash(str(change))):x}"
    raw = world.bundle(
        world.pay(settlement(setl_id=name), forge_payment=lambda payment: {**payment, **change})
    )
    assert failed(verify_bundle(raw, world.anchor(raw))) == ["amount"]


def test_another_claims_payment_proves_nothing(world: World, paid: Paid, raw: bytes) -> None:
    other = world.pay(settlement(setl_id="S-OTHER"))
    body, strange = json.loads(raw), json.loads(world.bundle(other))
    body["chain"]["confirmed"] = strange["chain"]["confirmed"]
    assert "payment receipt" in failed(verify_bundle(resealed(body), Anchor()))
    body["chain"]["headers"] = strange["chain"]["headers"]
    assert {"state", "record receipt"} <= set(failed(verify_bundle(resealed(body), Anchor())))


def test_a_header_that_does_not_follow_its_parent_breaks_the_chain(world: World) -> None:
    raw = world.bundle(world.pay(settlement(setl_id="S-GAP"), blocks_between=3))
    body = json.loads(raw)
    del body["chain"]["headers"][2]
    assert "headers" in failed(verify_bundle(resealed(body), world.anchor(raw)))
