"""What the insured sign and read."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, RootModel

from api.http.schemas.common import Address, Body, Hex32, Signature65


class Grant(Body):
    """A prepared authorization, signed by the insured (EIP-712)."""

    authorization_id: Hex32
    signature: Signature65

    def pair(self) -> tuple[str, str]:
        return self.authorization_id, self.signature


class Grants(RootModel[Annotated[list[Grant], Field(min_length=1, max_length=200)]]):
    """Several grants for one transaction."""


class Authorization(BaseModel):
    authorization_id: Hex32
    state: str = Field(examples=["granted"])
    product: str
    scope: Hex32
    expires_s: int = Field(description="Unix seconds")
    grant_tx: str | None
    revoke_tx: str | None


class AuthorizationList(RootModel[list[Authorization]]):
    """As the grants were sent, in order."""


class RevocationToSign(BaseModel):
    authorization_id: Hex32
    deadline: int = Field(description="Unix seconds; goes back with the signature")
    typed_data: dict[str, Any]


class Revocation(Body):
    deadline: int = Field(ge=0, le=2**48 - 1, description="as it stood in what was signed")
    signer: Address | None = Field(
        default=None, description="the insured or the guardian; whoever consented where it is left out"
    )
    signature: Signature65
