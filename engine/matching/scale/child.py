"""The process in which the library runs: started, told what to do, ended with the `with`."""

import json
import os
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

from engine.matching.errors import ScaleBroken, ScaleMissing

INSTALLED = Path(__file__).parents[3] / "build" / "env" / "psi" / "bin" / "python"
"""Where `make psi-scale` puts the interpreter that has spu."""

_SCRIPT = Path(__file__).parent / "party.py"
_LONGER_S = 5
"""Than the library's own patience, which ends first and says why."""


class Child:
    """One side's process of the library."""

    def __init__(self, python: Path, folder: Path, patience_s: int) -> None:
        if not python.is_file():
            raise ScaleMissing(python)
        self._log = (folder / "spu.log").open("ab")
        self._waits_s = patience_s + _LONGER_S
        self._process = subprocess.Popen(  # noqa: S603 - our own script, orders go to its input
            [python, "-I", _SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=folder,
            env=os.environ | {"TMPDIR": str(folder)},  # the library keeps copies of its input there
        )
        self._answers: SimpleQueue[str | None] = SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for end in (self._process.stdin, self._process.stdout, self._log):
            if end is not None:
                with suppress(BrokenPipeError):
                    end.close()

    def order(self, **what: object) -> None:
        """Tell it something; `answer` says what came of it. Raises ScaleBroken."""
        assert self._process.stdin is not None  # noqa: S101  a pipe
        try:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self.answer()
            raise ScaleBroken("the process of the library has ended") from None

    def answer(self) -> dict[str, Any]:
        """What came of the earliest order that is not answered yet. Raises ScaleBroken."""
        try:
            line = self._answers.get(timeout=self._waits_s)
        except Empty:
            raise ScaleBroken(f"the other side did not answer within {self._waits_s} s") from None
        if line is None:
            raise ScaleBroken(f"the process of the library ended with {self._process.wait()}, see spu.log")
        document: dict[str, Any] = json.loads(line)
        if "error" in document:
            raise ScaleBroken(document["error"])
        return document

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  a pipe
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)
