"""One workbook (xlsx, xls, ods) from stdin, its rows as JSON lines on stdout. A program, not a module:
its one argument is JSON {"sheets": [name, ...], "memory": bytes, "cpu_seconds", "cells", "columns"}.

The library that reads workbooks keeps a sheet in memory as a full grid, so that a file of 2 KB can ask for
a hundred gigabytes, and it may end the process over it. Hence a process of its own with bounds.

    {"sheet": name}   before the rows of each sheet asked for
    [cell, ...]       a row: text, number, boolean; a day or time as ISO text; "" where nothing stands
    {"end": true}     everything was said
    {"error": id}     instead: "unreadable", "password", "no_sheet", "too_large"
"""

import io
import json
import resource
import sys
from datetime import date, time
from itertools import product

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, WorksheetNotFound


def main() -> None:
    asked = json.loads(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (asked["memory"], asked["memory"]))
    resource.setrlimit(resource.RLIMIT_CPU, (asked["cpu_seconds"], asked["cpu_seconds"]))
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read())) as workbook:
            left = asked["cells"]
            for name in asked["sheets"] or workbook.sheet_names[:1]:
                _say({"sheet": name})
                sheet = workbook.get_sheet_by_name(name)
                left -= sheet.total_width * sheet.total_height
                if left < 0 or sheet.total_width > asked["columns"] or not _sheet(sheet, asked["cells"]):
                    _say({"error": "too_large"})
                    return
    except WorksheetNotFound:
        _say({"error": "no_sheet"})
    except PasswordError:
        _say({"error": "password"})
    except (CalamineError, ValueError, OSError):
        _say({"error": "unreadable"})
    except MemoryError:
        _say({"error": "too_large"})
    else:
        _say({"end": True})


def _sheet(sheet: CalamineSheet, most_filled: int) -> bool:
    """Says its rows, what is merged in every cell of it; False when it merges more cells than that."""
    rows = sheet.to_python(skip_empty_area=False)
    filled = 0
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        filled += (bottom - top + 1) * (right - left + 1)
        if filled > most_filled:
            return False
        for at, column in product(range(top, bottom + 1), range(left, right + 1)):
            if at < len(rows) and column < len(rows[at]):
                rows[at][column] = rows[top][left]
    for row in rows:
        _say(row)
    return True


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what, ensure_ascii=True, default=_text) + "\n")


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, date | time) else str(value)


if __name__ == "__main__":
    main()
