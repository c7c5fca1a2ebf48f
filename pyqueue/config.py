"""What the app and its workers go by: constructor, then app.conf, environment, pyproject.toml, default."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.knobs import CHECKS
from pyqueue.serialization import MAX_BODY

if TYPE_CHECKING:
    from pyqueue.settings import Settings


class Config(NamedTuple):
    """Every knob, decided. Each is also ``PYQUEUE_<NAME>`` and a key of ``[tool.pyqueue]``. Times are seconds."""

    app: str | None = None
    """Where the app is: module:app or file.py; read by the commands."""
    db: str | None = None
    """The queue file."""
    embed: bool = False
    """Whether the file may hold the application's own tables."""
    durability: str = "full"
    """full: an acknowledged job survives power loss; normal: the death of any process."""
    visibility_timeout: float = 30.0
    """How long a worker that has stopped answering keeps its jobs."""
    max_body: int = MAX_BODY
    """The most bytes of a call and of a result."""
    max_db_bytes: int | None = None
    """The most bytes that the file may hold while new jobs are taken in; None is as much as the disk has."""
    result_expires: float = 86_400.0
    """How long successes are kept."""
    history_count: int = 100_000
    """How many successes are kept."""
    failure_expires: float = 2_592_000.0
    """How long failed and dead jobs are kept."""
    default_queue: str = "default"
    default_priority: int = 0
    ignore_result: bool = False
    time_limit: float | None = None
    soft_time_limit: float | None = None
    always_eager: bool = False
    """Whether jobs run in the caller."""
    eager_propagates: bool = False
    concurrency: int | None = None
    """Children of a worker; None is one for each processor it may use."""
    queues: tuple[str, ...] | None = None
    """What a worker works on; None is every queue."""
    pool: str = "prefork"
    autoscale: tuple[int, int] | None = None
    """The most and the least children, if their number follows the load."""
    prefetch: int | None = None
    """Jobs that a slot is given at once; None and 0 leave it to the worker."""
    max_tasks_per_child: int | None = None
    """A child is replaced after so many jobs; None is never."""
    max_memory_per_child: int | None = None
    """Bytes beyond which a child is replaced between jobs; None is its share of the memory, 0 is never."""
    memory_limit: int | None = None
    """Bytes beyond which a child is killed; None is nine tenths of the memory, 0 is never."""
    grace: float = 25.0
    """How long a stopping worker lets jobs finish."""
    loglevel: str = "info"
    log_bytes: int = 65_536
    """The most bytes that are kept with a job of what an attempt logs; 0 keeps none."""
    start_timeout: float = 60.0
    """How long a child may take to load the app."""
    schedule_version: int = 0
    """Of the schedules in the code: workers with a lower one leave the file's as they are."""
    stall_timeout: float = 30.0
    """After this time a worker that stands still, or leaves due jobs where they are, starts anew; 0 is never."""


class Resolved(NamedTuple):
    """The config, and where each value is from."""

    config: Config
    origins: dict[str, str]


FROM_SETTINGS: Final = {
    "db": "broker_url",
    "result_expires": "result_expires",
    "default_queue": "task_default_queue",
    "default_priority": "task_default_priority",
    "ignore_result": "task_ignore_result",
    "time_limit": "task_time_limit",
    "soft_time_limit": "task_soft_time_limit",
    "always_eager": "task_always_eager",
    "eager_propagates": "task_eager_propagates",
    "concurrency": "worker_concurrency",
    "pool": "worker_pool",
    "prefetch": "worker_prefetch_multiplier",
    "max_tasks_per_child": "worker_max_tasks_per_child",
    "max_memory_per_child": "worker_max_memory_per_child",
    "grace": "worker_soft_shutdown_timeout",
    "start_timeout": "worker_proc_alive_timeout",
}


