"""What one run of the sandbox bank is told, and what it takes from outside: time and randomness."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from engine.sandbox.bank.auth import Secrets
from engine.sandbox.bank.faults import FaultPlan


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class BankConfig:
    """Times in milliseconds, money in fen."""

    database: Path
    secrets: Secrets
    callback_url: str | None = None
    settle_after_ms: int = 50
    funding_account: str = "1001000000000001"
    funding_fen: int = 10**13
    faults: FaultPlan = field(default_factory=FaultPlan)
    now_ms: Callable[[], int] = _unix_ms
    rng: random.Random = field(default_factory=random.SystemRandom)

    def new_bank_ref(self) -> str:
        """The bank's own number of a transfer: its day and 48 random bits."""
        day = datetime.fromtimestamp(self.now_ms() / 1000, UTC).strftime("%Y%m%d")
        return f"SB{day}{self.rng.getrandbits(48):012x}"
