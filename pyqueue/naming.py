"""Names that two processes agree on: by the file of a module, not by how it was started.

A script run as ``python app.py`` is the module ``__main__`` there and ``app`` in its worker; the file is the
same. The name is the file's stem, preceded by the packages (directories with ``__init__.py``) around it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def split_file(path: str) -> tuple[str, str]:
    """The directory from which a Python file is imported, and its dotted name there."""
    folder, base = os.path.split(os.path.abspath(path))
    stem = os.path.splitext(base)[0]
    names = [] if stem == "__init__" else [stem]
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        names.insert(0, package)
    return folder, ".".join(names)


def module_name(module: ModuleType) -> str:
    """The dotted name of a module by its file; ``__name__`` where there is none (an interactive session)."""
    path = getattr(module, "__file__", None)
    return split_file(path)[1] if path else module.__name__


def task_name(function: Callable[..., Any]) -> str:
    """``app.add`` for ``add`` in ``app.py``, whether that is imported or run as a script."""
    module = sys.modules.get(function.__module__)
    prefix = module_name(module) if module is not None else function.__module__
    return f"{prefix}.{function.__name__}"


def class_path(cls: type) -> str:
    """``module.QualName``, with the file's name for a class of the script that is run."""
    module = cls.__module__
    if module == "__main__":
        module = module_name(sys.modules["__main__"])
    return f"{module}.{cls.__qualname__}"


def loaded_class(path: str) -> type | None:
    """The class that ``class_path`` named, if it is loaded already. Imports nothing and calls nothing.

    Looks into ``__dict__`` only: a module's ``__getattr__`` may import, and the path comes from the file.
    """
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = _loaded_module(".".join(parts[:cut]))
        if module is None:
            continue
        found: Any = module
        for part in parts[cut:]:
            found = vars(found).get(part) if isinstance(found, (ModuleType, type)) else None
        return found if isinstance(found, type) else None
    return None


def _loaded_module(name: str) -> ModuleType | None:
    module = sys.modules.get(name)
    if module is None:
        main = sys.modules.get("__main__")
        if main is not None and module_name(main) == name:
            return main
    return module
