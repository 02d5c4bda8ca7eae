"""What the audiences' schemas share.

Money is integer fen, times are RFC 3339 UTC, ids of the chain are 0x and lower-case hex.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Hex32 = Annotated[str, Field(pattern="^0x[0-9a-f]{64}$", examples=["0x" + "5e" * 32])]
Address = Annotated[str, Field(pattern="^0x[0-9a-fA-F]{40}$", examples=["0x" + "5e" * 20])]
Signature65 = Annotated[
    str, Field(pattern="^0x[0-9a-fA-F]{130}$", description="65 bytes: r, s, v", examples=["0x" + "5e" * 65])
]
ClaimIdField = Annotated[str, Field(examples=["clm_4f1c9a0d27b35e6688aa01c2"])]
Cursor = Annotated[int | str | None, Field(description="`after` of the next page; null at the end")]


class Body(BaseModel):
    """A body: what it does not name is refused, so that a misspelt field is told."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
