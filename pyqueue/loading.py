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

from pyqueue import request, shared
from pyqueue.app import PyQueue
from pyqueue.config import tool_table
from pyqueue.configured import Packages
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
    target = named or _named()
    if target is None:
        raise ImproperlyConfigured(
            f"no app was found: name it with -A module:app or -A file.py, set PYQUEUE_APP, "
            f"or run this where {' or '.join(USUAL_FILES)} is"
        )
    return load(target)


def is_named() -> bool:
    """Whether ``find`` has anything to load without being told."""
    return _named() is not None


def _named() -> str | None:
    return os.environ.get("PYQUEUE_APP") or _of_pyproject() or _usual_file()


def load(target: str) -> Loaded:
    """Imports ``module``, ``module:app``, ``file.py`` or ``file.py:app`` and finds the app in it."""
    where, _, attribute = target.partition(":")
    with request.loading(where):
        if where.endswith(".py"):
            where = os.path.abspath(where)
            module = _import_file(where)
        else:
            module = _import_module(where)
            if not attribute and hasattr(module, "__path__") and not _apps(module):
                # As with Celery, -A proj also finds the app of proj/celery.py.
                inner = _submodule(where, "celery")
                module, where = (inner, f"{where}.celery") if inner is not None else (module, where)
        attribute = attribute or _only_app(module, where)
        app = getattr(module, attribute, None)
        if not isinstance(app, PyQueue):
            what = "does not exist" if app is None else f"is a {type(app).__name__}, not a PyQueue"
            raise ImproperlyConfigured(f"{attribute} in {where} {what}")
        shared.adopts(app)
        app.finalize()
    return Loaded(app, f"{where}:{attribute}")


def symbol(name: str) -> Any:
    """What ``module``, ``module:name`` or ``module.name`` stands for: the settings a module's author names."""
    where, _, attribute = name.partition(":")
    if not attribute:
        try:
            return importlib.import_module(where)
        except ModuleNotFoundError as error:
            package, _, attribute = where.rpartition(".")
            if error.name != where or not package:
                raise
            where = package
    found: Any = importlib.import_module(where)
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ModuleNotFoundError(f"there is no {name}", name=name) from None
    return found


def discover(packages: Packages, related_name: str | None) -> None:
    """Imports ``package.related_name`` of each package that has it; without packages, of Django's apps."""
    if packages is None:
        packages = _django_apps()
    elif callable(packages):
        packages = packages()
    for package in packages:
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as error:
            # Django names an app by its package or by a class in it: proj.mail.apps.MailConfig.
            parent = package.partition(".apps.")[0]
            if error.name != package or parent == package:
                raise
            package = parent  # noqa: PLW2901
        if related_name:
            _submodule(package, related_name)


def _django_apps() -> list[str]:
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        raise ImproperlyConfigured(
            "autodiscover_tasks() without packages is for Django: name them, or set DJANGO_SETTINGS_MODULE"
        )
    django, registry = importlib.import_module("django"), importlib.import_module("django.apps")
    if not registry.apps.ready:
        django.setup()
    return [each.name for each in registry.apps.get_app_configs()]


def _submodule(package: str, name: str) -> ModuleType | None:
    """The module, imported; None if there is none. An error inside of it passes through."""
    whole = f"{package}.{name}"
    try:
        return importlib.import_module(whole)
    except ModuleNotFoundError as error:
        if error.name == whole:
            return None
        raise


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


def _apps(module: ModuleType) -> dict[str, PyQueue]:
    return {name: value for name, value in vars(module).items() if isinstance(value, PyQueue)}


def _only_app(module: ModuleType, where: str) -> str:
    apps = _apps(module)
    if len({id(app) for app in apps.values()}) > 1:
        raise ImproperlyConfigured(
            f"{where} has several apps ({', '.join(apps)}): say which with {where}:NAME"
        )
    if not apps:
        raise ImproperlyConfigured(f"{where} has no app: it needs a line such as  app = PyQueue('jobs.db')")
    return next(iter(apps))


def _of_pyproject() -> str | None:
    target = tool_table().get("app")
    if target is not None and not isinstance(target, str):
        raise ImproperlyConfigured(
            "[tool.pyqueue] app in pyproject.toml must be a string such as 'module:app'"
        )
    return target


def _usual_file() -> str | None:
    return next((name for name in USUAL_FILES if os.path.isfile(name)), None)
