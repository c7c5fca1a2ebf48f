"""Celery's settings by both of their names, what each does here, and ``app.conf``, which holds them."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final, NamedTuple


class Setting(NamedTuple):
    """A setting of Celery. One with ``because`` is accepted and has no effect."""

    name: str
    old: str | None
    """The name it had before Celery 4; ``CELERY_`` and the name in capitals is understood as well."""
    default: Any
    unit: str
    meaning: str
    because: str | None = None

    @property
    def missed(self) -> bool:
        """Whether what it asks for is not there yet: not one that has nothing to say here."""
        return self.because == _NOT_YET


def _table(*rows: tuple[Any, ...]) -> tuple[Setting, ...]:
    return tuple(Setting(*row) for row in rows)


_FILE = "jobs, results and schedules are in one file, and nothing is connected to"
_JSON = "messages and results are JSON"
_ALWAYS = "it is always so"
_NOT_YET = "it is not there yet"

# fmt: off
SETTINGS: Final = _table(
    ("broker_url", "BROKER_URL", None, "file", "the queue file: sqlite:///jobs.db, sqlite:////absolute/jobs.db or a path"),
    ("task_always_eager", "CELERY_ALWAYS_EAGER", False, "flag", "jobs run in the caller, on a temporary file"),
    ("task_eager_propagates", "CELERY_EAGER_PROPAGATES_EXCEPTIONS", False, "flag", "a job that is run in the caller raises there"),
    ("beat_schedule", "CELERYBEAT_SCHEDULE", {}, "table", "schedules by name"),
    ("timezone", "CELERY_TIMEZONE", "UTC", "zone", "the zone of app.now() and of schedules"),
    ("task_routes", "CELERY_ROUTES", None, "table", "queue and priority by task name or pattern"),
    ("task_default_queue", "CELERY_DEFAULT_QUEUE", "default", "queue", "the queue of a call that names none"),
    ("task_default_priority", "CELERY_DEFAULT_PRIORITY", 0, "number", "the priority of a call that names none; higher runs first"),
    ("task_ignore_result", "CELERY_IGNORE_RESULT", False, "flag", "results are not kept unless a task says so"),
    ("task_time_limit", "CELERYD_TASK_TIME_LIMIT", None, "seconds", "the child is killed after this time"),
    ("task_soft_time_limit", "CELERYD_TASK_SOFT_TIME_LIMIT", None, "seconds", "SoftTimeLimitExceeded is raised after this time"),
    ("result_expires", "CELERY_TASK_RESULT_EXPIRES", 86_400, "seconds", "how long successes are kept"),
    ("worker_concurrency", "CELERYD_CONCURRENCY", None, "number", "children of a worker; None is one for each processor it may use"),
    ("worker_pool", "CELERYD_POOL", "prefork", "pool", "prefork, solo, threads or asyncio"),
    ("worker_autoscaler", "CELERYD_AUTOSCALER", None, "class", "who decides of --autoscale", "the core decides, by the waiting time of the oldest job and by free memory"),
    ("worker_prefetch_multiplier", "CELERYD_PREFETCH_MULTIPLIER", None, "number", "jobs that a slot is given at once, if 2 or more; else the worker sees to it that none waits behind a busy slot"),
    ("worker_max_tasks_per_child", "CELERYD_MAX_TASKS_PER_CHILD", None, "number", "a child is replaced after so many jobs"),
    ("worker_max_memory_per_child", "CELERYD_MAX_MEMORY_PER_CHILD", None, "KiB", "a child is replaced beyond; None is its share of the memory"),
    ("worker_soft_shutdown_timeout", "CELERYD_SOFT_SHUTDOWN_TIMEOUT", 25, "seconds", "how long a stopping worker lets jobs finish"),
    ("worker_proc_alive_timeout", "CELERYD_PROC_ALIVE_TIMEOUT", 60, "seconds", "how long a child may take to start"),
    ("include", "CELERY_INCLUDE", (), "modules", "modules a worker imports"),
    ("imports", "CELERY_IMPORTS", (), "modules", "modules a worker imports"),

    ("result_backend", "CELERY_RESULT_BACKEND", None, "url", "where results are", _FILE),
    ("broker_transport_options", "BROKER_TRANSPORT_OPTIONS", {}, "table", "options of the broker", _FILE),
    ("result_backend_transport_options", None, {}, "table", "options of the backend", _FILE),
    ("broker_connection_retry", "BROKER_CONNECTION_RETRY", True, "flag", "connect again", _FILE),
    ("broker_connection_retry_on_startup", None, None, "flag", "connect again at the start", _FILE),
    ("broker_connection_max_retries", "BROKER_CONNECTION_MAX_RETRIES", 100, "number", "how often to connect again", _FILE),
    ("broker_connection_timeout", "BROKER_CONNECTION_TIMEOUT", 4, "seconds", "how long to connect", _FILE),
    ("broker_heartbeat", "BROKER_HEARTBEAT", 120, "seconds", "heartbeat of the connection", _FILE),
    ("broker_pool_limit", "BROKER_POOL_LIMIT", 10, "number", "connections", _FILE),
    ("broker_use_ssl", "BROKER_USE_SSL", False, "flag", "encrypted connection", _FILE),
    ("redis_backend_use_ssl", "CELERY_REDIS_BACKEND_USE_SSL", None, "table", "encrypted connection", _FILE),
    ("redis_max_connections", "CELERY_REDIS_MAX_CONNECTIONS", None, "number", "connections", _FILE),
    ("redis_socket_timeout", "CELERY_REDIS_SOCKET_TIMEOUT", 120, "seconds", "how long to wait for Redis", _FILE),
    ("redis_socket_connect_timeout", None, None, "seconds", "how long to connect", _FILE),
    ("redis_socket_keepalive", None, False, "flag", "keep the connection alive", _FILE),
    ("redis_retry_on_timeout", None, False, "flag", "ask again", _FILE),
    ("result_backend_always_retry", None, False, "flag", "ask again", _FILE),
    ("result_backend_max_retries", None, None, "number", "how often to ask again", _FILE),
    ("broker_read_url", "BROKER_READ_URL", None, "url", "where jobs are read", _FILE),
    ("broker_write_url", "BROKER_WRITE_URL", None, "url", "where jobs are written", _FILE),
    ("broker_failover_strategy", "BROKER_FAILOVER_STRATEGY", None, "name", "which broker is next", _FILE),
    ("broker_channel_error_retry", None, False, "flag", "connect again", _FILE),
    ("database_engine_options", "CELERY_RESULT_ENGINE_OPTIONS", None, "table", "options of the backend", _FILE),
    ("result_persistent", "CELERY_RESULT_PERSISTENT", None, "flag", "results survive a restart", _ALWAYS),
    ("result_extended", "CELERY_RESULT_EXTENDED", False, "flag", "results know their call", _ALWAYS),
    ("result_serializer", "CELERY_RESULT_SERIALIZER", "json", "format", "format of results", _JSON),
    ("task_serializer", "CELERY_TASK_SERIALIZER", "json", "format", "format of messages", _JSON),
    ("accept_content", "CELERY_ACCEPT_CONTENT", ("json",), "formats", "formats that are read", _JSON),
    ("result_accept_content", None, None, "formats", "formats that are read", _JSON),
    ("task_compression", "CELERY_MESSAGE_COMPRESSION", None, "format", "compression of messages", _NOT_YET),
    ("result_compression", "CELERY_RESULT_COMPRESSION", None, "format", "compression of results", _NOT_YET),
    ("enable_utc", "CELERY_ENABLE_UTC", True, "flag", "times are kept in UTC", _ALWAYS),
    ("task_acks_late", "CELERY_ACKS_LATE", False, "flag", "a job is acked when it has ended", _ALWAYS),
    ("task_reject_on_worker_lost", "CELERY_REJECT_ON_WORKER_LOST", None, "flag", "a lost job is run again", _ALWAYS),
    ("task_acks_on_failure_or_timeout", "CELERY_ACKS_ON_FAILURE_OR_TIMEOUT", True, "flag", "a job that failed has ended", _ALWAYS),
    ("task_track_started", "CELERY_TRACK_STARTED", False, "flag", "STARTED is shown", _ALWAYS),
    ("task_store_errors_even_if_ignored", "CELERY_STORE_ERRORS_EVEN_IF_IGNORED", False, "flag", "errors are kept", _ALWAYS),
    ("task_store_eager_result", "CELERY_STORE_EAGER_RESULT", False, "flag", "results of jobs run in the caller are kept", _ALWAYS),
    ("task_create_missing_queues", "CELERY_CREATE_MISSING_QUEUES", True, "flag", "a queue is made by its first job", _ALWAYS),
    ("task_queues", "CELERY_QUEUES", None, "queues", "the queues", "a queue is made by its first job; worker -Q says which are worked"),
    ("task_default_exchange", "CELERY_DEFAULT_EXCHANGE", None, "name", "exchange", "there are no exchanges, only queues"),
    ("task_default_exchange_type", "CELERY_DEFAULT_EXCHANGE_TYPE", "direct", "name", "exchange", "there are no exchanges, only queues"),
    ("task_default_routing_key", "CELERY_DEFAULT_ROUTING_KEY", None, "name", "routing key", "there are no exchanges, only queues"),
    ("task_queue_max_priority", "CELERY_QUEUE_MAX_PRIORITY", None, "number", "highest priority", "every queue has the priorities -128 to 127"),
    ("task_annotations", "CELERY_ANNOTATIONS", None, "table", "options by task name", _NOT_YET),
    ("task_default_rate_limit", "CELERY_DEFAULT_RATE_LIMIT", None, "rate", "rate of each task", _NOT_YET),
    ("task_publish_retry", "CELERY_TASK_PUBLISH_RETRY", True, "flag", "send again", _FILE),
    ("task_publish_retry_policy", "CELERY_TASK_PUBLISH_RETRY_POLICY", None, "table", "how to send again", _FILE),
    ("task_protocol", "CELERY_TASK_PROTOCOL", 2, "number", "form of messages", _JSON),
    ("task_remote_tracebacks", "CELERY_REMOTE_TRACEBACKS", False, "flag", "tracebacks are kept as text", _ALWAYS),
    ("task_default_delivery_mode", "CELERY_DEFAULT_DELIVERY_MODE", 2, "name", "messages survive a restart", _ALWAYS),
    ("task_inherit_parent_priority", "CELERY_INHERIT_PARENT_PRIORITY", False, "flag", "a job has the priority of the one that made it", _NOT_YET),
    ("task_send_sent_event", "CELERY_SEND_TASK_SENT_EVENT", False, "flag", "events", "events are written while somebody follows them; see pyqueue events"),
    ("worker_send_task_events", "CELERY_SEND_EVENTS", False, "flag", "events", "events are written while somebody follows them; see pyqueue events"),
    ("worker_disable_rate_limits", "CELERY_DISABLE_RATE_LIMITS", False, "flag", "no rates", _NOT_YET),
    ("worker_enable_remote_control", "CELERY_ENABLE_REMOTE_CONTROL", True, "flag", "whether a worker obeys commands"),
    ("worker_hijack_root_logger", "CELERYD_HIJACK_ROOT_LOGGER", True, "flag", "set up logging", "logging that is set up is left alone"),
    ("worker_redirect_stdouts", "CELERY_REDIRECT_STDOUTS", True, "flag", "print goes to the log", "what a task prints is left alone; log_prints=True keeps it with its job"),
    ("worker_log_format", "CELERYD_LOG_FORMAT", None, "format", "log lines", "set up logging yourself, or use --json-logs"),
    ("worker_task_log_format", "CELERYD_TASK_LOG_FORMAT", None, "format", "log lines", "set up logging yourself, or use --json-logs"),
    ("worker_log_color", "CELERYD_LOG_COLOR", None, "flag", "coloured log lines", "set up logging yourself, or use --json-logs"),
    ("worker_redirect_stdouts_level", "CELERY_REDIRECT_STDOUTS_LEVEL", "WARNING", "level", "level of prints", "what a task prints is left alone"),
    ("worker_lost_wait", "CELERYD_WORKER_LOST_WAIT", 10.0, "seconds", "how long a lost child is waited for", "the kernel tells of it at once"),
    ("worker_pool_restarts", "CELERYD_POOL_RESTARTS", False, "flag", "restart by command", "pool_restart is always obeyed"),
    ("worker_state_db", "CELERYD_STATE_DB", None, "file", "revoked ids", _FILE),
    ("worker_eta_task_limit", "CELERYD_ETA_TASK_LIMIT", None, "number", "delayed jobs held by a worker", "delayed jobs wait in the file"),
    ("worker_cancel_long_running_tasks_on_connection_loss", "CELERYD_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS", False, "flag", "cancel jobs", _FILE),
    ("beat_scheduler", "CELERYBEAT_SCHEDULER", None, "class", "who keeps schedules", "the file keeps them, and any worker fires them"),
    ("beat_schedule_filename", "CELERYBEAT_SCHEDULE_FILENAME", None, "file", "where schedules are", _FILE),
    ("beat_max_loop_interval", "CELERYBEAT_MAX_LOOP_INTERVAL", 0, "seconds", "how long beat sleeps", "it is woken when a schedule is changed"),
    ("beat_sync_every", "CELERYBEAT_SYNC_EVERY", 0, "number", "how often schedules are saved", _ALWAYS),
    ("beat_cron_starting_deadline", "CELERYBEAT_CRON_STARTING_DEADLINE", None, "seconds", "a time that could not be fired for so long is left out"),
)
# fmt: on

BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
_OLD: Final = {setting.old: setting.name for setting in SETTINGS if setting.old is not None}


def name_of(given: str) -> str | None:
    """The setting that any spelling names, or None."""
    if given in BY_NAME:
        return given
    short = given.removeprefix("CELERY_").lower()
    return _OLD.get(given) or (short if given.isupper() and short in BY_NAME else None)


def warn_of_unknown(unknown: Iterable[str]) -> None:
    """One warning for all of them, each with the names near it."""
    said = "; ".join(_with_near(name) for name in sorted(unknown))
    if said:
        warnings.warn(f"unknown settings, kept and not used: {said}", UserWarning, stacklevel=4)


def _with_near(name: str) -> str:
    near = near_names(name)
    return f"{name} (near it: {', '.join(near)})" if near else name


def near_names(name: str) -> list[str]:
    """Settings that are written alike."""
    import difflib  # noqa: PLC0415

    return difflib.get_close_matches(name.removeprefix("CELERY_").lower(), BY_NAME, n=2, cutoff=0.75)


class Settings(MutableMapping[str, Any]):
    """``app.conf``: settings by attribute or item, in either spelling. An unknown one is kept and warned of."""

    _set: dict[str, Any]
    _loaded: dict[str, Any]
    _sources: list[Callable[[], Mapping[str, Any]]]
    _changed: Callable[[], None]
    _lock: threading.RLock
    _reading: bool

    def __init__(self, changed: Callable[[], None]) -> None:
        put = object.__setattr__
        put(self, "_set", {})
        put(self, "_loaded", {})
        put(self, "_sources", [])
        put(self, "_changed", changed)
        put(self, "_lock", threading.RLock())
        put(self, "_reading", False)

    def load_later(self, source: Callable[[], Mapping[str, Any]]) -> None:
        """Reads ``source`` when a setting is first wanted. What is set one by one goes before it."""
        self._sources.append(source)
        self._changed()

    def given(self, name: str, otherwise: Any = None) -> Any:
        """The value that was given, or ``otherwise``."""
        self._read()
        return self._set.get(name, self._loaded.get(name, otherwise))

    def names_given(self) -> list[str]:
        """The settings that were given, under their new names."""
        self._read()
        return list({**self._loaded, **self._set})

    def update(self, *given: Any, **more: Any) -> None:
        """Sets several at once; one warning names all that are unknown."""
        every = {**dict(*given), **more}
        warn_of_unknown(name for name in every if name_of(name) is None)
        self._set.update((name_of(name) or name, value) for name, value in every.items())
        self._changed()

    def _read(self) -> None:
        if not self._sources:
            return
        # Another thread must not see the defaults while this one imports the settings' module.
        with self._lock:
            if self._reading:
                return  # that module asks for a setting itself
            object.__setattr__(self, "_reading", True)
            try:
                while self._sources:
                    self._loaded.update(self._sources[0]())
                    self._sources.pop(0)
            finally:
                object.__setattr__(self, "_reading", False)
            self._changed()

    def __getitem__(self, name: str) -> Any:
        self._read()
        known = name_of(name) or name
        for values in (self._set, self._loaded):
            if known in values:
                return values[known]
        if known not in BY_NAME:
            raise KeyError(name)
        default = BY_NAME[known].default
        # A table may be filled in place: conf.beat_schedule["x"] = …
        return self._set.setdefault(known, {}) if default == {} else default

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def __delitem__(self, name: str) -> None:
        self._read()
        del self._set[name_of(name) or name]
        self._changed()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)  # copying and pickling ask for such before anything is there
        try:
            return self[name]
        except KeyError:
            near = near_names(name)
            hint = f"; near it: {', '.join(near)}" if near else ""
            raise AttributeError(f"there is no setting {name}{hint}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def __iter__(self) -> Iterator[str]:
        self._read()
        return iter({**BY_NAME, **self._loaded, **self._set})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<Settings: {', '.join(self.names_given()) or 'all by default'}>"
