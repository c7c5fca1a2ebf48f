"""Text from a file or another program, in which nothing steers a terminal."""

from __future__ import annotations

_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (ord("\n"), ord("\t"))
}


def plain(text: str, keep: str = "") -> str:
    """On one line, with all that is not printable escaped. ``keep`` names controls to leave."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def steady(text: str) -> str:
    """Lines as they are, with control characters escaped: for logs, whose text is mostly the application's own."""
    return text if text.isprintable() else text.translate(_CONTROLS)
