"""The durable workflows that tie the rooms together, and the one table of states."""
