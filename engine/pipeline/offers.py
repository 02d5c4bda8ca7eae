"""What a provider node's settlements may be used for: its dataset in the catalogue on chain, and what the
node has to know of this insurer to ask and to release."""

from typing import Any

from engine.chain.client import ChainClient
from engine.errors import NotFound
from engine.evidence.canonical import digest
from engine.evidence.manifest import hex32
from engine.pipeline import consent
from engine.pipeline.context import Context
from engine.pipeline.matching import roll_dataset
from engine.pipeline.values import raw
from engine.store import policies

_SENSITIVE_PERSONAL = 4


def offer(ctx: Context, hospital_code: str) -> dict[str, Any]:
    """List every loaded product's scope for this hospital's discharges; again is no change. Returns what a
    node's settings name. Raises NotFound for a hospital that is not registered."""
    if ctx.hospital_register().get(hospital_code) is None:
        raise NotFound(f"no hospital {hospital_code} is registered", code="hospital.unknown")
    with ctx.database.reading() as session:
        products = sorted({row.product for row in policies.products(session)})
    dataset = digest({"dataset": "discharges of a provider", "provider": hospital_code})
    scopes = [raw(consent.scope_id(ctx, product)) for product in products]
    _list(ctx.chain, dataset, scopes)
    recipient = ctx.settings.recipient
    return {
        "hospital_code": hospital_code,
        "dataset": hex32(dataset),
        "roll_dataset": hex32(roll_dataset(recipient)),
        "purposes": [
            {"purpose": consent.PURPOSE, "recipient": recipient, "product": product} for product in products
        ],
    }


def _list(chain: ChainClient, dataset: bytes, scopes: list[bytes]) -> None:
    catalog = chain.catalog
    if catalog.register_once(dataset, _SENSITIVE_PERSONAL, scopes):
        return
    for scope in scopes:
        if not catalog.lists(dataset, scope):
            catalog.list_purpose(dataset, scope)
