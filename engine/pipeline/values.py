"""Small steps between rows and what is computed on."""

from engine.errors import Conflict
from engine.store.tables import Claim


def stored(row_id: int | None) -> int:
    """The id of a row that has been flushed: before that, it has none."""
    if row_id is None:
        raise LookupError("the row has not been stored yet")
    return row_id


def raw(text: str | None) -> bytes:
    """0x-hexadecimal as columns keep it -> bytes. A missing value is a defect of the caller's."""
    if text is None:
        raise LookupError("a key or digest is missing")
    return bytes.fromhex(text.removeprefix("0x"))


def not_erased(claim: Claim) -> Claim:
    """The claim, if its person has not been erased. Raises Conflict."""
    if claim.erased_at is not None:
        raise Conflict(
            f"the person of claim {claim.claim_id} was erased on {claim.erased_at:%Y-%m-%d}: what it was "
            "decided on is gone, and only its amounts and its marks on chain are left",
            code="claim.erased",
        )
    return claim
