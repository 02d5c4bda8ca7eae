"""The field types of what is read back from a bundle: one way to write each value, and bounds on all."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer


def _from_hex(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("not 0x and hexadecimal digits")
    raw = bytes.fromhex(value[2:])
    if raw.hex() != value[2:]:
        raise ValueError("not lower-case hexadecimal")
    return raw


def _to_hex(value: bytes) -> str:
    return "0x" + value.hex()


Hex = Annotated[bytes, BeforeValidator(_from_hex), PlainSerializer(_to_hex, return_type=str)]
Word = Annotated[Hex, Field(min_length=32, max_length=32)]
Address = Annotated[Hex, Field(min_length=20, max_length=20)]
Nodes = Annotated[list[Hex], Field(max_length=65)]
"""A path through a trie from its root down; at most 64 nibbles and a leaf."""
Index = Annotated[int, Field(ge=0, lt=2**53)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
