"""Books: all settlements of many policies in Parquet, for replay and simulation (docs/replay.md)."""
