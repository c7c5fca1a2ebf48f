"""``Celery(...)``: an app made the way Celery's is."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from pyqueue import absent, shared, task
from pyqueue.app import PyQueue
from pyqueue.config import file_of


class Celery(PyQueue):
    """``Celery("proj", broker="sqlite:///jobs.db", include=["proj.tasks"])``; everything else is PyQueue's.

    ``broker`` is ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or a path. A broker that is a server is
    used by nothing: then the file comes from PYQUEUE_DB or pyproject.toml. ``backend`` has no effect, since
    results are in the same file. ``strict_typing`` False lets calls go out whose arguments don't fit. ``settings``
    go to ``conf``.
    """

    Task: ClassVar[type[task.Task[..., Any]]] = task.Task
    """The class for ``base=``, as in ``class Mine(app.Task)``."""

    def __init__(
        self,
        main: str | None = None,
        *,
        broker: str | os.PathLike[str] | None = None,
        backend: str | None = None,
        include: Iterable[str] | None = None,
        config_source: object = None,
        namespace: str | None = None,
        strict_typing: bool = True,
        set_as_current: bool = True,  # noqa: ARG002  the newest app sends for shared tasks
        **settings: Any,
    ) -> None:
        broker = None if broker is None else os.fspath(broker)
        path = file_of(broker)
        super().__init__(path)
        self.main = main
        self.strict_typing = strict_typing
        if broker is not None and path is None:
            self.conf.broker_url = broker
        if backend is not None:
            warnings.warn(
                f"backend {backend.partition('://')[0]} has no effect: results are kept in the queue file",
                UserWarning,
                stacklevel=2,
            )
            self.conf.result_backend = backend
        if include is not None:
            self.conf.include = tuple(include)
        if settings:
            self.conf.update(settings)
        if config_source is not None:
            self.config_from_object(config_source, namespace=namespace)

    def set_current(self) -> None:
        """From now on shared tasks send through this app, not through the newest one."""
        shared.adopts(self)

    set_default = set_current

    if not TYPE_CHECKING:  # to a type checker a class with it has every attribute

        def __getattr__(self, name: str) -> Any:
            instead = absent.APP.get(name)
            hint = "" if instead is None else f": {instead}"
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")
