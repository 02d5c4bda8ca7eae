"""The rows of a CSV file: its encoding and delimiter, then row by row with bounded memory."""

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any, Final

from engine.settlement.sources.refusing import refuse
from engine.settlement.sources.table_layout import HEADER_WITHIN, MAX_COLUMNS, Row, header_of

MAX_LINE: Final = 1 << 20
"""Characters between two ends of line; the csv module bounds a cell to 131,072."""
_SAMPLE: Final = 1 << 18
_DELIMITERS: Final = (",", ";", "\t", "|")
_THREE_BYTES: Final = "\u0800"
"""From here on UTF-8 needs three bytes a character, as for Chinese: GBK text hardly ever reads so."""
_CODECS: Final = {"utf-8": "utf-8-sig", "gb18030": "gb18030", "utf-16": "utf-16"}


def text_rows(chunks: Iterator[bytes], layout: Mapping[str, Any]) -> Iterator[Row]:
    """(line number, cells) from the first row on. Raises SourceRefused."""
    first, size = [], 0
    for chunk in chunks:
        first.append(chunk)
        size += len(chunk)
        if size >= _SAMPLE:
            break
    sample = b"".join(first)
    encoding = layout.get("encoding") or _encoding(sample, layout)
    delimiter = layout.get("delimiter") or _delimiter(_try(sample, encoding), layout)
    reader = csv.reader(_lines(chain((sample,), chunks), encoding), delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            refuse("source.text.quoting", f"the row that begins on line {number} cannot be read: {error}")
        if len(cells) > MAX_COLUMNS:
            refuse("source.text.columns", f"line {number} has more than {MAX_COLUMNS} columns")
        yield number, cells


def _lines(chunks: Iterator[bytes], encoding: str) -> Iterator[str]:
    decoder = io.IncrementalNewlineDecoder(_decoder(encoding), translate=True)
    number, rest = 0, ""
    for chunk in chain(chunks, (b"",)):
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError:
            refuse("source.text.encoding", f"is not {encoding} after line {number}; state table.encoding")
        if "\0" in text:
            refuse("source.text.nul", f"holds a NUL after line {number}: no text file")
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            number += 1
            if len(line) > MAX_LINE:
                break
            yield line + "\n"
        if len(rest) > MAX_LINE or any(len(line) > MAX_LINE for line in lines):
            refuse("source.text.line", f"has a line of more than {MAX_LINE} characters after line {number}")
    if rest:
        yield rest


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder(_CODECS[encoding])(errors="strict")


def _encoding(sample: bytes, layout: Mapping[str, Any]) -> str:
    """By the byte order mark; else the one encoding in which the bytes are text with the header in it."""
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8"
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in sample:
        refuse("source.text.nul", "holds NUL bytes: no text file, or UTF-16 without its byte order mark")
    if sample.isascii():
        return "utf-8"
    texts = {name: text for name in ("utf-8", "gb18030") if (text := _try(sample, name)) is not None}
    if not texts:
        refuse(
            "source.text.encoding", "is neither UTF-8 nor GB18030; state table.encoding, or save it as one"
        )
    if len(texts) > 1:
        texts = {name: text for name, text in texts.items() if _best(text, layout) is not None} or texts
    if len(texts) > 1 and not any(letter >= _THREE_BYTES for letter in texts["utf-8"]):
        refuse("source.text.encoding_unclear", "could be UTF-8 or GB18030; state table.encoding")
    return next(iter(texts))


def _try(sample: bytes, encoding: str) -> str | None:
    try:
        return _decoder(encoding).decode(sample)
    except UnicodeDecodeError:
        return None


def _delimiter(text: str | None, layout: Mapping[str, Any]) -> str:
    return _best(text or "", layout) or ","


def _best(text: str, layout: Mapping[str, Any]) -> str | None:
    """The delimiter under which the header is found, and has the most columns."""
    best, most = None, 0
    for delimiter in _DELIMITERS:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            header = header_of([list(row) for row in islice(rows, HEADER_WITHIN)], layout, merged=False)
        except csv.Error:
            continue
        if header is not None and len(header.headings) > most:
            best, most = delimiter, len(header.headings)
    return best
