"""Small files that must be whole or absent: manifests and keystores."""

import os
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` atomically and durably, readable by its owner only (mode 0600)."""
    draft = path.with_name(path.name + ".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
