"""A witness signs a log that only grew, by its own reckoning, and no other; by the API and from the shell."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from api.client import Client
from api.witness import CannotCheck, Refusal, Seen, Witness
from engine.chain.keys import RoleKeys
from engine.pipeline import checkpoints
from engine.pipeline.log_tree import extend
from tests.api.world import OURS, THEIRS, World, opened, serving
from tests.pipeline.log_entries import digests, head_over, rewrite, tamper, write
from tests.support.process import REPOSITORY

AUDITOR, HOSPITAL, STRANGER = (Account.from_key(bytes([n]) * 32) for n in (1, 2, 3))
WITNESSES = f"auditor:{AUDITOR.address},hospital:{HOSPITAL.address}"


@pytest.fixture(scope="module")
def built_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("watched") / "engine"
    home.mkdir()
    (home / "passphrase").write_text("correct horse")
    RoleKeys.load_or_create(home / "keys", "correct horse", scrypt_n=2)  # quick to open, again and again
    with opened(home, witnesses=WITNESSES):
        return home


@pytest.fixture
def watched(built_home: Path, tmp_path: Path) -> Iterator[World]:
    """An engine of this test's own: its log gets tampered with."""
    with opened(shutil.copytree(built_home, tmp_path / "engine")) as (ctx, clock):
        world = World(ctx, clock)
        with serving(world.app) as world.url:
            yield world


Run = Callable[..., Any]


@pytest.fixture
def run(watched: World, tmp_path: Path) -> Run:
    """The auditor's witness, with one memory throughout."""

    def once(client: Client | None = None, **how: Any) -> Any:
        with client or watched.client("auditor") as engine:
            return Witness(engine, AUDITOR, tmp_path / "memory.json", needs_all=True).run(**how)

    return once


def recorded(world: World) -> tuple[int, bytes]:
    checkpoints.advance(world.ctx)
    latest = world.ctx.chain.results.latest_checkpoint()
    return latest.size, latest.root


def head(world: World, size: int) -> bytes:
    return head_over(digests(world.ctx.database)[:size])


def test_a_log_that_only_grew_is_signed_and_put_on_chain(watched: World, run: Run) -> None:
    write(watched.ctx.database, 20)
    first = run()
    assert (first.size, first.signed, first.in_full) == (20, True, first.entries)
    assert recorded(watched) == (20, head(watched, 20))
    write(watched.ctx.database, 700)
    extend(watched.ctx.database)
    second = run()
    assert second.entries == second.size - first.size
    assert recorded(watched) == (second.size, head(watched, second.size))
    assert second.root == "0x" + head(watched, second.size).hex()


def test_signed_again_before_it_is_on_chain_it_is_the_same_checkpoint(watched: World, run: Run) -> None:
    write(watched.ctx.database, 20)
    assert run().checkpoint == run().checkpoint


def test_the_whole_log_can_be_read_again(watched: World, run: Run) -> None:
    write(watched.ctx.database, 20)
    run()
    recorded(watched)
    again = run(whole=True)
    assert again.entries == again.size > 20


def test_a_hospital_signs_over_digests_and_reads_its_own_calls_in_full(
    watched: World, tmp_path: Path
) -> None:
    write(watched.ctx.database, 5)
    for code in (OURS, THEIRS):
        with watched.http(code) as http:
            http.get("/v1/settlements")
    with watched.client(OURS) as engine:
        entries = list(engine.access_log())
        outcome = Witness(engine, HOSPITAL, tmp_path / "memory.json", needs_all=False).run()
    in_full = [entry for entry in entries if "principal" in entry]
    assert [(entry["principal"], entry["path"]) for entry in in_full] == [(OURS, "/v1/settlements")]
    assert all(set(entry) == {"seq", "digest"} for entry in entries if entry not in in_full)
    assert outcome.signed
    assert outcome.in_full < outcome.entries
    assert recorded(watched) == (outcome.size, head(watched, outcome.size))


def test_an_auditor_signs_nothing_over_entries_that_are_withheld(watched: World, run: Run) -> None:
    write(watched.ctx.database, 5)
    with pytest.raises(CannotCheck, match="entry 1 is withheld"):
        run(watched.client(OURS))
    assert recorded(watched)[0] == 0


def refusal(run: Run, **how: Any) -> str:
    with pytest.raises(Refusal) as refused:
        run(**how)
    return str(refused.value)


def test_a_log_rewritten_where_the_witness_has_not_been_since_is_noticed_against_its_memory(
    watched: World, run: Run
) -> None:
    write(watched.ctx.database, 20)
    signed = run()
    rewrite(watched.ctx.database, 12)
    assert "the log of 20 entries has another head than before" in refusal(run)
    assert recorded(watched) == (20, bytes.fromhex(signed.root[2:])), "what was signed, and no other"


