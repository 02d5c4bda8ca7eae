"""The engine that runs on this machine: where it listens, and the operator's key to it."""

import json
from dataclasses import dataclass
from pathlib import Path

from api.client import Client
from engine.errors import Unavailable
from engine.pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class RunningEngine:
    url: str
    bank_url: str
    operator_key: str
    pid: int

    @classmethod
    def find(cls, home: Path | None) -> "RunningEngine":
        """From what `serve` wrote into its home. Raises Unavailable, saying what to do."""
        where = home or Settings().home
        try:
            serving = json.loads((where / "serving.json").read_text())
            key = Path(serving["operator_key_file"]).read_text().strip()
        except (OSError, ValueError, KeyError) as error:
            raise Unavailable(
                f"no engine has been started in {where}: run `autoclaim serve --home {where}` first",
                code="engine.not_running",
            ) from error
        return cls(serving["url"], serving["bank_url"], key, serving["pid"])

    def client(self) -> Client:
        return Client(self.url, self.operator_key)
