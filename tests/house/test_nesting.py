"""A body that nests without end is refused; it never ends the process that reads it.

py-ecc, which py-evm brings, raises Python's recursion limit to 100,000 for the whole process. Python 3.11
guards its JSON reader by that limit alone, so 60 KB of `[` would overflow the C stack and kill the engine.
"""

import subprocess
import sys

_READ_HOSTILE_JSON = """
import json, sys, threading
import api.http.app, engine.chain.embedded  # everything the engine's process loads

def read(text):
    try:
        json.loads(text)
    except RecursionError:
        print("refused")

for text in ("[" * 1_000_000, '{"a":' * 1_000_000):
    read(text)
    thread = threading.Thread(target=read, args=(text,))
    thread.start()
    thread.join()
print(sys.getrecursionlimit())
"""


def test_nesting_without_end_is_refused_and_kills_nobody() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _READ_HOSTILE_JSON], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"ended by {done.returncode}: {done.stderr[-500:]}"
    *answers, limit = done.stdout.split()
    assert answers == ["refused"] * 4
    assert int(limit) <= 20_000, "past this, nesting meets the end of the C stack before it meets the limit"
