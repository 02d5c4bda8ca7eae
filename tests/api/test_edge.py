"""What every call passes: ids, bounds, media types, and an answer for every error."""

import json
import socket
from collections.abc import AsyncIterator, Iterator
from http.client import HTTPResponse
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import httpx
import pytest
from starlette.requests import Request
from structlog.testing import capture_logs

from api.client import wait_until
from api.http import edge
from api.http.bodies import MAX_LINE, Roll
from api.http.signatures import _target_uri
from engine.errors import TooLarge
from tests.api.world import World, settlement

_MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}


def _is_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem.keys() - {"quarantine_id"} == _MEMBERS
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["type"].endswith(code)
    return problem


def _is_told(raw: socket.socket, status: int, code: str) -> None:
    answer = HTTPResponse(raw)
    answer.begin()
    assert (answer.status, json.loads(answer.read())["code"]) == (status, code)


@pytest.fixture
def http(world: World) -> Iterator[httpx.Client]:
    with world.http("insurer") as client:
        yield client


def test_a_route_that_does_not_exist_is_a_problem(http: httpx.Client) -> None:
    _is_problem(http.get("/v1/nothing-here"), 404, "route.not_found")


def test_a_method_that_a_route_does_not_take_is_a_problem(http: httpx.Client) -> None:
    response = http.put("/v1/claims")
    _is_problem(response, 405, "route.method_not_allowed")
    assert response.headers["allow"] == "GET"


def test_a_query_that_breaks_the_schema_names_the_parameter_and_the_rule(http: httpx.Client) -> None:
    problem = _is_problem(http.get("/v1/claims", params={"limit": "0"}), 422, "request.invalid")
    [error] = problem["errors"]
    assert (error["field"], error["rule"]) == ("query/limit", "request.greater_than_equal")


def test_a_body_that_breaks_the_schema_names_its_json_pointer_and_repeats_nothing(world: World) -> None:
    with world.http("insurer") as http:
        secret = "11010519491231002X"
        response = http.post("/v1/authorizations:prepare", json={"policy_no": "P", "insured": secret})
    problem = _is_problem(response, 422, "request.invalid")
    assert [error["field"] for error in problem["errors"]] == ["/insured"]
    assert secret not in response.text


def test_a_body_that_is_not_json_is_malformed(http: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    response = http.post("/v1/authorizations:prepare", content=b"{", headers=headers)
    _is_problem(response, 400, "request.malformed")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/xml"},
        {"Content-Type": "application/json; charset=gbk"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {},
    ],
)
def test_a_body_of_another_type_is_refused_before_it_is_read(
    http: httpx.Client, headers: dict[str, str]
) -> None:
    response = http.post("/v1/authorizations:prepare", content=b"{}", headers=headers)
    _is_problem(response, 415, "request.media_type")


def test_a_body_beyond_its_declared_bound_is_refused_unread(world: World) -> None:
    host, port = world.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        head = f"POST /chain/rpc HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        raw.sendall(f"{head}Content-Length: {edge.MAX_BODY + 1}\r\n\r\n".encode())
        _is_told(raw, 413, "request.too_large")


def test_a_body_that_grows_beyond_the_bound_is_refused(http: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 65536

    headers = {"Content-Type": "application/json"}
    response = http.post("/chain/rpc", content=pieces(), headers=headers)
    _is_problem(response, 413, "request.too_large")


def test_a_body_that_stops_coming_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "IDLE_S", 0.05)
    host, port = world.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        head = f"POST /chain/rpc HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        raw.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        _is_told(raw, 408, "request.too_slow")


def test_a_line_beyond_its_bound_is_refused(world: World) -> None:
    with world.http("insurer") as http:
        headers = {"Content-Type": "application/x-ndjson"}
        response = http.post("/v1/policies", content=b"{" + b" " * (MAX_LINE + 1), headers=headers)
    _is_problem(response, 413, "request.line_too_large")


def test_a_line_that_never_ends_is_given_up_long_before_its_body_does() -> None:
    piece, sent = b" " * 65536, 0

    async def stream() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += len(piece)
            yield piece

    async def read() -> None:
        request = Request({"type": "http"})
        request.stream = stream  # type: ignore[method-assign, assignment]
        with pytest.raises(TooLarge):
            await anyio.to_thread.run_sync(lambda: list(Roll(request, "ndjson").lines()))

    anyio.run(read)
    assert sent <= MAX_LINE + 2 * len(piece)


def test_a_sane_request_id_comes_back_in_the_answer_and_in_its_problem(http: httpx.Client) -> None:
    response = http.get("/v1/nothing-here", headers={"X-Request-Id": "trace-0123456789"})
    assert _is_problem(response, 404, "route.not_found")["request_id"] == "trace-0123456789"


@pytest.mark.parametrize(
    "given", ["", "short", "with space inside", "x" * 65, "11010519491231002X", "440524188001010014"]
)
def test_a_request_id_that_is_not_sane_is_replaced(http: httpx.Client, given: str) -> None:
    response = http.get("/healthz", headers={"X-Request-Id": given})
    assert response.headers["x-request-id"] != given
    assert len(response.headers["x-request-id"]) == 32


def test_a_defect_tells_its_request_id_and_no_internals(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr("engine.pipeline.claims.list_claims", broken)
    with capture_logs() as logs, world.http("insurer") as http:
        response = http.get("/v1/claims")
    _is_problem(response, 500, "internal")
    assert "secret inside" not in response.text
    assert any(entry["event"] == "unhandled" for entry in logs)


def test_the_log_line_of_a_call_names_route_status_and_role_but_no_query(world: World) -> None:
    with capture_logs() as logs, world.http("insurer") as http:
        http.get("/v1/payouts", params={"state": "refused"})
        # It is written after the answer has left.
        [line] = wait_until(
            lambda: [entry for entry in logs if entry.get("route") == "/v1/payouts"], timeout_s=20
        )
    assert (line["event"], line["status"], line["role"]) == ("request", 200, "insurer")
    assert "refused" not in str(line)


def test_the_address_that_was_signed_is_the_one_that_was_asked_for() -> None:
    scope = {
        "type": "http",
        "scheme": "https",
        "path": "/v1/a b",
        "raw_path": b"/v1/a%20b",
        "query_string": b"x=%2F",
        "headers": [(b"host", b"example.org:8443")],
    }
    assert _target_uri(Request(scope)) == "https://example.org:8443/v1/a%20b?x=%2F"


def test_a_settlement_of_ordinary_size_passes(world: World) -> None:
    assert world.post_settlement(settlement(), "edge-ordinary-1").status_code == 202
