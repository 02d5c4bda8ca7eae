"""What a node holds stands on chain under its own key; what is in the way is told, and passes."""

from pathlib import Path
from random import Random

import pytest
from eth_account import Account

from api.client import wait_until
from engine.chain.contracts import TaskKind, TaskState
from engine.chain.errors import ContractRefused
from engine.evidence.manifest import provider_dataset
from engine.provider import reports
from engine.provider.node import chain_account
from engine.provider.registration import register
from engine.provider.settings import Purpose
from engine.provider.worker import Worker
from tests.chain.world import YEAR_S, word
from tests.provider.site import Site, stay


def alarms(site: Site) -> dict[str, str]:
    return {alarm["code"]: alarm["detail"] for alarm in reports.status(site.node.database)["alarms"]}


def told(site: Site) -> int:
    """How often."""
    return sum(alarm["seen"] for alarm in reports.status(site.node.database)["alarms"])


def open_with(site: Site, **other: object) -> None:
    """The node once more, with other settings."""
    site.settings = site.settings.model_copy(update=other)
    site.open_again()


def test_a_dataset_is_registered_once_under_the_nodes_own_name(site: Site) -> None:
    catalog, chain = site.chain.client.catalog, site.node.chain
    assert chain.dataset == provider_dataset(site.chain.provider.address.lower())
    assert catalog.provider_of(chain.dataset) == chain.address.lower()
    catalog.require_usable(chain.dataset, site.chain.purpose.scope)
    before = site.chain.client.block_number()
    site.open_again()
    assert register(site.node)
    assert site.chain.client.block_number() == before, "again is no change"


def test_new_purposes_are_listed_and_those_no_longer_in_the_settings_are_taken_off(site: Site) -> None:
    catalog, dataset = site.chain.client.catalog, site.node.chain.dataset
    old, new = site.chain.purpose, Purpose(purpose="another", recipient="the pool", product="huhuibao")
    open_with(site, purposes=[old, new])
    assert register(site.node)
    assert (catalog.lists(dataset, old.scope), catalog.lists(dataset, new.scope)) == (True, True)
    open_with(site, purposes=[new])
    assert register(site.node)
    assert (catalog.lists(dataset, old.scope), catalog.lists(dataset, new.scope)) == (False, True)


def test_what_was_sent_before_a_crash_and_is_sent_again_does_no_harm(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node looked, and what it had sent before was mined only then."""
    before = site.chain.client.block_number()
    monkeypatch.setattr(type(site.node.chain), "owner_of_dataset", lambda _: None)
    monkeypatch.setattr("engine.chain.contracts.DataCatalog.lists", lambda *_: False)
    site.node.chain.register_dataset([site.chain.purpose.scope])
    assert site.chain.client.block_number() == before


def test_a_node_that_is_not_appointed_keeps_settlements_and_says_whom_to_ask(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    site.chain.provider = Account.from_key(word())
    open_with(site, follow_s=0.01, tick_s=0.01)
    native = stay()
    site.accept(native)
    worker = Worker(site.node)
    worker.start()
    wait_until(lambda: told(site) > 3 or None, timeout_s=20)
    worker.stop()
    assert (site.row(native).state, site.insurer.asked) == ("kept", [])
    [(code, detail)] = alarms(site).items()
    assert code == "provider.not_appointed"
    assert site.chain.provider.address in detail
    site.chain.appoint(site.chain.provider.address)
    assert register(site.node)
    assert alarms(site) == {}
    site.work()
    assert site.row(native).state == "accepted"


def test_a_dataset_that_another_has_registered_is_not_released_from(site: Site) -> None:
    other = site.node.chain
    site.chain.provider = Account.from_key(word())
    site.chain.appoint(site.chain.provider.address)
    other._open().catalog.register(provider_dataset(site.chain.provider.address), 4, [word()])
    site.open_again()
    assert not register(site.node)
    assert list(alarms(site)) == ["provider.dataset_taken"]
    assert other.address.lower() in alarms(site)["provider.dataset_taken"]


def test_a_node_runs_a_task_over_its_dataset_and_no_other_role_is_its(site: Site) -> None:
    client, chain, task = site.chain.client, site.node.chain, word()
    client.scheduler.open(
        task, chain.dataset, site.chain.purpose.scope, word(), site.chain.now + YEAR_S, TaskKind.ONE_OFF
    )
    [opened] = chain.tasks_of(chain.dataset)
    assert opened.args["taskId"] == "0x" + task.hex()
    assert chain.tasks_of(chain.dataset, opened.block_number + 1) == []
    chain.accept(task)
    chain.fail(task, word())
    chain.accept(task)
    chain.start(task)
    chain.heartbeat(task)
    result = word()
    chain.commit_result(task, result)
    client.scheduler.commit_result_as_requester(task, result)
    assert client.scheduler.state_of(task) is TaskState.COMPLETED
    with pytest.raises(ContractRefused, match="MoveNotAllowed"):
        chain.accept(task)
    with pytest.raises(NotImplementedError):
        chain._open().scheduler.cancel(task)


def test_a_nodes_key_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    first = chain_account(tmp_path / "node", Random(1).randbytes)
    again = chain_account(tmp_path / "node", Random(2).randbytes)
    assert first.address == again.address
    for name in ("chain.json", "chain.passphrase"):
        path = tmp_path / "node" / name
        assert path.stat().st_mode & 0o777 == 0o600
        assert bytes(first.key).hex() not in path.read_text()
