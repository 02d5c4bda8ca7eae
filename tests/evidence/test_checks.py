"""Single checks against a chain that says something else than the papers, one word at a time."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from eth_utils.crypto import keccak

from engine.evidence.anchors import Anchor, ChainReader
from engine.evidence.bundle import Bundle, parse_bundle
from engine.evidence.chain_checks import (
    EventFacts,
    Words,
    check_headers,
    check_state,
    prove_confirmed,
    prove_recorded,
)
from engine.evidence.consent import ConsentPaper, read_consent
from engine.evidence.errors import BundleMalformed, EndpointUnavailable, ProofInvalid
from engine.evidence.manifest import scope_of
from engine.evidence.paper_checks import check_authorization, check_consent_text
from engine.evidence.payment_checks import check_payment
from engine.evidence.report import Outcome
from engine.evidence.verify import verify_bundle
from tests.evidence.test_forgery import resealed
from tests.evidence.test_verify import failed, step
from tests.evidence.world import World

Change = Callable[[int], int]


@pytest.fixture(scope="module")
def bundle(raw: bytes) -> Bundle:
    return parse_bundle(raw)[0]


@pytest.fixture(scope="module")
def signed(bundle: Bundle) -> ConsentPaper:
    return read_consent(bundle.documents.consent)


@pytest.fixture
def words(bundle: Bundle, signed: ConsentPaper) -> Words:
    return check_state(bundle, check_headers(bundle)[1][-1], signed.grant)[1]


@pytest.fixture(scope="module")
def recorded(bundle: Bundle) -> EventFacts:
    return prove_recorded(bundle, check_headers(bundle)[1])[1]


def changed(words: Words, contract: str, name: str, change: Change) -> Words:
    word = int.from_bytes(words[contract][name], "big")
    return {**words, contract: {**words[contract], name: change(word).to_bytes(32, "big")}}


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("record", lambda word: 0, "does not know"),
        ("record", lambda word: word ^ 1, "scope or subject"),
        ("record", lambda word: word ^ 1 << 159, "scope or subject"),
        ("scope", lambda word: word + 1, "scope or subject"),
        ("scope", lambda word: 0, "scope or subject"),
        ("record", lambda word: word - (1 << 175), "earlier expiry"),
        ("record", lambda word: word + (10**6 << 215), "not live when"),
    ],
)
def test_the_registry_must_keep_what_was_signed(
    bundle: Bundle,
    signed: ConsentPaper,
    recorded: EventFacts,
    words: Words,
    name: str,
    change: Change,
    says: str,
) -> None:
    check_authorization(bundle, words, signed, recorded)
    with pytest.raises(ProofInvalid, match=says):
        check_authorization(bundle, changed(words, "AuthorizationRegistry", name, change), signed, recorded)


def test_the_scope_in_words_must_be_the_signed_one_and_the_tasks(
    bundle: Bundle, signed: ConsentPaper, words: Words
) -> None:
    check_consent_text(bundle, words, signed)
    with pytest.raises(ProofInvalid, match="another purpose"):
        check_consent_text(bundle, changed(words, "TaskScheduler", "purpose", lambda word: word ^ 1), signed)
    wider = signed.model_copy(update={"scope": signed.scope.model_copy(update={"recipient": "anyone"})})
    theirs = scope_of(wider.scope.purpose, "anyone", wider.scope.product)
    as_theirs = changed(words, "TaskScheduler", "purpose", lambda word: int.from_bytes(theirs, "big"))
    with pytest.raises(ProofInvalid, match="not the one that was signed"):
        check_consent_text(bundle, as_theirs, wider)
    elsewhere = signed.model_copy(update={"scope": signed.scope.model_copy(update={"product": "other"})})
    scope = scope_of(elsewhere.scope.purpose, elsewhere.scope.recipient, "other")
    elsewhere = elsewhere.model_copy(update={"grant": signed.grant.model_copy(update={"scope": scope})})
    as_elsewhere = changed(words, "TaskScheduler", "purpose", lambda word: int.from_bytes(scope, "big"))
    with pytest.raises(ProofInvalid, match="another product"):
        check_consent_text(bundle, as_elsewhere, elsewhere)


@pytest.mark.parametrize("change", [lambda word: word + (1 << 248), lambda word: word ^ 1, lambda word: 0])
def test_the_store_must_hold_this_very_version_as_paid(bundle: Bundle, words: Words, change: Change) -> None:
    assert bundle.chain.confirmed is not None
    fact = prove_confirmed(bundle, check_headers(bundle)[1], bundle.chain.confirmed)[1]
    check_payment(bundle, words, fact, None)
    with pytest.raises(ProofInvalid, match="not paid"):
        check_payment(bundle, changed(words, "MatchResultStore", "life", change), fact, None)


def test_an_events_block_is_among_the_headers_or_given_with_it_and_never_after_the_anchor(
    world: World, raw: bytes
) -> None:
    body = json.loads(raw)
    body["chain"]["recorded"]["header"] = body["chain"]["headers"][0]
    assert "one of the two" in step(verify_bundle(resealed(body), Anchor()), "record receipt")[1]
    body = json.loads(raw)
    later = body["chain"]["headers"].pop()
    body["chain"]["confirmed"]["header"] = later
    assert "after the anchor" in step(verify_bundle(resealed(body), Anchor()), "payment receipt")[1]


@pytest.mark.parametrize(
    ("old", "new"), [(b"0xf9", b"0xF9"), (b'"0x', b'"'), (b'"task_id":"0x', b'"task_id":"0x00')]
)
def test_bytes_are_written_in_one_way(raw: bytes, old: bytes, new: bytes) -> None:
    with pytest.raises(BundleMalformed):
        parse_bundle(raw.replace(old, new, 1))


class Answering:
    """The real chain, with another answer to one method (for eth_call: to one selector)."""

    def __init__(self, chain: ChainReader, method: str, answer: Any, selector: str = "") -> None:
        self._chain, self._method, self._answer, self._selector = chain, method, answer, selector

    def request(self, method: str, params: list[Any]) -> Any:
        if method == self._method and (not self._selector or params[0]["data"].startswith(self._selector)):
            if isinstance(self._answer, Exception):
                raise self._answer
            return self._answer
        return self._chain.request(method, params)


def selector_of(signature: str) -> str:
    return "0x" + keccak(text=signature)[:4].hex() if signature else ""


WORD = "0x" + "00" * 31


@pytest.mark.parametrize(
    ("method", "answer", "selector", "found_by"),
    [
        ("eth_chainId", "0x1", "", "anchor"),
        ("eth_getBlockByNumber", None, "", "anchor"),
        ("eth_getBlockByNumber", {"hash": "0x" + "12" * 32}, "", "anchor"),
        ("eth_call", "0x" + "12" * 32, "registry()", "wiring"),
        ("eth_call", "0x" + "12" * 32, "scheduler()", "wiring"),
        ("eth_call", "0x", "registry()", "wiring"),
        ("eth_call", WORD + "00", "versionOf(bytes32)", "standing"),
        ("eth_call", WORD + "01", "payoutStateOf(bytes32,uint32)", "standing"),
    ],
)
def test_an_endpoint_that_contradicts_refutes(
    world: World, raw: bytes, method: str, answer: Any, selector: str, found_by: str
) -> None:
    chain = Answering(world.client, method, answer, selector_of(selector))
    assert failed(verify_bundle(raw, Anchor(endpoint=chain))) == [found_by]


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("eth_chainId", EndpointUnavailable("down")),
        ("eth_chainId", "many"),
        ("eth_getBlockByNumber", {"number": "0x1"}),
        ("eth_call", EndpointUnavailable("down")),
        ("eth_call", "0xzz"),
    ],
)
def test_an_endpoint_that_cannot_be_asked_settles_nothing(
    world: World, raw: bytes, method: str, answer: Any
) -> None:
    report = verify_bundle(raw, Anchor(endpoint=Answering(world.client, method, answer)))
    assert (report.outcome, failed(report)) == (Outcome.UNANCHORED, [])