def test_a_log_rewritten_under_a_checkpoint_is_noticed_by_the_engine_too(watched: World, run: Run) -> None:
    write(watched.ctx.database, 20)
    run()
    recorded(watched)
    rewrite(watched.ctx.database, 12)
    assert "the engine itself finds its log changed" in refusal(run)


def test_a_log_rewritten_before_its_kept_subtrees_is_noticed_by_who_reads_the_whole(
    watched: World, run: Run
) -> None:
    """Rewritten with its newest signed entry as it was: only the entries before give it away."""
    write(watched.ctx.database, 600)
    extend(watched.ctx.database)
    size = run().size
    recorded(watched)
    tamper(watched.ctx.database, "UPDATE access_log SET status = 403 WHERE seq = 3")
    assert run().size > size
    assert "entry 3 is not what its digest says" in refusal(run, whole=True)


def test_a_log_that_was_cut_is_refused(watched: World, run: Run) -> None:
    write(watched.ctx.database, 20)
    run()
    tamper(watched.ctx.database, "DELETE FROM access_log WHERE seq > 15")
    assert "entry 20, signed before, is not there any more" in refusal(run)


class Lying(httpx.BaseTransport):
    """The engine's answers, changed on their way: change(path, answer)."""

    def __init__(self, change: Callable[[str, Any], None]) -> None:
        self._change = change
        self._inner = httpx.HTTPTransport()
        self.posted: list[Any] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.posted.append(json.loads(request.read()))
        response = self._inner.handle_request(request)
        answer = json.loads(response.read())
        self._change(request.url.path, answer)
        return httpx.Response(response.status_code, json=answer, request=request)

    def close(self) -> None:
        self._inner.close()


def entry_changed(answer: Any, seq: int, **fields: Any) -> None:
    for item in answer["items"]:
        if item["seq"] == seq:
            item.update(fields)


def entry_dropped(answer: Any, seq: int) -> None:
    answer["items"] = [item for item in answer["items"] if item["seq"] != seq]


def proposed(answer: Any, **fields: Any) -> None:
    answer["proposal"].update(fields)


def to_sign(answer: Any, **fields: Any) -> None:
    answer["proposal"]["typed_data"]["message"].update(fields)


OTHER = "0x" + "77" * 32
LOG, PROPOSAL = "/v1/audit/log", "/v1/audit/checkpoint"


@pytest.mark.parametrize(
    ("where", "lie", "said"),
    [
        (LOG, lambda a: entry_changed(a, 5, status=403), "entry 5 is not what its digest says"),
        (
            LOG,
            lambda a: entry_changed(a, 5, at="2001-01-01T00:00:00Z"),
            "entry 5 is not what its digest says",
        ),
        (LOG, lambda a: entry_changed(a, 5, previous_digest=OTHER), "entry 5 does not follow"),
        (LOG, lambda a: entry_changed(a, 5, digest=OTHER), "entry 5 is not what its digest says"),
        (LOG, lambda a: entry_dropped(a, 5), "entry 5 is missing"),
        (LOG, lambda a: a.update(items=a["items"][:5], next=None), "it ends at entry 5, and has to have 20"),
        (PROPOSAL, lambda a: proposed(a, root=OTHER), "the first 20 entries have another head"),
        (PROPOSAL, lambda a: proposed(a, size=19), "the first 19 entries have another head"),
        (PROPOSAL, lambda a: a["latest"].update(size=3, root=OTHER), "the first 3 entries have another head"),
        (PROPOSAL, lambda a: proposed(a, consistency=[OTHER]), "is not shown to extend"),
        (PROPOSAL, lambda a: proposed(a, previous={"size": 1, "root": OTHER}), "is not shown to extend"),
        (PROPOSAL, lambda a: to_sign(a, size=21), "what the engine gives to sign is not this checkpoint"),
        (PROPOSAL, lambda a: to_sign(a, root=OTHER), "what the engine gives to sign is not this checkpoint"),
    ],
)
def test_an_engine_that_lies_gets_no_signature(
    where: str, lie: Callable[[Any], None], said: str, watched: World, run: Run, tmp_path: Path
) -> None:
    write(watched.ctx.database, 20)
    wire = Lying(lambda path, answer: lie(answer) if path == where else None)
    assert said in refusal(lambda **_: run(Client(watched.url, watched.tokens["auditor"], transport=wire)))
    assert wire.posted == []
    assert not (tmp_path / "memory.json").exists()


def test_entries_other_than_those_that_were_signed_are_refused_whatever_head_is_proposed(
    watched: World, run: Run
) -> None:
    write(watched.ctx.database, 20)
    run()
    recorded(watched)
    other = Lying(lambda path, answer: entry_changed(answer, 20, digest=OTHER) if path == LOG else None)
    client = Client(watched.url, watched.tokens["auditor"], transport=other)
    assert "entry 20 is not the one signed before" in refusal(lambda **_: run(client))
    assert other.posted == []


