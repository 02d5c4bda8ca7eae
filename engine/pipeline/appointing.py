"""Who may put what is their own on chain: provider nodes that come after the deployment."""

from dataclasses import dataclass
from datetime import UTC, datetime

from eth_utils.address import to_checksum_address

from engine.chain.contracts import PROVIDER_ROLE
from engine.chain.errors import ContractRefused
from engine.errors import Conflict
from engine.pipeline.context import Context


@dataclass(frozen=True, slots=True)
class Appointment:
    """not_before: when the announced appointment can be carried out; None: it has been."""

    address: str
    not_before: datetime | None


def appoint(ctx: Context, address: str) -> Appointment:
    """The next step: announced in the open, and, asked for again after two days, carried out. Again at any
    time does no harm. Raises Conflict `provider.other_role` for an account that may do something else."""
    address = to_checksum_address(address)
    try:
        steps = [one.appoint(PROVIDER_ROLE, address) for one in (ctx.chain.catalog, ctx.chain.scheduler)]
    except ContractRefused as refused:
        if refused.error_name != "AlreadyHoldsRole":
            raise
        raise Conflict(f"{address} holds another role on chain", code="provider.other_role") from refused
    waiting = [step for step in steps if step is not None]
    return Appointment(address, datetime.fromtimestamp(max(waiting), UTC) if waiting else None)
