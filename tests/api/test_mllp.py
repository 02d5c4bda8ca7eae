"""HL7 v2 over MLLP: AA only for what the engine holds, and what is not answered can be sent again."""

import asyncio
import copy
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.client import ApiError, Client
from api.mllp import END, START, Bounds, Gateway, answer_of
from engine.settlement.sources.er7 import MAX_MESSAGE_BYTES
from tests.api.world import OURS, World
from tests.settlement.conftest import PLAIN
from tests.settlement.sources.hl7 import Writer, mllp
from tests.support.process import REPOSITORY, free_port, stop

Native = dict[str, Any]
NOTED = [{"delivery_id": "dlv"}, {"outcome": "noted", "place": "message 1"}, {"records": {"noted": 1}}]
_numbers = count(1)


@pytest.fixture(scope="module")
def port(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The gateway as a process of its own, before the real engine."""
    seed = (REPOSITORY / "seeds/sources/example-hl7v2.yaml").read_text("utf-8")
    with world.http("operator") as http:
        text = seed.replace("H31011500005", OURS).encode()
        registered = http.post("/v1/sources", content=text, headers={"Content-Type": "application/yaml"})
    assert registered.status_code == 201, registered.text
    folder = tmp_path_factory.mktemp("mllp")
    (folder / "key").write_text(f"{OURS}-1 {world.keys[OURS].private_bytes_raw().hex()}")
    (folder / "token").write_text(world.tokens[OURS])
    command = [sys.executable, "-m", "api.cli.main", "mllp", "--source", "example-hl7v2", "--hospital", OURS]
    command += ["--key-file", str(folder / "key"), "--api-key-file", str(folder / "token")]
    command += ["--url", world.url, "--listen", "127.0.0.1:0", "--json"]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=REPOSITORY)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, (folder / "log").read_text()
    yield json.loads(line)["port"]
    stop(process)
    process.stdout.close()
    assert process.returncode == 0, (folder / "log").read_text()


class Sender:
    """A hospital's interface engine."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._read = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._read.close()
        self._socket.close()

    def send(self, raw: bytes) -> None:
        self._socket.sendall(raw)

    def end(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def answer(self) -> list[list[str]]:
        """The segments of the next ACK; none where the connection was closed instead."""
        raw = b""
        try:
            while not raw.endswith(END) and (byte := self._read.read(1)):
                raw += byte
        except ConnectionResetError:
            return []
        assert raw == b"" or raw.startswith(START)
        return [line.split("|") for line in raw[1:-2].decode().split("\r") if line]

    def ask(self, *messages: bytes) -> list[list[str]]:
        self.send(mllp(messages))
        return self.answer()


def stay(**setlinfo: Any) -> Native:
    native, number = copy.deepcopy(PLAIN), next(_numbers)
    native["setlinfo"] |= {"fixmedins_code": OURS, "setl_id": f"MLLP{number}", "mdtrt_id": f"V{number}"}
    native["setlinfo"] |= setlinfo
    return native


def accepted(world: World, native: Native) -> bool:
    with world.client(OURS) as client:
        try:
            return bool(client.settlement(native["setlinfo"]["setl_id"]))
        except ApiError as error:
            return error.status != 404


def test_what_is_answered_aa_is_held_by_the_engine(world: World, port: int) -> None:
    native = stay()
    charges, discharge = Writer().charges(native, 11), Writer().discharge(native, 12)
    with Sender(port) as his:
        head, msa = his.ask(charges)
        assert (head[8], msa) == ("ACK^P03^ACK", ["MSA", "AA", "M00000011"])
        assert not accepted(world, native)
        assert his.ask(discharge)[1] == ["MSA", "AA", "M00000012"]
    assert accepted(world, native)


def test_frames_are_found_however_the_network_cuts_them(world: World, port: int) -> None:
    native = stay()
    raw = mllp([Writer().charges(native, 1), Writer().discharge(native, 2)])
    with Sender(port) as his:
        his.send(raw)
        assert [his.answer()[1][1:] for _ in range(2)] == [["AA", "M00000001"], ["AA", "M00000002"]]
        again = stay()
        raw = b"\r\n".join(mllp([one]) for one in (Writer().charges(again, 3), Writer().discharge(again, 4)))
        for at in range(0, len(raw), 97):
            his.send(raw[at : at + 97])
        assert [his.answer()[1][1:] for _ in range(2)] == [["AA", "M00000003"], ["AA", "M00000004"]]
    assert accepted(world, native)
    assert accepted(world, again)


def test_a_message_sent_twice_is_one_delivery(world: World, port: int) -> None:
    message = Writer().charges(stay(), 21)
    with Sender(port) as his, Sender(port) as other:
        first, second = his.ask(message)[1], other.ask(message)[1]
    assert first == second == ["MSA", "AA", "M00000021"]
    with world.http(OURS) as http:
        items = http.get("/v1/deliveries", params={"limit": 500}).json()["items"]
    digest = sha256(mllp([message])).hexdigest()
    assert [item["body_digest"] for item in items].count(digest) == 1


def test_what_is_kept_in_quarantine_is_ae_with_every_rule_and_place(world: World, port: int) -> None:
    native = stay()
    message = Writer().discharge(native, 31).replace(b"|F|", b"|X|")
    with Sender(port) as his:
        _, msa, *errors = his.ask(message)
    assert msa == ["MSA", "AE", "M00000031"]
    assert "source.code.unmapped" in {error[5] for error in errors}
    assert any(error[8].startswith("/diseinfo/0/diag_type: ") for error in errors)
    assert not accepted(world, native)


def test_what_cannot_be_told_apart_is_ar(port: int) -> None:
    native = stay()
    with Sender(port) as his:
        _, msa, error = his.ask(Writer().charges(native, 41) + Writer().discharge(native, 42))
        assert (msa, error[5]) == (["MSA", "AR", "M00000041"], "source.hl7.framing")
        assert his.ask(b"")[1] == ["MSA", "AR", ""]
        assert his.ask(Writer().charges(stay(), 43))[1][1] == "AA", "and the conversation goes on"


def test_a_frame_over_the_bound_is_ar_and_the_end(port: int) -> None:
    message = Writer().charges(stay(), 51)
    with Sender(port) as his:
        his.send(START + message + b"NTE|1||" + b"x" * MAX_MESSAGE_BYTES)
        _, msa, error = his.answer()
        his.end()
        assert (msa, error[5]) == (["MSA", "AR", "M00000051"], "source.hl7.too_large")
        assert his.answer() == []


def test_what_is_no_frame_is_not_answered_and_not_delivered(world: World, port: int) -> None:
    native = stay()
    with Sender(port) as browser:
        browser.send(b"GET / HTTP/1.1\r\n\r\n")
        assert browser.answer() == []
    with Sender(port) as his:
        assert his.ask(Writer().charges(native, 61))[1][1] == "AA"
        his.send(mllp([Writer().discharge(native, 62)])[:-2])
        his.end()
        assert his.answer() == []
    assert not accepted(world, native)


class Running(NamedTuple):
    port: int
    end: Callable[[], None]


@contextmanager
def gateway(deliver: Callable[[bytes], Iterable[Any]], bounds: Bounds, world: World) -> Iterator["Running"]:
    """In this process, for bounds that nobody would set and engines that are not there."""
    ports: list[int] = []
    listens, loops = threading.Event(), []
    until = asyncio.Event()

    def ready(taken: int) -> None:
        ports.append(taken)
        listens.set()

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        await Gateway(deliver, bounds, world.clock, bytes).serve("127.0.0.1", 0, until, ready)

    def end() -> None:
        with suppress(RuntimeError):  # it has ended
            loops[0].call_soon_threadsafe(until.set)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert listens.wait(30)
    try:
        yield Running(ports[0], end)
    finally:
        end()
        thread.join()


@pytest.mark.parametrize("missing", ["engine", "mapping"])
def test_what_the_engine_did_not_take_is_not_answered_and_can_be_sent_again(
    world: World, port: int, missing: str
) -> None:
    message = Writer().charges(stay(), 71)
    url = world.url if missing == "mapping" else f"http://127.0.0.1:{free_port()}"
    with (
        Client(url, world.tokens[OURS], world.signer()) as client,
        gateway(partial(client.deliver, f"no-{missing}"), Bounds(), world) as other,
        Sender(other.port) as his,
    ):
        assert his.ask(message) == []
    with Sender(port) as his:
        assert his.ask(message)[1] == ["MSA", "AA", "M00000071"]


def test_connections_and_idle_time_are_bounded(world: World) -> None:
    with gateway(lambda _: NOTED, Bounds(connections=1), world) as one, Sender(one.port) as his:
        assert his.ask(Writer().charges(stay()))[1][1] == "AA"
        with Sender(one.port) as one_too_many:
            assert one_too_many.answer() == []
        assert his.ask(Writer().charges(stay()))[1][1] == "AA"
    with gateway(lambda _: NOTED, Bounds(idle_s=0.05), world) as hasty, Sender(hasty.port) as his:
        his.send(START + b"MSH|")
        assert his.answer() == []


def test_what_is_under_way_when_it_ends_is_answered(world: World) -> None:
    running: list[Running] = []

    def deliver(_: bytes) -> list[dict[str, Any]]:
        running[0].end()
        return NOTED

    with gateway(deliver, Bounds(), world) as ending, Sender(ending.port) as his, Sender(ending.port) as idle:
        running.append(ending)
        assert his.ask(Writer().charges(stay()))[1][1] == "AA"
        assert his.answer() == idle.answer() == []


@pytest.mark.parametrize(
    ("key", "listen", "named"),
    [
        ("k 00", "127.0.0.1:0", "--key-file"),
        ("k " + "00" * 32, "2575", "--listen"),
        ("", "x:99999", "--listen"),
    ],
)
def test_what_keeps_the_command_from_starting_is_named(
    tmp_path: Path, key: str, listen: str, named: str
) -> None:
    (tmp_path / "key").write_text(key)
    given = ["mllp", "--source", "his", "--hospital", OURS, "--listen", listen]
    given += ["--key-file", str(tmp_path / "key"), "--api-key-file", str(tmp_path / "key")]
    done = CliRunner().invoke(app, given)
    assert (done.exit_code, named in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("outcomes", "answer"),
    [
        (["accepted", "waiting", "noted", "reversed"], "AA"),
        (["accepted", "quarantined"], "AE"),
        (["quarantined", "refused"], "AR"),
        ([], "AE"),
        (["what comes later"], "AE"),
    ],
)
def test_aa_is_said_of_what_is_kept_for_good_only(outcomes: list[str], answer: str) -> None:
    told = [{"outcome": one, "place": "message 1", "code": "settlement.conflict"} for one in outcomes]
    assert answer_of(told, {"records": {}})[0] == answer
    broken = {"field": "", "rule": "source.x", "message": "is wrong"}
    assert answer_of(told, {"records": {}, "refused": [broken]})[0] == "AR"
    listed = [broken] * 150
    assert len(answer_of([{"outcome": "quarantined", "place": "", "errors": listed}], {})[1]) == 101
