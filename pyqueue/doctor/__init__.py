"""What can go wrong around a queue file, looked at from outside: each look gives findings."""
