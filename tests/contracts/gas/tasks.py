"""The catalogue and the tasks."""

from tests.contracts.gas.case import case, spent
from tests.contracts.model import TaskKind
from tests.contracts.world import DAY, YEAR, World, role


@case("DataCatalog.register, for one purpose")
def _(world: World) -> int:
    register = world.catalog.functions.register(world.fresh(), 4, [role("purpose")])
    return spent(world, register, "provider")


@case("DataCatalog.listPurpose")
def _(world: World) -> int:
    listed = world.catalog.functions.listPurpose(world.registered_dataset(), role("another purpose"))
    return spent(world, listed, "provider")


@case("DataCatalog.delistPurpose")
def _(world: World) -> int:
    delisted = world.catalog.functions.delistPurpose(world.registered_dataset(), role("purpose"))
    return spent(world, delisted, "provider")


@case("DataCatalog.publishVersion")
def _(world: World) -> int:
    publish = world.catalog.functions.publishVersion
    return spent(world, publish(world.registered_dataset(), world.fresh(), world.fresh()), "provider")


@case("DataCatalog.publishMatchingKey, of the first epoch")
def _(world: World) -> int:
    publish = world.catalog.functions.publishMatchingKey(world.registered_dataset(), 1, world.fresh())
    return spent(world, publish, "provider")


@case("DataCatalog.withdrawMatchingKey")
def _(world: World) -> int:
    dataset = world.registered_dataset()
    world.send(world.catalog.functions.publishMatchingKey(dataset, 1, world.fresh()), by="provider")
    return spent(world, world.catalog.functions.withdrawMatchingKey(dataset, 1), "provider")


@case("DataCatalog.retire")
def _(world: World) -> int:
    return spent(world, world.catalog.functions.retire(world.registered_dataset()), "provider")


@case("TaskScheduler.open")
def _(world: World) -> int:
    dataset, purpose = world.registered_dataset(), role("purpose")
    arguments = (world.fresh(), dataset, purpose, world.fresh(), world.now + YEAR, TaskKind.STANDING)
    return spent(world, world.scheduler.functions.open(*arguments), "requester")


@case("TaskScheduler.accept")
def _(world: World) -> int:
    return spent(world, world.scheduler.functions.accept(world.opened_task()), "provider")


@case("TaskScheduler.start")
def _(world: World) -> int:
    task = world.opened_task()
    world.send(world.scheduler.functions.accept(task), by="provider")
    return spent(world, world.scheduler.functions.start(task), "provider")


@case("TaskScheduler.heartbeat")
def _(world: World) -> int:
    return spent(world, world.scheduler.functions.heartbeat(world.running_task()), "provider")


@case("TaskScheduler.fail, to be tried again")
def _(world: World) -> int:
    return spent(world, world.scheduler.functions.fail(world.running_task(), world.fresh()), "provider")


@case("TaskScheduler.lapse, to be tried again")
def _(world: World) -> int:
    task = world.running_task()
    world.next_block_at(world.now + 2 * DAY)
    return spent(world, world.scheduler.functions.lapse(task))


@case("TaskScheduler.cancel")
def _(world: World) -> int:
    return spent(world, world.scheduler.functions.cancel(world.opened_task()), "requester")


@case("TaskScheduler.expire")
def _(world: World) -> int:
    task = world.opened_task(deadline=world.now + DAY)
    world.next_block_at(world.now + DAY)
    return spent(world, world.scheduler.functions.expire(task))


@case("TaskScheduler.commitResult, the first side")
def _(world: World) -> int:
    commit = world.scheduler.functions.commitResult
    return spent(world, commit(world.running_task(), world.fresh()), "provider")


@case("TaskScheduler.commitResult, the second side")
def _(world: World) -> int:
    commit = world.scheduler.functions.commitResult(world.running_task(), world.fresh())
    world.send(commit, by="provider")
    return spent(world, commit, "requester")


@case("TaskScheduler.resolve, for one side")
def _(world: World) -> int:
    task, commit = world.running_task(), world.scheduler.functions.commitResult
    claimed = world.fresh()
    world.send(commit(task, claimed), by="provider")
    world.send(commit(task, world.fresh()), by="requester")
    return spent(world, world.scheduler.functions.resolve(task, claimed), "arbiter")
