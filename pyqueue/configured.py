"""What an app goes by: its file, its settings, and the modules its tasks are in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from pyqueue.config import Config, Resolved, checked, resolve
from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.settings import Settings, name_of, warn_of_unknown

if TYPE_CHECKING:
    from datetime import datetime

    from pyqueue._core import Store
    from pyqueue.app import PyQueue
    from pyqueue.worker.in_place import InPlace

Packages = Iterable[str] | Callable[[], Iterable[str]] | None


class Configured:
    """The part of an app that is about its settings."""

    main: str | None = None
    """The name given to ``Celery("name")``; tasks are named by their files."""

    def __init__(self, constructor: Mapping[str, Any]) -> None:
        self._constructor = {
            name: checked(name, value, name) for name, value in constructor.items() if value is not None
        }
        self._store: Store | None = None
        self._sends_to: Store | None = None
        """The store, once it is known that no jobs run in place: asked for several times a call."""
        self._config: Config | None = None
        self._testing: InPlace | None = None
        self._eager: InPlace | None = None
        self._to_import: list[Callable[[], None]] = []
        self.conf = Settings(self._forget)

    def _forget(self) -> None:
        """Settings have changed, so what was decided from them is decided again."""
        self._config = None
        self._sends_to = None

    @property
    def config(self) -> Config:
        """Every knob, decided: constructor, ``conf``, ``PYQUEUE_*``, pyproject.toml, default."""
        if self._config is None:
            self._config = self.resolved().config
        return self._config

    def resolved(self) -> Resolved:
        """The config, with where each value is from."""
        return resolve(self._constructor, self.conf)

    @property
    def path(self) -> str:
        """The queue file. Raises ImproperlyConfigured where none was named."""
        db = self._constructor.get("db") or self.config.db
        if db is None:
            raise ImproperlyConfigured("no queue file is named: use PyQueue('jobs.db') or set PYQUEUE_DB")
        # From here on it stays, whatever becomes of the current directory.
        path: str = self._constructor.setdefault("db", os.path.abspath(db))
        return path

    def use(self, path: str | os.PathLike[str]) -> None:
        """Names the queue file. Raises ImproperlyConfigured once another one is in use."""
        path = os.path.abspath(os.fspath(path))
        if self._store is not None and path != self.path:
            raise ImproperlyConfigured(f"{self.path} is in use already")
        self._constructor["db"] = path
        self._forget()

    @property
    def in_place(self) -> InPlace | None:
        """Who runs jobs where they are made; None where workers do."""
        if self._testing is not None:
            return self._testing
        if not self.config.always_eager:
            return None
        # A process that was forked off has a file of its own.
        if self._eager is None or self._eager.pid != os.getpid():
            from pyqueue.worker.in_place import InPlace  # noqa: PLC0415  a door to the running layer

            self._eager = InPlace(cast("PyQueue", self), self.config.eager_propagates)
        self._eager.propagate = self.config.eager_propagates
        return self._eager

    def put_in_place(self, place: InPlace | None) -> InPlace | None:
        """From now on ``place`` runs the jobs; what it was before."""
        before, self._testing = self._testing, place
        self._sends_to = None
        return before

    @property
    def embed(self) -> bool:
        """Whether the file may hold the application's own tables."""
        return self.config.embed

    @property
    def durability(self) -> str:
        """``full`` or ``normal``."""
        return self.config.durability

    @property
    def visibility_timeout(self) -> float:
        """Seconds a worker that has stopped answering keeps its jobs."""
        return self.config.visibility_timeout

    @property
    def max_body(self) -> int:
        """The most bytes of a call and of a result."""
        return self.config.max_body

    def config_from_object(
        self, source: object, *, silent: bool = False, force: bool = False, namespace: str | None = None
    ) -> None:
        """Takes settings from a module, an object, a dict, or the name of one ("django.conf:settings").

        ``namespace`` "CELERY" reads ``CELERY_BROKER_URL`` and the like, and nothing else. It is read when a
        setting is first wanted, or at once with ``force``. ``silent`` passes over a module that is not there.
        """
        self.conf.load_later(lambda: _settings_of(source, namespace, silent))
        if force:
            _ = self.config

    def config_from_envvar(
        self, variable_name: str, *, silent: bool = False, force: bool = False, namespace: str | None = None
    ) -> None:
        """As ``config_from_object``, with the module that an environment variable names."""
        module = os.environ.get(variable_name)
        if module:
            self.config_from_object(module, silent=silent, force=force, namespace=namespace)
        elif not silent:
            raise ImproperlyConfigured(
                f"{variable_name} is not set; it should name the module with the settings"
            )

    def autodiscover_tasks(
        self, packages: Packages = None, related_name: str | None = "tasks", force: bool = False
    ) -> None:
        """A worker of this app imports ``package.tasks`` of each package; without packages, of Django's apps."""
        from pyqueue import loading  # noqa: PLC0415  it imports the app

        self._to_import.append(lambda: loading.discover(packages, related_name))
        if force:
            self.finalize()

    def finalize(self, auto: bool = False) -> None:  # noqa: ARG002  Celery's signature
        """Imports what ``include``, ``imports`` and ``autodiscover_tasks`` name. A worker does it at its start."""
        from pyqueue import loading  # noqa: PLC0415  it imports the app

        for name in (*self.conf.include, *self.conf.imports):
            loading.symbol(name)
        while self._to_import:
            self._to_import.pop(0)()

    def now(self) -> datetime:
        """The time in the zone of ``conf.timezone``."""
        from datetime import datetime  # noqa: PLC0415
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415

        zone = self.conf.timezone or "UTC"
        try:
            return datetime.now(ZoneInfo(zone) if isinstance(zone, str) else zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ImproperlyConfigured(
                f"there is no time zone {zone!r}; an example is Europe/Berlin"
            ) from None


def _settings_of(source: object, namespace: str | None, silent: bool) -> dict[str, Any]:
    if isinstance(source, str):
        from pyqueue import loading  # noqa: PLC0415  it imports the app

        try:
            source = loading.symbol(source)
        except ImportError:
            if silent:
                return {}
            raise
    names = list(source) if isinstance(source, Mapping) else [name for name in dir(source) if name[0] != "_"]
    if namespace:
        prefix = f"{namespace.rstrip('_')}_"
        names = [name for name in names if name.upper().startswith(prefix.upper())]
    found: dict[str, Any] = {}
    unknown = []
    for name in names:
        value = source[name] if isinstance(source, Mapping) else getattr(source, name)
        known = _known(name, namespace)
        if known is not None:
            found[known] = value
        elif namespace or isinstance(source, Mapping) or name.startswith(("CELERY", "BROKER_")):
            unknown.append(name)
            found[name] = value
    warn_of_unknown(unknown)
    return found


def _known(name: str, namespace: str | None) -> str | None:
    if not namespace:
        return name_of(name)
    short = name[len(namespace.rstrip("_")) + 1 :]
    return name_of(short.lower()) or name_of(name) or name_of(short)
