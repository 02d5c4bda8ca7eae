"""RFC 9497's VOPRF over ristretto255 (RFC 9496) a second time, in plain Python, from the two texts alone.

Slow and not constant-time. What the library draws by itself, blinds and the proof's nonce, it takes as
arguments: the RFC's vectors pin this model, and this model checks the library from the wire's other side.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
SQRT_AD_MINUS_ONE = 25063068953384623474111414158702152701244531502492656460079210482610430750235
INVSQRT_A_MINUS_D = 54469307008909316920995813868745141605393597292927456921205312896311721017578
CONTEXT = b"OPRFV1-\x01-ristretto255-SHA512"


def _magnitude(number: int) -> int:
    number %= P
    return P - number if number & 1 else number


def _sqrt_ratio(u: int, v: int) -> tuple[bool, int]:
    """RFC 9496, 4.2: whether u/v is a square, and the non-negative root of it or of SQRT_M1 * u/v."""
    root = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * root * root % P
    flipped, flipped_i = check == -u % P, check == -u * SQRT_M1 % P
    if flipped or flipped_i:
        root = root * SQRT_M1
    return check == u % P or flipped, _magnitude(root)


@dataclass(frozen=True)
class Point:
    """A representative of a group element, in extended coordinates."""

    x: int
    y: int
    z: int
    t: int

    def __add__(self, other: "Point") -> "Point":
        a = (self.y - self.x) * (other.y - other.x)
        b = (self.y + self.x) * (other.y + other.x)
        c, d = 2 * D * self.t * other.t, 2 * self.z * other.z
        e, f, g, h = b - a, d - c, d + c, b + a
        return Point(e * f % P, g * h % P, f * g % P, e * h % P)

    def __rmul__(self, scalar: int) -> "Point":
        total, doubled = IDENTITY, self
        while scalar:
            if scalar & 1:
                total = total + doubled
            doubled, scalar = doubled + doubled, scalar >> 1
        return total

    def encoded(self) -> bytes:
        """RFC 9496, 4.3.2."""
        u1, u2 = (self.z + self.y) * (self.z - self.y), self.x * self.y
        _, root = _sqrt_ratio(1, u1 * u2 * u2 % P)
        den1, den2 = root * u1, root * u2
        z_inverse = den1 * den2 * self.t
        x, y, den = self.x, self.y, den2
        if self.t * z_inverse % P & 1:
            x, y, den = self.y * SQRT_M1, self.x * SQRT_M1, den1 * INVSQRT_A_MINUS_D
        if x * z_inverse % P & 1:
            y = -y
        return _magnitude(den * (self.z - y)).to_bytes(32, "little")


IDENTITY = Point(0, 1, 1, 0)


def decoded(element: bytes) -> Point:
    """RFC 9496, 4.3.1. Raises ValueError."""
    s = int.from_bytes(element, "little")
    u1, u2 = 1 - s * s, 1 + s * s
    v = (-D * u1 * u1 - u2 * u2) % P
    square, root = _sqrt_ratio(1, v * u2 * u2 % P)
    x = _magnitude(2 * s * root * u2)
    y = u1 * root * root * u2 * v % P
    if len(element) != 32 or s >= P or s & 1 or not square or x * y % P & 1 or y == 0:
        raise ValueError("no element")
    return Point(x, y, 1, x * y % P)


GENERATOR = decoded(bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76"))


def _mapped(half: bytes) -> Point:
    """RFC 9496, 4.3.4: MAP of 32 bytes, the top bit left out."""
    t = int.from_bytes(half, "little") % 2**255 % P
    r = SQRT_M1 * t * t % P
    u, v = (r + 1) * (1 - D * D) % P, (-1 - r * D) * (r + D) % P
    square, s = _sqrt_ratio(u, v)
    c = -1
    if not square:
        s, c = -_magnitude(s * t), r
    n = c * (r - 1) * (D - 1) * (D - 1) - v
    w0, w1, w2, w3 = 2 * s * v, n * SQRT_AD_MINUS_ONE, 1 - s * s, 1 + s * s
    return Point(w0 * w3 % P, w2 * w1 % P, w1 * w3 % P, w0 * w2 % P)


def _expanded(message: bytes, domain: bytes) -> bytes:
    """RFC 9380, 5.3.1: expand_message_xmd with SHA-512, to the 64 bytes of one block."""
    domain += bytes([len(domain)])
    first = hashlib.sha512(bytes(128) + message + b"\x00\x40\x00" + domain).digest()
    return hashlib.sha512(first + b"\x01" + domain).digest()


def _hash_to_scalar(message: bytes, domain: bytes = b"HashToScalar-" + CONTEXT) -> int:
    return int.from_bytes(_expanded(message, domain), "little") % ORDER


def _hash_to_group(message: bytes) -> Point:
    uniform = _expanded(message, b"HashToGroup-" + CONTEXT)
    return _mapped(uniform[:32]) + _mapped(uniform[32:])


def _prefixed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(2) + part for part in parts)


def scalar(number: bytes) -> int:
    return int.from_bytes(number, "little")


def derived_key(seed: bytes, info: bytes) -> int:
    """3.2.1, DeriveKeyPair; the first counter never gives zero outside of a proof."""
    return _hash_to_scalar(seed + _prefixed(info) + b"\x00", b"DeriveKeyPair" + CONTEXT)


def public_key(key: int) -> bytes:
    return (key * GENERATOR).encoded()


def blinded(message: bytes, blind: int) -> bytes:
    return (blind * _hash_to_group(message)).encoded()


def evaluated(key: int, element: bytes) -> bytes:
    return (key * decoded(element)).encoded()


def finalized(message: bytes, blind: int, element: bytes) -> bytes:
    unblinded = (pow(blind, -1, ORDER) * decoded(element)).encoded()
    return hashlib.sha512(_prefixed(message, unblinded) + b"Finalize").digest()


def proof(key: int, asked: Sequence[bytes], answered: Sequence[bytes], nonce: int) -> bytes:
    """2.2.1, GenerateProof."""
    public = public_key(key)
    m, z = _composites(public, asked, answered)
    c = _challenge(public, m, z, nonce * GENERATOR, nonce * m)
    return c.to_bytes(32, "little") + ((nonce - c * key) % ORDER).to_bytes(32, "little")


def proves(public: bytes, asked: Sequence[bytes], answered: Sequence[bytes], proved: bytes) -> bool:
    """2.2.2, VerifyProof."""
    c, s = scalar(proved[:32]), scalar(proved[32:])
    m, z = _composites(public, asked, answered)
    return c == _challenge(public, m, z, s * GENERATOR + c * decoded(public), s * m + c * z)


def _composites(public: bytes, asked: Sequence[bytes], answered: Sequence[bytes]) -> tuple[Point, Point]:
    seed = hashlib.sha512(_prefixed(public, b"Seed-" + CONTEXT)).digest()
    m = z = IDENTITY
    for index, (one, other) in enumerate(zip(asked, answered, strict=True)):
        transcript = _prefixed(seed) + index.to_bytes(2) + _prefixed(one, other) + b"Composite"
        weight = _hash_to_scalar(transcript)
        m, z = m + weight * decoded(one), z + weight * decoded(other)
    return m, z


def _challenge(public: bytes, *points: Point) -> int:
    return _hash_to_scalar(_prefixed(public, *(point.encoded() for point in points)) + b"Challenge")
