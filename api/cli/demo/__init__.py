"""`autoclaim demo`: the main job, on real parts, with invented people."""

from api.cli.demo.command import demo

__all__ = ["demo"]
