"""Two small conversions between rows and what is computed on."""


def stored(row_id: int | None) -> int:
    """The id of a row that has been flushed: before that, it has none."""
    if row_id is None:
        raise LookupError("the row has not been stored yet")
    return row_id


def raw(text: str | None) -> bytes:
    """0x-hexadecimal as columns keep it -> bytes. A missing value is a defect of the caller's."""
    if text is None:
        raise LookupError("a key or digest is missing")
    return bytes.fromhex(text.removeprefix("0x"))
