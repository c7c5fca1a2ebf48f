"""Who does something to the file, for those who read of it later."""

from __future__ import annotations

import os


def whoami() -> str:
    """As far as the system knows: user@host:pid."""
    import pwd  # noqa: PLC0415  for those who give orders

    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}:{os.getpid()}"[:255]
