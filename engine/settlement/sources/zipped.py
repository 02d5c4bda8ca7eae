"""A detail file of 3202 in a zip: held to its bounds before anything of it is inflated, and no more inflated
than they allow, whatever it says of itself.
"""

import struct
import zipfile
import zlib
from io import BytesIO
from typing import BinaryIO, Final

from engine.settlement.sources.json_stream import refusal
from engine.settlement.sources.record import SourceRefused
from engine.settlement.sources.statement import MAX_STATEMENT_BYTES

MAX_ZIP_BYTES: Final = 32 * 1024 * 1024
SIGNATURE: Final = b"PK\x03\x04"
_END: Final = b"PK\x05\x06"
_END_WITHIN: Final = 22 + 0xFFFF
_MOST_OF_A_DIRECTORY: Final = 4096
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN: Final = (
    *(zipfile.BadZipFile, zlib.error, struct.error),
    *(EOFError, OSError, NotImplementedError, ValueError, IndexError),
)
"""All that zipfile raises on bytes that were changed; a refusal is a ValueError too."""


def unzipped(first: bytes, rest: BinaryIO) -> bytes:
    """The one file of a zip. Raises SourceRefused."""
    data = first + rest.read(MAX_ZIP_BYTES + 1 - len(first))
    if len(data) > MAX_ZIP_BYTES:
        raise refusal("source.zip.too_large", f"has more than {MAX_ZIP_BYTES} bytes")
    if _directory_bytes(data) > _MOST_OF_A_DIRECTORY:  # else a million names are read before one is counted
        raise refusal("source.zip.entries", "holds more than the one file")
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return _only_file(archive)
    except SourceRefused:
        raise
    except _BROKEN as error:
        raise refusal("source.zip.unreadable", "begins as a zip and is none that can be read") from error


def _directory_bytes(data: bytes) -> int:
    """The size of its list of files, as its end says; a zip64 says 4 GiB."""
    at = data.rfind(_END, max(0, len(data) - _END_WITHIN))
    if at < 0 or at + 16 > len(data):
        raise refusal("source.zip.unreadable", "begins as a zip and has no end")
    (size,) = struct.unpack_from("<I", data, at + 12)
    return int(size)


def _only_file(archive: zipfile.ZipFile) -> bytes:
    files = [one for one in archive.infolist() if not one.is_dir()]
    if len(files) != 1:
        raise refusal("source.zip.entries", f"holds {len(files)} files instead of one")
    (only,) = files
    if only.flag_bits & 1 or only.compress_type not in _METHODS:
        raise refusal("source.zip.unreadable", "is encrypted, or packed otherwise than by deflate")
    if only.file_size > MAX_STATEMENT_BYTES:
        raise refusal("source.statement.too_large", f"holds more than {MAX_STATEMENT_BYTES} bytes")
    return archive.read(only)
