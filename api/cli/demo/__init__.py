"""`autoclaim demo`: the main job, on real parts, with invented people."""
