"""Payout: the bank port, its HTTP adapter, callback verification and statement reconciliation."""
