"""An app made and configured as Celery's are."""

from __future__ import annotations

import copy
import importlib
import sys
import threading
import types
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pyqueue import Celery, PyQueue
from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.settings import BY_NAME, SETTINGS, name_of


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delenv("PYQUEUE_DB", raising=False)


@pytest.mark.parametrize(
    ("broker", "file"),
    [("sqlite:///jobs.db", "jobs.db"), ("sqlite:////var/x/jobs.db", "/var/x/jobs.db"), ("a/b.db", "a/b.db")],
)
def test_the_broker_names_the_file(tmp_path: Path, broker: str, file: str) -> None:
    assert Celery("proj", broker=broker).path == str(tmp_path / file)
    app = Celery("proj")
    app.conf.broker_url = broker
    assert app.path == str(tmp_path / file)
    assert app.main == "proj"


def test_a_server_is_no_broker_and_its_password_is_not_shown() -> None:
    app = Celery("proj", broker="redis://:secret@localhost:6379/0")
    with pytest.raises(ImproperlyConfigured, match=r"broker redis://… is a server") as caught:
        _ = app.path
    assert "secret" not in str(caught.value)


def test_eager_tests_need_no_file_whatever_the_broker_is() -> None:
    app = Celery("proj")
    app.conf.update(broker_url="memory://", task_always_eager=True)
    double = app.task(lambda n: 2 * n)
    assert double.delay(4).get() == 8
    app.conf.task_always_eager = False
    with pytest.raises(ImproperlyConfigured, match=r"broker memory://… is a server"):
        double.delay(4)


def test_a_server_gives_way_to_a_file_named_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYQUEUE_DB", "env.db")
    app = Celery("proj", broker="amqp://guest@localhost")
    with pytest.warns(UserWarning, match="is not used: jobs are kept in env.db"):
        assert app.path == str(tmp_path / "env.db")


def test_a_backend_is_ignored_with_a_notice() -> None:
    with pytest.warns(UserWarning, match="backend redis has no effect"):
        Celery("proj", broker="jobs.db", backend="redis://localhost")


def test_conf_takes_both_spellings_by_attribute_item_and_update() -> None:
    conf = Celery("proj", broker="jobs.db").conf
    assert conf.task_always_eager is False
    conf["CELERY_ALWAYS_EAGER"] = True
    assert conf.task_always_eager is conf["task_always_eager"] is conf.CELERY_TASK_ALWAYS_EAGER is True
    conf.update({"CELERYD_CONCURRENCY": 3}, task_default_queue="mail")
    assert (conf.worker_concurrency, conf.CELERY_DEFAULT_QUEUE) == (3, "mail")
    conf.beat_schedule["nightly"] = {"task": "proj.clean"}
    assert conf.beat_schedule == {"nightly": {"task": "proj.clean"}}
    assert Celery("other", broker="o.db").conf.beat_schedule == {}
    assert dict(conf)["worker_concurrency"] == 3
    del conf["task_default_queue"]
    assert conf.task_default_queue == "default"


def test_unknown_settings_are_named_in_one_warning_and_kept() -> None:
    conf = Celery("proj", broker="jobs.db").conf
    with pytest.warns(UserWarning, match="unknown settings") as caught:
        conf.update(task_alway_eager=True, CELERY_TIME_ZONE="UTC", mine=1)
    assert len(caught) == 1
    said = str(caught[0].message)
    assert "task_alway_eager (near it: task_always_eager" in said
    assert "CELERY_TIME_ZONE (near it: timezone" in said
    assert "; mine" in said
    assert conf.mine == 1
    with pytest.raises(AttributeError, match="near it: task_always_eager"):
        _ = conf.task_allways_eager


def test_every_setting_has_an_effect_or_a_reason_and_no_name_is_there_twice() -> None:
    spellings = [name for each in SETTINGS for name in (each.name, each.old) if name is not None]
    assert len(spellings) == len(set(spellings))
    assert len(SETTINGS) >= 40
    for each in SETTINGS:
        assert name_of(each.name) == name_of("CELERY_" + each.name.upper()) == each.name
        assert each.because is None or each.because
    assert BY_NAME["broker_url"].because is None


def settings_module() -> types.ModuleType:
    module = types.ModuleType("proj_settings")
    vars(module).update(
        DEBUG=True,
        TIMEZONE="ignored",
        CELERY_BROKER_URL="sqlite:///conf.db",
        CELERY_TASK_ALWAYS_EAGER=False,
        CELERY_RESULT_EXPIRES=timedelta(hours=2),
        CELERY_TASK_TIME_LIMIT=60,
        CELERY_BEAT_SCHEDULE={"a": {}},
        CELERY_WORKER_CONCURRENCY=5,
    )
    return module


def test_a_namespace_is_read_from_a_module_and_nothing_else(tmp_path: Path) -> None:
    app = Celery("proj")
    app.config_from_object(settings_module(), namespace="CELERY")
    assert app.path == str(tmp_path / "conf.db")
    assert app.config.result_expires == 7_200
    assert (app.config.concurrency, app.config.time_limit) == (5, 60)
    assert app.conf.beat_schedule == {"a": {}}
    assert app.conf.timezone == "UTC"


