"""Measures of pyqueue on this machine's own disk: what ``pyqueue bench`` shows."""
