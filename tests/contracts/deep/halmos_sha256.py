"""halmos with a SHA-256: run by halmos's own Python, in place of its command.

halmos 0.3.3 declares SHA-256 as a function over as many bits as its argument has bytes, and fails on every
use of it. Declared over its bits, it is what halmos means it to be: any function.
"""

import sys

from halmos import sevm
from halmos.__main__ import main

_NAME = "f_sha256_"
_declare = sevm.Function


def _declare_over_bits(name, *sorts):
    if name.startswith(_NAME):
        sorts = (sevm.BitVecSorts[8 * int(name.removeprefix(_NAME))], *sorts[1:])
    return _declare(name, *sorts)


if __name__ == "__main__":
    sevm.Function = _declare_over_bits
    sys.exit(main())