def test_settings_come_from_a_name_a_class_an_old_module_or_a_dict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old_style.py").write_text(
        "import os\nBROKER_URL = 'old.db'\nCELERYD_CONCURRENCY = 2\nHELPER = 1\nclass Prod:\n  broker_url = 'prod.db'\n"
    )
    for source, name in (
        ("old_style", "old.db"),
        ("old_style:Prod", "prod.db"),
        ("old_style.Prod", "prod.db"),
    ):
        app = Celery("proj")
        app.config_from_object(source)
        assert app.path == str(tmp_path / name)
    app = PyQueue()
    app.config_from_object({"broker_url": "dict.db"})
    assert app.path == str(tmp_path / "dict.db")
    monkeypatch.setenv("SETTINGS_MODULE", "old_style")
    app = Celery("proj")
    app.config_from_envvar("SETTINGS_MODULE")
    assert app.conf.worker_concurrency == 2
    with pytest.raises(ImproperlyConfigured, match="NOT_SET is not set"):
        app.config_from_envvar("NOT_SET")


def test_settings_are_read_late_and_single_ones_go_before_them() -> None:
    app = Celery("proj", broker="jobs.db")
    app.config_from_object("no_such_settings")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_settings"):
            _ = app.conf.timezone
    app = Celery("proj", broker="jobs.db")
    app.config_from_object("no_such_settings", silent=True)
    app.conf.timezone = "Europe/Berlin"
    app.config_from_object({"timezone": "Asia/Tokyo", "worker_concurrency": 7})
    assert (app.conf.timezone, app.conf.worker_concurrency) == ("Europe/Berlin", 7)
    assert str(app.now().tzinfo) == "Europe/Berlin"
    app.conf.timezone = "Mars/Olympus"
    with pytest.raises(ImproperlyConfigured, match="no time zone 'Mars/Olympus'"):
        app.now()


def test_threads_wait_for_settings_that_are_being_read(tmp_path: Path) -> None:
    (tmp_path / "slow_settings.py").write_text(
        "import threading\nentered, go = threading.Event(), threading.Event()\n"
        "def wait():\n  entered.set()\n  assert go.wait(20)\n"
        "class Lazy:\n  @property\n  def task_default_queue(self):\n    wait()\n    return 'slow'\n"
        "lazy = Lazy()\n"
    )
    settings = importlib.import_module("slow_settings")
    app = Celery("proj", broker="jobs.db")
    app.config_from_object(settings.lazy)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(app.config.default_queue)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert settings.entered.wait(20)
    settings.go.set()
    for thread in threads:
        thread.join()
    assert found == ["slow"] * 3


def test_conf_can_be_copied() -> None:
    conf = Celery("proj", broker="jobs.db", worker_concurrency=2).conf
    assert dict(conf) == dict(conf.items())
    with pytest.raises((TypeError, AttributeError)):
        copy.deepcopy(conf)


@pytest.mark.parametrize("never", [None, 0])
def test_results_that_never_expire_are_kept_a_hundred_years(never: int | None) -> None:
    app = Celery("proj", broker="jobs.db", result_expires=never)
    assert app.config.result_expires == 3_153_600_000
    app.store.queues()


def test_a_wrong_value_names_its_setting() -> None:
    app = Celery("proj", broker="jobs.db")
    app.conf.worker_concurrency = "many"
    with pytest.raises(ImproperlyConfigured, match=r"app\.conf\.worker_concurrency is a whole number"):
        _ = app.config


def queue_and_priority(app: PyQueue, result: Any) -> tuple[str, int]:
    jobs = app.store.claim(app.store.join("test", 1, 30_000_000), 10)
    return next((job.queue, job.priority) for job in jobs if job.id == result.id)


def test_defaults_and_routes_are_below_the_task_and_the_call() -> None:
    app = Celery("proj", broker="jobs.db")

    @app.task(name="proj.mail.send")
    def send() -> None: ...

    @app.task(name="proj.own", queue="own", priority=3)
    def own() -> None: ...

    app.conf.update(
        task_default_queue="usual",
        task_default_priority=1,
        task_routes={"proj.mail.*": {"queue": "mail", "priority": 7}, "proj.own": "routed"},
    )
    assert queue_and_priority(app, send.delay()) == ("mail", 7)
    assert queue_and_priority(app, send.apply_async(queue="now")) == ("now", 7)
    assert queue_and_priority(app, own.delay()) == ("own", 3)
    assert queue_and_priority(app, app.send_task("proj.unknown")) == ("usual", 1)
    app.conf.task_routes = [("proj.mail.send", "pair")]
    assert queue_and_priority(app, send.delay()) == ("pair", 1)
    app.conf.task_routes = object()
    with pytest.raises(ImproperlyConfigured, match="task_routes is a table"):
        send.delay()


def test_nothing_is_said_about_a_correct_app() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        app = Celery("proj", broker="jobs.db", include=["json"], timezone="UTC", task_acks_late=True)
        app.finalize()
