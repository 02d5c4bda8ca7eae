"""Where an engine's things are: from the environment, or from what `serve` wrote into its home."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

_HOMES = (Path(".autoclaim/engine"), Path(".autoclaim/demo/engine"))


def home_of(environment: Mapping[str, str]) -> Path:
    """AUTOCLAIM_HOME, or whichever of the usual homes was served last."""
    if environment.get("AUTOCLAIM_HOME"):
        return Path(environment["AUTOCLAIM_HOME"])
    served = [home for home in _HOMES if (home / "serving.json").exists()]
    chosen = max(served, key=lambda home: (home / "serving.json").stat().st_mtime, default=_HOMES[0])
    typer.echo(f"reading {chosen}", err=True)
    return chosen


def serving(home: Path) -> dict[str, Any]:
    try:
        document = json.loads((home / "serving.json").read_text())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def database_url(home: Path, environment: Mapping[str, str]) -> str:
    """AUTOCLAIM_DATABASE_URL, or the database that was served from this home."""
    return (
        environment.get("AUTOCLAIM_DATABASE_URL")
        or serving(home).get("database_url")
        or f"sqlite:///{(home / 'engine.db').absolute()}"
    )
