"""What the room shares."""

from tests.adjudication.replay.lives import compiled

__all__ = ["compiled"]
