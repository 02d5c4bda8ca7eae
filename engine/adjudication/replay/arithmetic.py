"""Whole numbers beyond 64 bits for the kernel: one product, one division."""

import numpy as np

from engine.adjudication.replay.compiled import compiled

_LOW, _HALF, _ONE, _TOP = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(1), np.uint64(63)


@compiled
def times_over(amount: int, factor: int, divisor: int) -> tuple[int, int]:
    """Quotient and remainder of amount x factor / divisor; none negative, divisor > 0, quotient < 2**63."""
    a, b, d = np.uint64(amount), np.uint64(factor), np.uint64(divisor)
    low = (a & _LOW) * (b & _LOW)
    first, second = (a >> _HALF) * (b & _LOW), (a & _LOW) * (b >> _HALF)
    middle = (low >> _HALF) + (first & _LOW) + (second & _LOW)
    low = (middle << _HALF) | (low & _LOW)
    high = (a >> _HALF) * (b >> _HALF) + (first >> _HALF) + (second >> _HALF) + (middle >> _HALF)
    if high == np.uint64(0):
        return np.int64(low // d), np.int64(low % d)  # type: ignore[return-value] # a machine word
    quotient, rest = np.uint64(0), high % d
    for place in range(64):
        rest = (rest << _ONE) | ((low >> (_TOP - np.uint64(place))) & _ONE)
        quotient <<= _ONE
        if rest >= d:
            rest -= d
            quotient |= _ONE
    return np.int64(quotient), np.int64(rest)  # type: ignore[return-value]
