"""The faces of a provider node: HTTP for the hospital's own systems, and its client of the insurer."""
