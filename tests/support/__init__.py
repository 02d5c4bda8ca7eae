"""What several rooms' tests stand on: a real PostgreSQL, real processes, no network."""
