"""What the tests of the registry share."""

import pytest

from engine.chain.eip712 import Grant
from tests.contracts.model import Liveness
from tests.contracts.world import Refused, World


def refused_grant(world: World, grant: Grant, arguments: tuple[object, ...]) -> tuple[object, ...]:
    with pytest.raises(Refused) as refused:
        world.send(world.registry.functions.grant(*arguments), by="stranger")
    assert world.liveness(grant) in (Liveness.UNKNOWN, Liveness.LIVE, Liveness.REVOKED)
    return refused.value.args
