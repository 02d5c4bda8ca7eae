"""What a provider node has to know of this insurer to ask it and to release to it."""

from typing import Any

from engine.errors import NotFound
from engine.evidence.manifest import hex32
from engine.pipeline import consent
from engine.pipeline.context import Context
from engine.pipeline.matching import roll_dataset
from engine.store import policies


def offer(ctx: Context, hospital_code: str) -> dict[str, Any]:
    """What the settings of a hospital's node name: the roll, and a purpose for every loaded product. What the
    node lists of them on chain is up to it. Raises NotFound for a hospital that is not registered."""
    if ctx.hospital_register().get(hospital_code) is None:
        raise NotFound(f"no hospital {hospital_code} is registered", code="hospital.unknown")
    with ctx.database.reading() as session:
        products = sorted({row.product for row in policies.products(session)})
    recipient = ctx.settings.recipient
    return {
        "hospital_code": hospital_code,
        "roll_dataset": hex32(roll_dataset(recipient)),
        "purposes": [
            {"purpose": consent.PURPOSE, "recipient": recipient, "product": product} for product in products
        ],
    }
