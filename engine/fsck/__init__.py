"""The independent reader: compares database, chain and bank statement, and names every difference.

It shares no code with what it checks: SQL, JSON-RPC, event words and the bank's signature are read and
made here once more, and the states and their moves are written down here once more (`beliefs`).
"""

from engine.fsck.bank import Bank, BankKey
from engine.fsck.chain import Transport, http_transport
from engine.fsck.check import Sources, check
from engine.fsck.errors import CannotCheck
from engine.fsck.report import Code, Difference, Report

__all__ = [
    "Bank",
    "BankKey",
    "CannotCheck",
    "Code",
    "Difference",
    "Report",
    "Sources",
    "Transport",
    "check",
    "http_transport",
]
