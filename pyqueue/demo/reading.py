"""What the catalogue says about one file."""

from __future__ import annotations

import codecs
import errno
import hashlib
import mimetypes
import os
import stat
from typing import Final, NamedTuple

_BLOCK: Final = 1 << 20


class Reading(NamedTuple):
    """Hash, size, type, and for text its counts."""

    sha256: str
    bytes: int
    mime: str
    lines: int | None
    words: int | None
    chars: int | None


def read(path: str) -> Reading:
    """Reads a regular file in blocks of 1 MiB. Raises OSError if it can't be read or is something else."""
    # NONBLOCK: the name may have become a pipe since the walk, and opening one would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no regular file", path)
        digest, size, text = hashlib.sha256(), 0, TextCounts()
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
            text.add(block)
    counts = text.finish()
    mime = mimetypes.guess_type("/" + os.path.basename(path), strict=False)[0]
    if mime is None:
        mime = "application/octet-stream" if counts is None else "text/plain"
    return Reading(digest.hexdigest(), size, mime, *(counts or (None, None, None)))


class TextCounts:
    """Counts lines (line feeds), words and characters of UTF-8 text that comes in blocks."""

    def __init__(self) -> None:
        self._decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
        self._lines = self._words = self._chars = 0
        self._in_word = False

    def add(self, block: bytes) -> None:
        """The next block; one with a NUL or with bytes that are no UTF-8 ends the counting."""
        if self._decoder is not None:
            self._count(block, final=False)

    def finish(self) -> tuple[int, int, int] | None:
        """Lines, words, characters; None if it is not text."""
        if self._decoder is not None:
            self._count(b"", final=True)
        return None if self._decoder is None else (self._lines, self._words, self._chars)

    def _count(self, block: bytes, final: bool) -> None:
        assert self._decoder is not None
        try:
            text = self._decoder.decode(block, final)
        except UnicodeDecodeError:
            self._decoder = None
            return
        if "\0" in text:
            self._decoder = None
            return
        if text:
            # A word cut by the border of two blocks is one word.
            self._words += len(text.split()) - (self._in_word and not text[0].isspace())
            self._in_word = not text[-1].isspace()
            self._lines += text.count("\n")
            self._chars += len(text)
