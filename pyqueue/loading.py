"""The only place where a string becomes code: which module holds the app, and importing it.

The string comes from the command line, the environment, pyproject.toml or a file's well-known name, never
from the queue file.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType
from typing import Any, Final, NamedTuple

from pyqueue import request
from pyqueue.app import PyQueue
from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.naming import split_file

USUAL_FILES: Final = ("tasks.py", "app.py")


class Loaded(NamedTuple):
    """An app, and the target that finds the same one from any directory's child process."""

    app: PyQueue
    target: str


def find(named: str | None) -> Loaded:
    """Loads the app that ``-A`` names, else ``$PYQUEUE_APP``, pyproject.toml's ``[tool.pyqueue] app``, tasks.py, app.py.

    Raises ImproperlyConfigured with one sentence; what the user's module raises passes through.
    """
    target = named or os.environ.get("PYQUEUE_APP") or _of_pyproject() or _usual_file()
    if target is None:
        raise ImproperlyConfigured(
            f"no app was found: name it with -A module:app or -A file.py, set PYQUEUE_APP, "
            f"or run this where {' or '.join(USUAL_FILES)} is"
        )
    return load(target)


def load(target: str) -> Loaded:
    """Imports ``module``, ``module:app``, ``file.py`` or ``file.py:app`` and finds the app in it."""
    where, _, attribute = target.partition(":")
    with request.loading(where):
        if where.endswith(".py"):
            where = os.path.abspath(where)
            module = _import_file(where)
        else:
            module = _import_module(where)
    attribute = attribute or _only_app(module, where)
    app = getattr(module, attribute, None)
    if not isinstance(app, PyQueue):
        what = "does not exist" if app is None else f"is a {type(app).__name__}, not a PyQueue"
        raise ImproperlyConfigured(f"{attribute} in {where} {what}")
    return Loaded(app, f"{where}:{attribute}")


def _import_file(path: str) -> ModuleType:
    if not os.path.isfile(path):
        raise ImproperlyConfigured(f"there is no file {path}")
    folder, name = split_file(path)
    _look_in(folder)
    module = importlib.import_module(name)
    found = getattr(module, "__file__", None)
    if found is None or not os.path.samefile(found, path):
        raise ImproperlyConfigured(
            f"{path} can't be loaded: {name} is already the name of {found}; rename the file"
        )
    return module


def _import_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ImproperlyConfigured(f"{name!r} is neither a module's name nor a .py file")
    _look_in(os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ImproperlyConfigured(
                f"there is no module {error.name} here or on the Python path"
            ) from None
        raise


def _look_in(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _only_app(module: ModuleType, where: str) -> str:
    apps = {name: value for name, value in vars(module).items() if isinstance(value, PyQueue)}
    if len({id(app) for app in apps.values()}) > 1:
        raise ImproperlyConfigured(
            f"{where} has several apps ({', '.join(apps)}): say which with {where}:NAME"
        )
    if not apps:
        raise ImproperlyConfigured(f"{where} has no app: it needs a line such as  app = PyQueue('jobs.db')")
    return next(iter(apps))


def _of_pyproject() -> str | None:
    try:
        file = open("pyproject.toml", "rb")  # noqa: SIM115
    except FileNotFoundError:
        return None
    # Imported here, since most workers find no such file and the parser takes 3 ms to load.
    import tomllib  # noqa: PLC0415

    with file:
        try:
            settings: Any = tomllib.load(file)
        except tomllib.TOMLDecodeError as error:
            raise ImproperlyConfigured(f"pyproject.toml can't be read: {error}") from None
    target = settings.get("tool", {}).get("pyqueue", {}).get("app")
    if target is not None and not isinstance(target, str):
        raise ImproperlyConfigured(
            "[tool.pyqueue] app in pyproject.toml must be a string such as 'module:app'"
        )
    return target


def _usual_file() -> str | None:
    return next((name for name in USUAL_FILES if os.path.isfile(name)), None)
