"""A secret that is made at first start: whole on the disk, or not there at all."""

import os
from collections.abc import Callable
from pathlib import Path


def read_or_make(path: Path, make: Callable[[], str]) -> str:
    """The text of a file of mode 0600, made by `make` where there is none.

    A crash while it is made leaves no half of it behind, which would open nothing ever after. Of two that
    make it at once one wins, and both read that one. Raises ValueError for an empty file.
    """
    if not path.exists():
        _make(path, make())
    text = path.read_text().strip()
    if not text:
        raise ValueError(f"{path} is empty; it held a secret that nothing else can replace")
    return text


def _make(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass  # somebody else's came first
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