def test_a_checkpoint_for_another_contract_than_before_is_refused(watched: World, run: Run) -> None:
    write(watched.ctx.database, 20)
    run()

    def elsewhere(path: str, answer: Any) -> None:
        if path == PROPOSAL:
            answer["proposal"]["typed_data"]["domain"]["verifyingContract"] = STRANGER.address

    wire = Lying(elsewhere)
    client = Client(watched.url, watched.tokens["auditor"], transport=wire)
    assert f"for the contract {STRANGER.address}" in refusal(lambda **_: run(client))
    assert wire.posted == []


def test_what_is_signed_is_remembered_before_it_is_handed_in(
    watched: World, run: Run, tmp_path: Path
) -> None:
    """Killed in between, or answered with an error, it will still not sign another log of that size."""
    write(watched.ctx.database, 20)

    def lost(path: str, _: Any) -> None:
        if path.endswith("/signatures"):
            raise httpx.ReadTimeout("no answer")

    with pytest.raises(CannotCheck, match="does not answer"):
        run(Client(watched.url, watched.tokens["auditor"], transport=Lying(lost)))
    assert Seen.read(tmp_path / "memory.json").size == 20
    rewrite(watched.ctx.database, 12)
    assert "rewritten" in refusal(run)


@pytest.mark.parametrize("text", ["", "{}", '{"format": "autoclaim-witness/1", "size": 3, "peaks": []}'])
def test_a_memory_that_cannot_be_read_is_not_begun_anew(
    text: str, watched: World, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "memory.json").write_text(text)
    with pytest.raises(CannotCheck, match="memory"):
        run()


def test_who_is_no_witness_on_chain_is_told_so_by_the_contracts_own_word(
    watched: World, tmp_path: Path
) -> None:
    write(watched.ctx.database, 5)
    with watched.client("auditor") as engine, pytest.raises(CannotCheck, match="NotAWitness"):
        Witness(engine, STRANGER, tmp_path / "memory.json", needs_all=True).run()


def test_any_wallet_can_sign_what_the_api_gives_to_sign(watched: World) -> None:
    write(watched.ctx.database, 5)
    with watched.client("auditor") as engine:
        proposal = engine.checkpoint()["proposal"]
        message = encode_typed_data(full_message=proposal["typed_data"])
        signature = "0x" + AUDITOR.sign_message(message).signature.hex()
        answer = engine.sign_checkpoint(proposal["size"], AUDITOR.address.lower(), signature)
    assert answer["state"] == "open"
    assert recorded(watched) == (proposal["size"], bytes.fromhex(proposal["root"][2:]))


@contextmanager
def shell(world: World, folder: Path) -> Iterator[Callable[..., "subprocess.CompletedProcess[str]"]]:
    (folder / "auditor.key").write_text(AUDITOR.key.hex())
    environment = {**os.environ, "AUTOCLAIM_API_KEY": world.tokens["auditor"]}

    def witness(*arguments: str, key: str = "auditor.key") -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "api.cli.main", "witness", "--url", world.url, *arguments]
        files = ("--key-file", str(folder / key), "--state", str(folder / "state.json"))
        return subprocess.run(
            [*command, *files], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
        )

    yield witness


def test_the_command_signs_refuses_and_says_when_it_could_not_look(watched: World, tmp_path: Path) -> None:
    write(watched.ctx.database, 20)
    with shell(watched, tmp_path) as witness:
        signed = witness("--json")
        assert signed.returncode == 0, signed.stderr
        assert json.loads(signed.stdout)["outcome"] == "signed"
        assert "SIGNED as auditor" in witness().stdout
        new_key = witness("--new-key", key="new.key")
        made = tmp_path / "new.key"
        assert new_key.stdout.strip() == Account.from_key(made.read_text()).address
        assert made.stat().st_mode & 0o777 == 0o600
        tamper(watched.ctx.database, "DELETE FROM access_log WHERE seq > 15")
        refused = witness("--json")
        assert (refused.returncode, json.loads(refused.stdout)["outcome"]) == (1, "refused")
        assert "NOT SIGNED: the log was cut" in refused.stderr
        for trouble in (("--url", "http://127.0.0.1:1"), ("--url", "http://[")):
            unchecked = witness("--json", *trouble)
            assert unchecked.returncode == 2, unchecked.stderr
            assert json.loads(unchecked.stdout)["outcome"] == "unchecked"
        assert witness(key="none.key").returncode == 2
        assert witness("--api-key-file", str(tmp_path / "none")).returncode == 2
