"""A task queue in one SQLite file."""
