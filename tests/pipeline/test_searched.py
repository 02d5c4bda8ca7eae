"""What runs for each settlement searches: no table that grows with a city is read through for one of them."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from engine.errors import Refused
from engine.pipeline import claims, intake, match, quarantine
from engine.store import idempotency
from tests.pipeline.world import OURS, World

STRANGER = 500
GROW = (
    *("settlement", "claim", "claim_transition", "quarantined", "idempotent_answer", "access_log", "payout"),
    *("policy", "policy_alias", "authorization", "given_event", "invoice_check", "set_off", "reversal"),
    *("delivery", "delivered_record", "delivered_body", "correction"),
)
_STATEMENT = re.compile(r"\s*(SELECT|UPDATE|DELETE)")
_SCANNED = re.compile(r"SCAN (\w+)")


@contextmanager
def read_through(world: World) -> Iterator[set[str]]:
    """Statements that read a growing table to its end, as SQLite plans them."""
    found: set[str] = set()
    seen: set[str] = set()

    def explain(connection: Any, _cursor: Any, statement: str, given: Any, _context: Any, many: bool) -> None:
        if statement in seen or not _STATEMENT.match(statement):
            return
        seen.add(statement)
        cursor = connection.connection.driver_connection.cursor()
        explained = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", given[0] if many else given)
        plan = [row[3] for row in explained]
        cursor.close()
        # As far as a limit: in the order of what is scanned, and no further.
        if " LIMIT " in statement and not any("TEMP B-TREE" in step for step in plan):
            return
        scanned = {match.group(1) for step in plan if (match := _SCANNED.match(step))}
        if scanned & set(GROW):
            found.add(f"{sorted(scanned)}: {' '.join(statement.split())}")

    event.listen(world.ctx.database.engine, "before_cursor_execute", explain)
    yield found
    event.remove(world.ctx.database.engine, "before_cursor_execute", explain)
    assert len(seen) > 20, "hardly anything was run"


def test_nothing_on_the_way_of_a_settlement_reads_a_table_through(paying: World) -> None:
    world = paying
    raws = [json.dumps(world.native(index)).encode() for index in (1, 2, STRANGER)]
    bad = world.native(3)
    bad["setlinfo"]["dscg_way"] = "99"
    with read_through(world) as found:
        for outcome in intake.accept_batch(world.ctx, OURS, raws):
            assert not isinstance(outcome, Exception)
        with pytest.raises(Refused):
            world.send(bad)
        with world.ctx.database.reading() as session:
            idempotency.find_all(session, [("key", "one"), ("key", "two"), ("other", "one")])
        assert match.rest_nobodys(world.ctx, 100) == 1
        claim = world.accepted(0)
        world.confirmed(claim)
        world.reverse(claim)
        claims.get_claim(world.ctx, claim)
        intake.list_settlements(world.ctx, OURS, 0, 100)
        quarantine.list_quarantined(world.ctx, OURS, 0, 100)
    assert not found, "\n".join(sorted(found))
