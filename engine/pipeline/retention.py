"""Retention: of what is kept, what has been kept for longer than the deployment's settings say.

A report, and no deletion: an operator erases whose time is up (engine.pipeline.erasure), and answers for it.
"""

from datetime import datetime, timedelta
from typing import Any

from engine.pipeline.context import SHANGHAI, Context
from engine.pipeline.states import ClaimState
from engine.store import retention


def due(ctx: Context) -> list[dict[str, Any]]:
    """One row a kind of data: how long it is kept, how much is due, and since when the oldest is kept."""
    settings = ctx.settings
    now = ctx.clock()
    today = ctx.today()
    rows = []
    with ctx.database.reading() as session:
        for kind, days, found in (
            (
                "policies",
                settings.retention_policy_days,
                retention.policies(session, today - timedelta(days=settings.retention_policy_days)),
            ),
            (
                "unmatched_settlements",
                settings.retention_unmatched_days,
                retention.settlements(
                    session,
                    (ClaimState.UNINSURED, ClaimState.NO_CONSENT),
                    now - timedelta(days=settings.retention_unmatched_days),
                ),
            ),
            (
                "quarantined",
                settings.retention_quarantine_days,
                retention.quarantined(session, now - timedelta(days=settings.retention_quarantine_days)),
            ),
            (
                "deliveries",
                settings.retention_delivery_days,
                retention.deliveries(session, now - timedelta(days=settings.retention_delivery_days)),
            ),
        ):
            count, oldest = found
            since = oldest.astimezone(SHANGHAI).date() if isinstance(oldest, datetime) else oldest
            rows.append({"kind": kind, "kept_days": days, "due": count, "oldest": since})
    return rows
