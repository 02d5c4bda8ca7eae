"""From a discharge settlement to money moved, with evidence anyone can check."""

__version__ = "0.1.0"
