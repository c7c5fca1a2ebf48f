"""Connections to a SQLite file that are the application's own, and sending jobs through them."""
