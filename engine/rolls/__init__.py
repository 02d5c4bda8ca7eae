"""The policy roll (保单清册): what an insurer knows of who is insured, as NDJSON or CSV."""

from engine.rolls.fields import CSV_COLUMNS, Later
from engine.rolls.reading import PolicyRow, RowError, read_roll

__all__ = ["CSV_COLUMNS", "Later", "PolicyRow", "RowError", "read_roll"]
