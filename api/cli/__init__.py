"""The command line: `autoclaim`."""