def checked(name: str, value: Any, origin: str) -> Any:
    """The value as its knob wants it. Raises ImproperlyConfigured, naming where it is from."""
    try:
        return CHECKS[name](value)
    except ValueError as error:
        from pyqueue.redaction import masked  # noqa: PLC0415

        raise ImproperlyConfigured(f"{origin} is {error}, not {masked(value)!r:.80}") from None


def resolve(constructor: Mapping[str, Any], settings: Settings | None = None) -> Resolved:
    """Decides every knob. ``constructor`` holds what was given there, checked already."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    pyproject = tool_table()
    unusable: str | None = None
    for name in Config._fields:
        given, origin = _given(name, constructor, settings, pyproject)
        if name == "db" and origin.startswith("app.conf") and (path := file_of(given)) != given:
            # A setting kept from Celery may name a server; the file may be named elsewhere.
            if path is None:
                unusable = str(given)
                given, origin = _given(name, constructor, None, pyproject)
            else:
                given = path
        origins[name] = origin
        if given is not None:
            values[name] = given if origin == "constructor" else checked(name, given, origin)
    # Jobs that run in the caller are on a file of their own.
    if unusable is not None and not values.get("always_eager"):
        _say_unusable(unusable, values.get("db"))
    return Resolved(Config(**values), origins)


def _given(
    name: str, constructor: Mapping[str, Any], settings: Settings | None, pyproject: Mapping[str, Any]
) -> tuple[Any, str]:
    if constructor.get(name) is not None:
        return constructor[name], "constructor"
    setting = FROM_SETTINGS.get(name)
    if settings is not None and setting is not None:
        value = settings.given(setting)
        if value is None and name == "result_expires" and settings.given(setting, 0) is None:
            value = 0  # Celery keeps results for ever where result_expires is None
        if value == 1 and name == "prefetch":
            value = 0  # what is asked for by it, that no job waits behind a busy slot, is so by itself
        if value is not None:
            return value, f"app.conf.{setting}"
    variable = f"PYQUEUE_{name.upper()}"
    if os.environ.get(variable):
        return os.environ[variable], variable
    if name in pyproject:
        return pyproject[name], f"[tool.pyqueue] {name} in pyproject.toml"
    return None, "default"


def file_of(broker: Any) -> str | None:
    """The file that a broker's URL or path names; None for a server."""
    if not isinstance(broker, str):
        return None
    scheme, found, rest = broker.partition("://")
    if not found:
        return broker
    return rest.removeprefix("/") if scheme == "sqlite" and len(rest) > 1 and rest[0] == "/" else None


def _say_unusable(broker: str, path: str | None) -> None:
    # Up to the scheme only: the rest may hold a password.
    shown = f"broker {broker.partition('://')[0]}://…"
    if path is None:
        raise ImproperlyConfigured(
            f"{shown} is a server, and jobs are kept in one file: say broker='sqlite:///jobs.db' or set PYQUEUE_DB"
        )
    warnings.warn(f"{shown} is not used: jobs are kept in {path}", UserWarning, stacklevel=5)


def tool_table() -> dict[str, Any]:
    """``[tool.pyqueue]`` of this directory's pyproject.toml. Raises ImproperlyConfigured if it can't be read."""
    try:
        file = open("pyproject.toml", "rb")  # noqa: SIM115
    except OSError:
        return {}
    # Imported here, since most processes find no such file and the parser takes 3 ms to load.
    import tomllib  # noqa: PLC0415

    with file:
        try:
            table = tomllib.load(file).get("tool", {}).get("pyqueue", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError) as error:
            raise ImproperlyConfigured(f"pyproject.toml can't be read: {error}") from None
    if not isinstance(table, dict):
        raise ImproperlyConfigured("[tool.pyqueue] in pyproject.toml must be a table")
    unknown = sorted(set(table) - set(Config._fields))
    if unknown:
        raise ImproperlyConfigured(
            f"[tool.pyqueue] in pyproject.toml does not know {', '.join(unknown)}; "
            f"there are: {', '.join(Config._fields)}"
        )
    return table
