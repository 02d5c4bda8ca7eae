"""A provider that comes after the deployment is announced, and appointed when the delay is over."""

from datetime import timedelta

import pytest
from eth_account import Account

from engine.chain.contracts import PROVIDER_ROLE
from engine.errors import Conflict
from engine.pipeline.appointing import appoint
from engine.pipeline.settings import Settings
from tests.pipeline.world import World


def test_a_provider_is_announced_first_and_appointed_two_days_later(world: World) -> None:
    address, chain = Account.create().address, world.ctx.chain
    announced = appoint(world.ctx, address.lower())
    assert announced.not_before is not None
    assert timedelta(days=2) <= announced.not_before - world.clock() <= timedelta(days=2, minutes=1)
    assert appoint(world.ctx, address) == announced
    world.clock.ahead += timedelta(days=2, minutes=1)
    for _ in range(2):
        done = appoint(world.ctx, address)
        assert (done.address, done.not_before) == (address, None)
    assert all(one.has_role(PROVIDER_ROLE, address) for one in (chain.catalog, chain.scheduler))


def test_who_holds_another_role_is_not_appointed(world: World) -> None:
    account = world.ctx.chain.roles["pauser"]
    appoint(world.ctx, account)
    world.clock.ahead += timedelta(days=2, minutes=1)
    with pytest.raises(Conflict, match="another role"):
        appoint(world.ctx, account)


def test_a_setting_that_names_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="0x and 40 hexadecimal digits"):
        Settings(providers="0x12")
