"""How the kernel's functions are compiled, and where the compiler keeps what it made.

The compiler's own cache looks at the file of a function and not at what it calls or at the constants it
takes from elsewhere, so that a change there would go on running old rules. Here the folder of the cache is
named by a digest of all sources of this package.
"""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])

_HERE = Path(__file__).parent
_SOURCES = sha256(b"".join(path.read_bytes() for path in sorted(_HERE.glob("*.py")))).hexdigest()[:16]
_CONFIG: Any = numba.config
_JIT: Any = numba.njit
if not _CONFIG.CACHE_DIR:
    _CONFIG.CACHE_DIR = str(_HERE.joinpath("__pycache__", _SOURCES))


def compiled(function: F) -> F:
    """To machine code at its first call; integer division by zero is not checked for.

    Without reference counts (`_nrt`), which cost more than all the rules: no array is made inside.
    """
    return cast(F, _JIT(cache=True, nogil=True, error_model="numpy", _nrt=False)(function))


def inlined(function: F) -> F:
    """A part of a compiled function: to hand over all columns by a call costs twice the work."""
    return cast(F, _JIT(inline="always", error_model="numpy", _nrt=False)(function))
