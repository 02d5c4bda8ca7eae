"""A provider's node does a task of an insurer that it does not trust: real chain, real HTTP, two parties."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.client import ApiError
from engine.chain.contracts import TaskKind, TaskState
from engine.chain.errors import ContractRefused
from engine.errors import Unavailable
from engine.evidence.match_task import MatchTask
from engine.matching.voprf import EpochKey
from engine.pipeline import decide, feed, match_answers, record
from engine.provider import reports, tables, task_plan, tasks
from engine.provider.task_states import MOVES
from engine.provider.task_states import TaskState as S
from tests.api.match_parties import OTHER, STRANGER, Insurer, Provider, insured
from tests.api.world import OURS, THEIRS


@pytest.fixture(scope="module")
def insurer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Insurer]:
    with insured(tmp_path_factory.mktemp("insured")) as insurer:
        yield insurer


@pytest.fixture
def provider(insurer: Insurer, tmp_path: Path) -> Iterator[Provider]:
    provider = Provider(insurer, tmp_path / "node")
    yield provider
    provider.close()


class Wire:
    """To the insurer, and whoever holds it may misbehave."""

    def __init__(self, provider: Provider, **instead: Any) -> None:
        self._http = provider.node.insurer
        self._instead = instead
        provider.node.insurer = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._http, name)
        instead = self._instead.get(name)
        return call if instead is None else lambda *arguments: instead(call, *arguments)


def alarms(provider: Provider) -> set[str]:
    return {alarm["code"] for alarm in reports.status(provider.node.database)["alarms"]}


def moves(insurer: Insurer, task_id: str) -> list[TaskState]:
    """Every state that it has been in on chain."""
    chain, word = insurer.ctx.chain, bytes.fromhex(task_id[2:])
    moved = chain.events_of(chain.scheduler, 0, chain.block_number(), "TaskMoved", taskId=word)
    return [TaskState(event.args["to"]) for event in moved]


def until_completed(provider: Provider, task_id: str) -> None:
    assert provider.work(task_id) == S.COMMITTED
    assert provider.insurer.settle(task_id) is TaskState.COMPLETED
    assert provider.work(task_id) == S.COMPLETED


def test_a_task_is_done_and_paid_to_the_fen_as_what_is_asked_online(
    insurer: Insurer, provider: Provider
) -> None:
    ctx, before = insurer.ctx, insurer.payouts_fen()
    provider.node.settings.online = True
    online = provider.accept(**OTHER)
    provider.work_online()
    provider.node.settings.online = False
    mine, again, nobodys = provider.accept(), provider.accept(), provider.accept(**STRANGER)
    late = provider.accept(dscg_time="2025-04-01 10:00:00", setl_time="2025-04-01 10:20:00")
    assert provider.states(online, mine, nobodys, late) == ["accepted", "kept", "kept", "kept"]
    provider.work_online()
    assert provider.states(mine) == ["kept"], "it waits for a task"
    task_id = insurer.order()
    assert provider.work(task_id) == S.COMMITTED
    assert insurer.claims_of(mine, again) == [None, None]
    until = insurer.settle(task_id)
    assert (until, provider.work(task_id)) == (TaskState.COMPLETED, S.COMPLETED)
    assert provider.states(mine, again, nobodys, late) == ["accepted", "accepted", "nobodys", "kept"]
    shown = insurer.shown(task_id)
    counts = {"elements": 4, "discharges": 3, "released": 2}
    assert (shown["ours"], shown["theirs"], shown["spent"], shown["claims"]) == (counts, counts, 4, 2)
    (first, second, other) = insurer.claims_of(mine, again, online)
    with ctx.database.transaction() as session:
        for claim in (first, other):
            row = decide.claims.by_name(session, str(claim))
            assert row is not None
            row.batch_id = "b"
    decide.decide_batch(ctx, "b")
    record.record_batch(ctx, "b")
    feed.read_events(ctx)
    paid = [fen for fen in insurer.payouts_fen() if fen not in before]
    assert (len(set(paid)), len(paid)) == (1, 2)
    assert second is not None


def test_a_node_on_postgres_does_the_same(insurer: Insurer, tmp_path: Path, postgres_url: str) -> None:
    with closing(Provider(insurer, tmp_path / "node", database_url=postgres_url)) as provider:
        provider.node.settings.online = True
        online, stranger = provider.accept(**OTHER), provider.accept(**STRANGER)
        provider.work_online()
        provider.node.settings.online = False
        assert provider.states(online, stranger) == ["accepted", "nobodys"]
        mine, nobodys = provider.accept(), provider.accept(**STRANGER)
        until_completed(provider, insurer.order())
        assert provider.states(mine, nobodys) == ["accepted", "nobodys"]


def test_lists_of_nobody_and_of_one_complete(insurer: Insurer, provider: Provider) -> None:
    empty = insurer.order(most=1)
    until_completed(provider, empty)
    provider.accept(**STRANGER)
    one = insurer.order(most=2)
    until_completed(provider, one)
    shown = [insurer.shown(task)["theirs"] for task in (empty, one)]
    assert [list(counts.values())[:3] for counts in shown] == [[0, 0, 0], [2, 1, 0]]


def test_a_node_that_is_killed_goes_on_with_what_is_not_answered_and_asks_nothing_twice(
    insurer: Insurer, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_plan, "PEOPLE_A_BATCH", 1)
    mine, other, nobodys = provider.accept(), provider.accept(**OTHER), provider.accept(**STRANGER)
    task_id = insurer.order(most=6)

    def killed(call: Any, *arguments: Any) -> Any:
        if arguments[2] == 1:
            raise Unavailable("killed", code="killed")
        return call(*arguments)

    Wire(provider, evaluate_batch=killed)
    assert provider.work(task_id) == S.TAKEN
    assert insurer.shown(task_id)["spent"] == 2
    provider.open_again()
    before = insurer.asked_online()
    provider.node.settings.online = True
    provider.work_online()
    assert (provider.states(other), insurer.asked_online()) == (["kept"], before), "the task has them"
    insurer.world.clock.ahead += timedelta(days=2)
    assert insurer.settle(task_id) is TaskState.OPEN, "its lease has lapsed"

    def lost(call: Any, *arguments: Any) -> Any:
        call(*arguments)
        raise Unavailable("the answer was lost", code="killed")

    Wire(provider, stage=lost)
    assert provider.work(task_id) == S.ASKED
    provider.open_again()
    insurer.ctx.chain.registry.revoke_for(insurer.consents[1])
    until_completed(provider, task_id)
    assert insurer.shown(task_id)["spent"] == 6
    assert provider.states(nobodys) == ["nobodys"]
    claims = [claim is not None for claim in insurer.claims_of(mine, other)]
    assert claims == [True, False], "whatever was handed over, consent is gone"


def test_a_task_that_is_not_ours_to_do_is_never_accepted(insurer: Insurer, provider: Provider) -> None:
    native, ours = provider.accept(), provider.node.settings
    cases: list[tuple[str, dict[str, Any], int]] = [
        ("task.purpose", {"purposes": []}, 50),
        ("task.window", {"task_days": 58}, 51),
        ("task.engine", {"engines": "rr22"}, 52),
        ("task.hospitals", {}, 53),
        ("task.most", {}, 1),
        ("task.unknown", {}, 54),
    ]
    for why, settings, most in cases:
        task_id = insurer.order(most=most, hospitals=[OURS, THEIRS] if why == "task.hospitals" else [OURS])
        provider.node.settings = ours.model_copy(update=settings)
        if why == "task.unknown":
            Wire(provider, task=lambda call, _, task: call(OURS, "0x" + "5e" * 32))
        assert provider.work(task_id) == S.REFUSED
        assert provider.task(task_id).reason == why
        assert moves(insurer, task_id) == [TaskState.OPEN]
        assert why in alarms(provider)
        assert provider.discharge(native).task_id is None


def test_a_document_that_is_not_the_one_on_chain_is_not_believed(
    insurer: Insurer, provider: Provider
) -> None:
    for most, change in ((60, {"most": 61}), (62, {"further": 1}), (63, {"engine": 7})):
        task_id = insurer.order(most=most)
        Wire(provider, task=lambda call, *asked, change=change: {**call(*asked), **change})
        assert provider.work(task_id) == S.REFUSED
        assert provider.task(task_id).reason == "task.document"


def test_a_task_of_another_providers_dataset_is_neither_found_nor_accepted(
    insurer: Insurer, provider: Provider
) -> None:
    client = insurer.ctx.chain
    scope = MatchTask.of(match_answers.document(insurer.ctx, OURS, insurer.order(most=70))).scope
    dataset, task_id = insurer.ctx.rng(32), insurer.ctx.rng(32)
    client.catalog.register(dataset, 4, [scope])
    deadline = client.chain_time() + 1000
    client.scheduler.open(task_id, dataset, scope, bytes(31) + b"\x01", deadline, TaskKind.ONE_OFF)
    tasks.find_tasks(provider.node, 0)
    with provider.node.database.reading() as session:
        assert session.get(tables.Task, "0x" + task_id.hex()) is None
    with pytest.raises(ContractRefused) as error:
        provider.node.chain.accept(task_id)
    assert error.value.error_name == "NotTheProvider"


def test_an_answer_under_another_key_gives_the_task_back_on_chain(
    insurer: Insurer, provider: Provider
) -> None:
    native, other = provider.accept(), EpochKey.derive(bytes(32), 1)
    task_id = insurer.order(most=80)
    Wire(provider, evaluate_batch=lambda _, *asked: other.evaluate(asked[4]))
    assert provider.work(task_id) == S.REFUSED
    assert provider.task(task_id).reason == "match.proof"
    chain = insurer.ctx.chain
    (failed,) = chain.events_of(
        chain.scheduler, 0, chain.block_number(), "AttemptFailed", taskId=bytes.fromhex(task_id[2:])
    )
    assert (failed.args["attempt"], chain.scheduler.state_of(task_id)) == (1, TaskState.OPEN)
    assert (provider.states(native), provider.discharge(native).task_id) == (["kept"], None)


def test_an_insurer_that_commits_other_counts_gets_a_dispute_and_no_claim(
    insurer: Insurer, provider: Provider
) -> None:
    native = provider.accept()
    task_id = insurer.order(most=90)
    assert provider.work(task_id) == S.COMMITTED
    insurer.ctx.chain.scheduler.commit_result_as_requester(task_id, bytes(31) + b"\x01")
    assert insurer.settle(task_id) is TaskState.DISPUTED
    assert provider.work(task_id) == S.DISPUTED
    assert (insurer.claims_of(native), provider.states(native)) == ([None], ["released"])
    assert "match.task_disputed" in alarms(provider)
    with insurer.world.client("operator") as operator:
        assert "match.task_disputed" in {alarm["code"] for alarm in operator.match_alarms()}
        assert operator.resolve_match_task(task_id, None)["state"] == "failed"
    insurer.settle(task_id)
    assert provider.work(task_id) == S.ENDED
    assert (provider.states(native), insurer.claims_of(native)) == (["kept"], [None])
    until_completed(provider, insurer.order(most=91))
    assert provider.states(native) == ["accepted"], "asked anew, in another task"


def test_a_task_is_cancelled_while_no_node_is_at_it_and_its_discharges_go_their_own_way(
    insurer: Insurer, provider: Provider
) -> None:
    native, unwanted = provider.accept(), insurer.order(most=60)
    with insurer.world.client("insurer") as orderer:
        assert {orderer.cancel_match_task(unwanted)["state"] for _ in range(2)} == {"cancelled"}
        assert provider.work(unwanted) == S.ENDED
        assert (provider.states(native), provider.discharge(native).task_id) == (["kept"], None)
        insurer.settle(unwanted)
        begun = insurer.order(most=60)
        assert begun != unwanted, "the same order again, once the first has ended"
        honest = provider.node.insurer
        Wire(provider, evaluate_batch=_no_answer)
        provider.work(begun)
        for task_id, code in ((begun, "task.leased"), ("0x" + "00" * 32, "task.unknown")):
            with pytest.raises(ApiError) as refused:
                orderer.cancel_match_task(task_id)
            assert refused.value.code == code
        provider.node.insurer = honest
        until_completed(provider, begun)
        with pytest.raises(ApiError) as refused:
            orderer.cancel_match_task(begun)
        assert (refused.value.code, "completed" in refused.value.detail) == ("task.not_cancellable", True)


def _no_answer(*_: object) -> None:
    raise Unavailable("no answer", code="match.insurer_unavailable")


def test_a_batch_holds_no_more_discharges_than_the_insurer_takes(
    insurer: Insurer, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        provider.accept()
    task = MatchTask.of(match_answers.document(insurer.ctx, OURS, insurer.order(most=96)))
    assert [len(batch.questions) for batch in task_plan.plan(provider.node, task).batches] == [3]
    monkeypatch.setattr(task_plan, "DISCHARGES_A_BATCH", 2)
    monkeypatch.setattr(task_plan, "_AT_ONCE", 1)
    made = task_plan.plan(provider.node, task)
    assert [len(batch.questions) for batch in made.batches] == [2, 1]
    assert made.elements == 4, "asked about once more"


def test_the_engine_that_is_not_installed_is_named(
    insurer: Insurer, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = insurer.order(most=95)
    document = match_answers.document(insurer.ctx, OURS, task_id)
    task = MatchTask.of({**document, "engine": "rr22"})
    monkeypatch.setattr(provider.node.settings, "psi_python", Path("none"))
    with pytest.raises(Unavailable, match="make psi-scale"):
        task_plan.plan(provider.node, task)


@pytest.mark.psi
def test_with_rr22_nobody_is_asked_about_whom_the_insurer_has_not(
    insurer: Insurer, provider: Provider
) -> None:
    provider.node.settings.engines = "voprf,rr22"
    mine, again, nobodys = provider.accept(), provider.accept(), provider.accept(**STRANGER)
    task_id = insurer.order(most=96, engine="rr22")
    until_completed(provider, task_id)
    assert provider.states(mine, again, nobodys) == ["accepted", "accepted", "kept"]
    counts = {"elements": 2, "discharges": 2, "released": 2}
    shown = insurer.shown(task_id)
    assert (shown["ours"], shown["theirs"], shown["spent"]) == (counts, counts, 2)
    homes = provider.node.settings.home, insurer.ctx.settings.home
    assert not [left for home in homes for left in home.glob("scale/*")], "nothing of the lists stays"


@pytest.mark.psi
def test_a_run_that_broke_off_is_gone_on_with_and_a_task_of_too_many_is_given_back(
    insurer: Insurer, provider: Provider
) -> None:
    provider.node.settings.engines = "voprf,rr22"
    provider.accept()

    def lost(call: Any, *arguments: Any) -> Any:
        call(*arguments)
        raise Unavailable("the answer was lost", code="killed")

    task_id = insurer.order(most=1, engine="rr22")
    Wire(provider, join=lost)
    assert provider.work(task_id) == S.FOUND
    assert insurer.shown(task_id)["state"] == "running"
    provider.open_again()
    provider.node.settings.engines = "voprf,rr22"
    assert provider.work(task_id) == S.REFUSED
    assert insurer.shown(task_id)["state"] == "open"
    assert "task.most" in alarms(provider)


def test_a_task_is_ordered_and_watched_from_the_command_line(
    insurer: Insurer, provider: Provider, tmp_path: Path
) -> None:
    key = tmp_path / "operator.key"
    key.write_text(insurer.world.tokens["operator"])
    told = {"url": insurer.world.url, "bank_url": "", "operator_key_file": str(key), "pid": 0}
    (tmp_path / "serving.json").write_text(json.dumps(told))

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(app, ["matching", "task", *arguments, "--json", "--home", str(tmp_path)])
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])  # the engine logs here, too

    def refused(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["matching", "task", *arguments, "--home", str(tmp_path)])
        assert done.exit_code == 1
        return done.stderr

    order = ["open", insurer.account.address, OURS, "--product", "huhuibao", "--most", "7"]
    order += ["--from", "2025-02-01", "--until"]
    task_id = run(*order, "2025-03-31")["task_id"]
    assert task_id in {one["task_id"] for one in run("list")["items"]}
    shown = run("show", task_id)
    assert (shown["state"], shown["document"]["most"], shown["theirs"]) == ("open", 7, None)
    assert "task.not_disputed" in refused("resolve", task_id, "neither")
    assert "task.unknown" in refused("show", "0x" + "5e" * 32)
    assert "task.order" in refused(*order, "2025-01-31")
    assert run("cancel", task_id)["state"] == "cancelled"


def test_every_state_of_a_task_is_reached_and_what_is_over_stays_over() -> None:
    reached = {S.FOUND}
    while more := {to for state in reached for to in MOVES[state]} - reached:
        reached |= more
    assert reached == set(S)
    assert {state for state in S if not MOVES[state]} == {S.REFUSED, S.COMPLETED, S.ENDED}
