"""A hospital's word is its signature over method, target and content: nothing less is taken."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from http_message_signatures import HTTPMessageSigner, algorithms
from http_message_signatures.resolvers import MappingKeyResolver

from api.signing import HospitalSigner, generate_key
from tests.api.world import OURS, THEIRS, World, settlement

_COVERED = ("@method", "@target-uri", "content-digest")


def _request(world: World, native: dict[str, Any] | None = None, who: str = OURS) -> httpx.Request:
    native = native or settlement()
    headers = {
        "Authorization": f"Bearer {world.tokens[who]}",
        "Content-Type": "application/json",
        "Idempotency-Key": native["setlinfo"]["setl_id"],
    }
    url = f"{world.url}/v1/settlements"
    return httpx.Request("POST", url, headers=headers, content=json.dumps(native).encode())


def _send(request: httpx.Request) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=30) as http:
        return http.send(request)


def _signed(world: World, who: str = OURS, **parameters: Any) -> httpx.Request:
    """Signed as our client does it, with what `parameters` say instead."""
    request = _request(world)
    resolver = MappingKeyResolver(public_keys={}, private_keys={f"{who}-1": world.keys[who]})
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=resolver)
    given: dict[str, Any] = {
        "key_id": f"{who}-1",
        "created": world.clock(),
        "covered_component_ids": _COVERED,
        "body": request.content,
    } | parameters
    if given["body"] is None:
        del given["body"]
    signer.sign(request, **given)
    return request


def _refused(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["code"] == code


def test_what_our_client_signs_is_taken(world: World) -> None:
    request = _request(world)
    world.signer().sign(request)
    assert _send(request).status_code == 202


@pytest.mark.parametrize("target", ["@target-uri", "@request-target", "@path"])
def test_any_form_of_the_target_counts_as_covered(world: World, target: str) -> None:
    request = _signed(world, covered_component_ids=("@method", target, "content-digest"))
    assert _send(request).status_code == 202


def test_a_request_without_a_signature_is_refused(world: World) -> None:
    _refused(_send(_request(world)), 401, "signature.missing")


def _other_body(request: httpx.Request) -> httpx.Request:
    body = request.content.replace(b"30000.00", b"90000.00")
    return httpx.Request(request.method, request.url, headers=request.headers, content=body)


def _other_digest(request: httpx.Request) -> httpx.Request:
    request.headers["Content-Digest"] = "sha-256=:" + "A" * 43 + "=:"
    return request


def _other_target(request: httpx.Request) -> httpx.Request:
    return httpx.Request("POST", f"{request.url}:batch", headers=request.headers, content=request.content)


def _other_signature(request: httpx.Request) -> httpx.Request:
    label, _, value = request.headers["Signature"].partition("=:")
    request.headers["Signature"] = f"{label}=:{'A' if value[0] != 'A' else 'B'}{value[1:]}"
    return request


def _other_created(request: httpx.Request) -> httpx.Request:
    fields = request.headers["Signature-Input"].split(";")
    fields = [f"created={int(f[8:]) + 1}" if f.startswith("created=") else f for f in fields]
    request.headers["Signature-Input"] = ";".join(fields)
    return request


def _garbled(request: httpx.Request) -> httpx.Request:
    request.headers["Signature-Input"] = "not a dictionary ((("
    return request


@pytest.mark.parametrize(
    ("tamper", "code"),
    [
        (_other_body, "signature.digest_mismatch"),
        (_other_digest, "signature.invalid"),
        (_other_signature, "signature.invalid"),
        (_other_created, "signature.invalid"),
        (_garbled, "signature.invalid"),
    ],
)
def test_a_change_to_what_was_signed_is_refused(
    world: World, tamper: Callable[[httpx.Request], httpx.Request], code: str
) -> None:
    _refused(_send(tamper(_signed(world))), 401, code)


def test_a_signature_means_nothing_at_another_address(world: World) -> None:
    request = _other_target(_signed(world))
    request.headers["Content-Type"] = "application/x-ndjson"
    _refused(_send(request), 401, "signature.invalid")


@pytest.mark.parametrize("left_out", _COVERED)
def test_a_signature_that_leaves_something_out_is_refused(world: World, left_out: str) -> None:
    covered = [component for component in _COVERED if component != left_out]
    if left_out == "content-digest":
        request = _signed(world, covered_component_ids=covered, body=None)
    else:
        request = _signed(world, covered_component_ids=covered)
    response = _send(request)
    _refused(response, 401, "signature.uncovered")
    assert left_out in response.json()["detail"]


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_signature_from_another_time_is_refused(world: World, minutes: int) -> None:
    request = _signed(world, created=world.clock() + timedelta(minutes=minutes))
    _refused(_send(request), 401, "signature.expired")


def test_a_signature_past_its_own_expiry_is_refused(world: World) -> None:
    now = world.clock()
    request = _signed(world, created=now - timedelta(minutes=2), expires=now - timedelta(minutes=1))
    _refused(_send(request), 401, "signature.expired")


def test_an_absurd_time_is_refused_and_nothing_breaks(world: World) -> None:
    request = _signed(world)
    fields = request.headers["Signature-Input"].split(";")
    fields = ["created=999999999999999" if f.startswith("created=") else f for f in fields]
    request.headers["Signature-Input"] = ";".join(fields)
    _refused(_send(request), 401, "signature.expired")


def test_a_key_that_nobody_registered_is_refused(world: World) -> None:
    key, _ = generate_key(world.ctx.rng)
    request = _request(world)
    HospitalSigner("nobody-1", key, world.clock).sign(request)
    _refused(_send(request), 401, "signature.unknown_key")


def test_a_registered_keyid_with_another_key_is_refused(world: World) -> None:
    key, _ = generate_key(world.ctx.rng)
    request = _request(world)
    HospitalSigner(f"{OURS}-1", key, world.clock).sign(request)
    _refused(_send(request), 401, "signature.invalid")


def test_one_hospitals_key_with_another_hospitals_signature_is_refused(world: World) -> None:
    request = _request(world, who=OURS)
    world.signer(THEIRS).sign(request)
    _refused(_send(request), 403, "signature.wrong_hospital")


def test_a_hospital_cannot_send_another_hospitals_settlement(world: World) -> None:
    response = world.post_settlement(settlement(fixmedins_code=OURS), "theirs-1", who=THEIRS)
    _refused(response, 403, "settlement.other_hospital")


def test_a_batch_and_a_reversal_are_signed_too(world: World) -> None:
    with world.http(OURS) as http:
        json_type, lines = {"Content-Type": "application/json"}, {"Content-Type": "application/x-ndjson"}
        reversal = http.post("/v1/settlements/S1/reversal", content=b"{}", headers=json_type)
        batch = http.post("/v1/settlements:batch", content=b"{}\n", headers=lines)
    _refused(reversal, 401, "signature.missing")
    _refused(batch, 401, "signature.missing")


def test_a_replay_within_the_window_changes_nothing(world: World) -> None:
    request = _signed(world)
    first, again = _send(request), _send(request)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    request.headers["Idempotency-Key"] = "another-key"  # it is not covered, and need not be
    assert _send(request).json() == first.json()
