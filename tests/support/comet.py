"""What CometBFT and the Cosmos SDK hash and sign, as their specifications have it: enough to check a proof.

Protocol Buffers by hand, since three message types do not ask for a compiler.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

_VARINT, _FIXED64, _BYTES = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Membership:
    """An ICS-23 proof that a tree with this root holds `value` under `key`."""

    key: bytes
    value: bytes
    root: bytes


def membership(proof: bytes) -> Membership:
    """Read an existence proof and hash from its leaf to the root that it implies.

    Fails on a proof of absence, and on a leaf operation other than the one of IAVL and CometBFT trees.
    """
    (exists,) = _all(proof, 1)
    (key,), (value,), (leaf,) = (_all(exists, number) for number in (1, 2, 3))
    # SHA-256 of: prefix, then key and SHA-256 of the value, each after its length.
    operations = {number: content for number, _, content in _fields(leaf)}
    prefix = operations.pop(5)
    assert operations == {1: 1, 3: 1, 4: 1}, f"another leaf operation: {operations}"
    assert isinstance(prefix, bytes)
    hashed = hashlib.sha256(prefix + _sized(key) + _sized(hashlib.sha256(value).digest())).digest()
    for step in _all(exists, 4):
        before, after = b"".join(_all(step, 2)), b"".join(_all(step, 3))
        hashed = hashlib.sha256(before + hashed + after).digest()
    return Membership(key, value, hashed)


def precommit(chain_id: str, height: int, round_: int, block_id: "BlockId", time: tuple[int, int]) -> bytes:
    """The bytes that a validator signs to make a block final. time: its own, in seconds and nanoseconds."""
    parts = _number(1, block_id.parts_total) + _bytes(2, block_id.parts_hash)
    return _sized(
        _number(1, 2)  # a precommit
        + _fixed64(2, height)
        + _fixed64(3, round_)
        + _bytes(4, _bytes(1, block_id.hash) + _bytes(2, parts))
        + _bytes(5, _number(1, time[0]) + _number(2, time[1]))
        + _bytes(6, chain_id.encode())
    )


@dataclass(frozen=True, slots=True)
class BlockId:
    """What is agreed on: the header's hash, and the parts in which the block travels."""

    hash: bytes
    parts_total: int
    parts_hash: bytes


def _fields(message: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(number, wire type, content) of each field, in order."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        content, at = _read_varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _BYTES:
            yield number, kind, message[at : at + content]
            at += content
        else:
            assert kind == _VARINT, f"field {number} has wire type {kind}"
            yield number, kind, content


def _all(message: bytes, number: int) -> list[bytes]:
    return [content for n, _, content in _fields(message) if n == number and isinstance(content, bytes)]


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _sized(content: bytes) -> bytes:
    return _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    """A zero is not written."""
    return _varint(number << 3 | _VARINT) + _varint(value) if value else b""


def _fixed64(number: int, value: int) -> bytes:
    return _varint(number << 3 | _FIXED64) + value.to_bytes(8, "little") if value else b""


def _bytes(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _sized(content)
