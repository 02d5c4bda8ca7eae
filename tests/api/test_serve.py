"""`autoclaim serve`: what it says when it cannot start."""

import subprocess
import sys
from pathlib import Path

from tests.support.process import REPOSITORY


def test_an_engine_without_bank_credentials_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "api.cli.main", "serve", "--home", str(tmp_path / "home"), "--port", "0"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "[bank.no_credentials]" in ended.stderr
    assert "--sandbox-bank" in ended.stderr
