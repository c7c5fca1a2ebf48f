"""Secrets are masked where something is shown to people or logged, by the name they go by.

What is stored is what was given: the file is its owner's alone. A secret without such a name is not known as one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

MASK: Final = "***"

_NAMES: Final = (
    r"pass(?:word|wd|phrase)|secret|token|authorization|credential|cookie|(?:api|access|private)[-_]?key"
)
_NAME: Final = re.compile(_NAMES, re.IGNORECASE)
# Bounded everywhere: a text of any length takes time in its length only. What stands before the name is not looked at.
_PAIR: Final = re.compile(
    rf"""((?:{_NAMES})[\w-]{{0,40}}["']?[ ]{{0,3}}[:=][ ]{{0,3}})"""
    r"""(?:(?:Bearer|Basic|Token)[ ]{1,3})?(?:"[^"\n]*"?|'[^'\n]*'?|[^\s,;&)\]}"']+)""",
    re.IGNORECASE,
)
# A path made of a URL has lost a slash.
_URL: Final = re.compile(r"(:/{1,3}[^\s/@:]{0,256}:)[^\s/@]{1,1024}@")


def is_secret(name: object) -> bool:
    """Whether what goes by this name is masked: ``password``, ``API_KEY``, ``session_cookie``."""
    return isinstance(name, str) and _NAME.search(name) is not None


def masked(value: Any) -> Any:
    """The value with what goes by a secret's name in its dicts masked. Its depth is that of a message."""
    if isinstance(value, Mapping):
        return {
            name: MASK if is_secret(name) and each is not None else masked(each)
            for name, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        several = [masked(each) for each in value]
        return tuple(several) if isinstance(value, tuple) else several
    return masked_text(value) if isinstance(value, str) else value


def masked_text(text: str) -> str:
    """The text without the passwords of URLs and without values behind a secret's name, as in ``token=…``."""
    if ":/" in text:
        text = _URL.sub(rf"\1{MASK}@", text)
    return _PAIR.sub(rf"\1{MASK}", text) if _NAME.search(text) else text
