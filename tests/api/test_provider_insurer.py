"""What a node makes of an answer, whatever comes: the real client before a server that misbehaves."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from api.provider.insurer import HttpInsurer
from engine.errors import AutoclaimError, NotFound, Refused, Unauthenticated, Unavailable
from tests.provider.site import HOSPITAL

PROBLEM, JSON, HTML = "application/problem+json", "application/json", "text/html"
ANSWER = {"epoch": 1, "evaluated": ["00" * 32] * 2, "proof": "00" * 64, "padding": ""}


def problem(status: int, code: str) -> tuple[int, str, bytes]:
    body = {"status": status, "code": code, "detail": "no", "request_id": "r", "errors": []}
    return status, PROBLEM, json.dumps(body).encode()


def answer(**other: Any) -> tuple[int, str, bytes]:
    return 200, JSON, json.dumps(ANSWER | other).encode()


class _Says(BaseHTTPRequestHandler):
    """The same to everybody."""

    said: ClassVar[tuple[int, str, bytes]]

    def _say(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        status, kind, body = self.said
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _say  # noqa: N815 - the library's names

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def insurer() -> Iterator[HttpInsurer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Says)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    client = HttpInsurer(url, {HOSPITAL: "ak"}, bytes(32), lambda: datetime.now(UTC))
    yield client
    client.close()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [
        (answer(epoch=2), Refused, "match.protocol"),
        (answer(evaluated=["no hexadecimal"]), Refused, "match.protocol"),
        (answer(proof=None), Refused, "match.protocol"),
        ((200, JSON, b"[]"), Refused, "match.protocol"),
        ((200, JSON, b"no JSON"), Unavailable, "match.insurer_unavailable"),
        ((502, HTML, b"<html>"), Unavailable, "match.insurer_unavailable"),
        (problem(429, "match.quota"), Unavailable, "match.quota"),
        (problem(503, "chain.unavailable"), Unavailable, "chain.unavailable"),
        (problem(401, "auth.invalid"), Unauthenticated, "auth.invalid"),
        (problem(404, "match.epoch_unknown"), NotFound, "match.epoch_unknown"),
        (problem(422, "match.element"), Refused, "match.element"),
    ],
)
def test_an_answer_that_is_none_has_a_name(
    insurer: HttpInsurer, said: tuple[int, str, bytes], kind: type[AutoclaimError], code: str
) -> None:
    _Says.said = said
    with pytest.raises(kind) as error:
        insurer.evaluate(HOSPITAL, 1, "00" * 32, (bytes(32), bytes(32)))
    assert error.value.code == code
    if isinstance(error.value, Unavailable):
        assert error.value.retry_after_s == (7 if said[1] == PROBLEM else 5)


def test_an_update_is_read_as_it_comes_and_no_more_of_it_than_is_asked_for(insurer: HttpInsurer) -> None:
    _Says.said = 200, "application/octet-stream", b"a header\n" + bytes(2_000_000)
    with insurer.update(1, 0) as source:
        assert source.readline() == b"a header\n"
        assert len(source.read(1_000_000)) == 1_000_000
    _Says.said = problem(404, "match.update_unknown")
    with pytest.raises(NotFound), insurer.update(1, 1):
        pass
