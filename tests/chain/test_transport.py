"""The line to a node, and what goes wrong on it: asked again where that is safe, named where it is not."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from engine.chain.errors import ChainUnavailable, RpcError
from engine.chain.transport import HttpChain

DROP = None
"""Instead of an answer: the connection ends."""


class Node:
    """A server that answers as it was told, in order, and then every call with its own parameters."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes] | None] = []
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []

    def answer(self, request: dict[str, Any]) -> tuple[int, bytes] | None:
        self.asked.append(request["method"])
        if self.answers:
            return self.answers.pop(0)
        echo = {"jsonrpc": "2.0", "id": request["id"], "result": request["params"]}
        return 200, json.dumps(echo).encode()


@contextmanager
def serving(node: Node) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            node.headers.append(dict(self.headers))
            answer = node.answer(request)
            if answer is None:
                self.close_connection = True
                return
            status, body = answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "/elsewhere")
            self.send_header("Set-Cookie", "node=1")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def chain(node: Node) -> Iterator[HttpChain]:
    with serving(node) as url:
        chain = HttpChain(url)
        yield chain
        chain.close()


def _refusal(**error: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 0, "error": error}).encode()


def test_a_read_whose_connection_broke_is_asked_again(node: Node, chain: HttpChain) -> None:
    node.answers = [DROP, DROP]
    assert chain.request("eth_call", [1]) == [1]
    assert node.asked == ["eth_call"] * 3


def test_a_read_is_not_asked_for_ever(node: Node, chain: HttpChain) -> None:
    node.answers = [DROP] * 10
    with pytest.raises(ChainUnavailable, match="eth_getLogs"):
        chain.request("eth_getLogs", [{}])
    assert len(node.asked) == 3


@pytest.mark.parametrize("method", ["eth_sendRawTransaction", "anvil_reorg"])
def test_what_may_have_been_done_is_never_asked_again(node: Node, chain: HttpChain, method: str) -> None:
    node.answers = [DROP]
    with pytest.raises(ChainUnavailable, match=method):
        chain.request(method, ["0x12"])
    assert node.asked == [method]


def test_a_transaction_whose_answer_is_lost_is_handed_over_once(node: Node, chain: HttpChain) -> None:
    node.answers = [DROP]
    with pytest.raises(ChainUnavailable):
        chain.send([b"\x01", b"\x02"])
    assert node.asked == ["eth_sendRawTransaction"], "nor is the next one sent after it"


def test_a_refused_transaction_does_not_stop_the_next(node: Node, chain: HttpChain) -> None:
    node.answers = [(200, _refusal(code=-32000, message="nonce too low"))]
    refused, sent = chain.send([b"\x01", b"\x02"])
    assert isinstance(refused, RpcError)
    assert sent == ["0x02"]


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("data", ["0xdeadbeef", {"data": "0xdeadbeef"}, {"result": "0xdeadbeef"}])
def test_a_nodes_error_keeps_its_revert_data_wherever_it_stands(
    node: Node, chain: HttpChain, status: int, data: Any
) -> None:
    node.answers = [(status, _refusal(code=3, message="execution reverted", data=data))]
    with pytest.raises(RpcError) as refused:
        chain.request("eth_call", [])
    assert refused.value.args == (3, "execution reverted", "0xdeadbeef")


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (503, b"<html>down</html>", "503"),
        (503, b"[" * 100_000, "RecursionError"),
        (200, b"<html>hello</html>", "JSONDecodeError"),
        (200, b"\xff\xfe", "UnicodeDecodeError"),
        (200, b"[" * 100_000, "RecursionError"),
        (200, b"[]", "no JSON-RPC answer"),
        (200, b'"hello"', "no JSON-RPC answer"),
        (200, b'{"jsonrpc":"2.0","id":0}', "no JSON-RPC answer"),
        (200, b'{"jsonrpc":"2.0","id":0,"error":null}', "no JSON-RPC answer"),
        (302, b"", "JSONDecodeError"),
        (307, b"", "JSONDecodeError"),
    ],
)
def test_what_is_no_answer_is_no_answer(
    node: Node, chain: HttpChain, status: int, body: bytes, says: str
) -> None:
    node.answers = [(status, body)]
    with pytest.raises(ChainUnavailable, match=says) as unavailable:
        chain.request("eth_chainId", [])
    assert len(str(unavailable.value)) < 400, "a page that is not ours is not quoted whole"
    assert node.asked == ["eth_chainId"]


def test_a_node_that_is_catching_up_is_not_there_yet(node: Node, chain: HttpChain) -> None:
    error = {"code": -32000, "message": "endpoint is closed while node is catching up"}
    node.answers = [(200, json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}).encode())]
    with pytest.raises(ChainUnavailable, match="catching up"):
        chain.send([b"\x01"])


def test_a_result_of_null_is_a_result(node: Node, chain: HttpChain) -> None:
    node.answers = [(200, b'{"jsonrpc":"2.0","id":0,"result":null,"error":null}')]
    assert chain.request("eth_getTransactionReceipt", ["0x12"]) is None


def test_a_node_that_keeps_silent_is_not_waited_for_for_ever() -> None:
    silent = threading.Event()

    class Silent(Node):
        def answer(self, request: dict[str, Any]) -> tuple[int, bytes] | None:
            silent.wait()
            return DROP

    with serving(Silent()) as url:
        chain = HttpChain(url, timeout_s=0.05)
        try:
            with pytest.raises(ChainUnavailable, match=r"read timeout=0\.05"):
                chain.request("eth_chainId", [])
        finally:
            silent.set()
            chain.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://nowhere:x", "nothing", "ftp://127.0.0.1"])
def test_an_endpoint_that_cannot_be_one_is_no_answer(url: str) -> None:
    chain = HttpChain(url)
    with pytest.raises(ChainUnavailable, match="eth_chainId"):
        chain.request("eth_chainId", [])
    chain.close()


def test_no_proxy_stands_between_the_engine_and_its_own_machine(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with serving(node) as url:
        for own in (url, url.replace("127.0.0.1", "localhost")):
            chain = HttpChain(own)
            assert chain.request("eth_chainId", [own]) == [own]
            chain.close()


def test_a_closed_line_says_so(chain: HttpChain) -> None:
    assert chain.request("eth_call", [1]) == [1]
    chain.close()
    chain.close()
    with pytest.raises(ChainUnavailable, match="closed"):
        chain.request("eth_call", [1])


def test_threads_that_share_a_line_each_get_their_own_answer(node: Node, chain: HttpChain) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: chain.request("eth_call", [number]), range(200)))
    assert answers == [[number] for number in range(200)]
    assert not any("Cookie" in headers for headers in node.headers), "no state is kept between calls"
