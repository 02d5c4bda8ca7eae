"""A long file goes in pieces, and goes on where it broke off: nothing is sent twice, nothing is left out."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api import delivering
from api.cli.main import app
from api.delivering import CannotDeliver, Receipt, deliver, pieces
from tests.api.world import OURS, World, settlement

OF = {"file": "day.ndjson", "size": 1}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "MOST_LINES", 3)


def cut(raw: bytes, *, by_lines: bool = True) -> list[delivering.Piece]:
    return list(pieces(io.BytesIO(raw), by_lines=by_lines))


class Engine:
    """Accepts every line, and can fail in the middle."""

    def __init__(self, fails_at: int = -1) -> None:
        self.got: list[bytes] = []
        self._fails_at = fails_at

    def __call__(self, raw: bytes) -> Iterator[dict[str, Any]]:
        if len(self.got) == self._fails_at:
            raise ConnectionError("the line is down")
        self.got.append(raw)
        for line in raw.splitlines():
            yield {"outcome": "refused" if b"bad" in line else "accepted", "said": line.decode()}


def test_pieces_are_whole_lines_and_together_the_file() -> None:
    raw = b"".join(b"line %d\n" % number for number in range(10)) + b"no end"
    made = cut(raw)
    assert b"".join(piece.raw for piece in made) == raw
    assert [(piece.begin, piece.line) for piece in made] == [(0, 1), (21, 4), (42, 7), (63, 10)]
    assert all(piece.raw.endswith(b"\n") for piece in made[:-1])


def test_a_piece_is_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "MOST_BYTES", 10)
    assert [piece.raw for piece in cut(b"1234567\n1\n1234567\n")] == [b"1234567\n1\n", b"1234567\n"]


def test_what_cannot_be_cut_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "MOST_OF_A_LINE", 5)
    monkeypatch.setattr(delivering, "MOST_WHOLE", 5)
    with pytest.raises(CannotDeliver, match="line 2"):
        cut(b"1234\n123456\n")
    with pytest.raises(CannotDeliver, match=r"\.ndjson"):
        cut(b"123456", by_lines=False)


def test_a_run_that_broke_off_goes_on_where_it_was(tmp_path: Path) -> None:
    raw, path = b"".join(b"line %d\n" % number for number in range(8)) + b"bad\n", tmp_path / "receipt"
    broken = Engine(fails_at=2)
    with pytest.raises(ConnectionError):
        deliver(cut(raw), Receipt(path, OF), broken)
    with path.open("ab") as file:
        file.write(b'{"begin": 99')  # as a crash leaves it
    whole = Engine()
    done = deliver(cut(raw), Receipt(path, OF), whole)
    assert b"".join(broken.got + whole.got) == raw
    assert (done.pieces, done.sent, done.records) == (3, 1, {"accepted": 8, "refused": 1})
    last = json.loads(path.read_text().splitlines()[-1])
    assert [one["said"] for one in last["not_accepted"]] == ["bad"]
    assert deliver(cut(raw), Receipt(path, OF), Engine(fails_at=0)).sent == 0


def test_a_receipt_is_one_files_to_one_place(tmp_path: Path) -> None:
    path = tmp_path / "receipt"
    deliver(cut(b"1\n2\n"), Receipt(path, OF), Engine())
    with pytest.raises(CannotDeliver, match="something else"):
        Receipt(path, {**OF, "size": 2})
    with pytest.raises(CannotDeliver, match="has changed"):
        deliver(cut(b"1\n3\n"), Receipt(path, OF), Engine())


def run(world: World, folder: Path, file: Path, *more: str) -> tuple[int, Any]:
    (folder / "key").write_text(f"{OURS}-1 {world.keys[OURS].private_bytes_raw().hex()}")
    (folder / "token").write_text(world.tokens[OURS])
    given = ["--key-file", folder / "key", "--api-key-file", folder / "token", "--url", world.url]
    done = CliRunner().invoke(
        app, ["deliver", str(file), "--hospital", OURS, *map(str, given), *more, "--json"]
    )
    return done.exit_code, json.loads(done.stdout.splitlines()[-1])  # the engine logs in this process too


def test_the_command_delivers_a_file_and_tells_what_was_not_accepted(world: World, tmp_path: Path) -> None:
    natives = [settlement() for _ in range(4)]
    natives[2]["setlinfo"]["dscg_way"] = "no such way"
    file = tmp_path / "day.ndjson"
    file.write_text("\n".join(json.dumps(native, ensure_ascii=False) for native in natives))
    code, told = run(world, tmp_path, file)
    assert (code, told["records"]) == (1, {"accepted": 3, "quarantined": 1})
    _, again = run(world, tmp_path, file)
    assert (again["records"], again["sent"]) == ({"accepted": 3, "quarantined": 1}, 0)


def test_the_command_says_how_to_go_on(world: World, tmp_path: Path) -> None:
    file = tmp_path / "day.csv"
    file.write_text("x")
    code, told = run(world, tmp_path, file, "--source", "unknown")
    assert code == 2
    assert "source.unknown" in told["error"]
    assert "run the same command" in told["error"]
