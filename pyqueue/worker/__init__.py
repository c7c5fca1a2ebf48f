"""Running jobs: the supervisor's Python side and its children."""
