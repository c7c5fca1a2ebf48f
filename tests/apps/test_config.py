"""Which value counts where several places speak, and how it is shown."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pyqueue import Celery, PyQueue
from pyqueue.cli.main import main
from pyqueue.config import Config
from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.knobs import CHECKS, seconds


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in Config._fields:
        monkeypatch.delenv(f"PYQUEUE_{name.upper()}", raising=False)


def pyproject(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.pyqueue]\n{text}\n")


def test_constructor_then_conf_then_environment_then_pyproject_then_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(app: PyQueue) -> tuple[float, str]:
        return app.config.visibility_timeout, app.resolved().origins["visibility_timeout"]

    def grace(app: PyQueue) -> tuple[float, str]:
        return app.config.grace, app.resolved().origins["grace"]

    assert told(PyQueue()) == (30, "default")
    pyproject(tmp_path, "visibility_timeout = '2m'\ngrace = 3\nqueues = ['a', 'b']\nembed = true")
    assert told(PyQueue()) == (120, "[tool.pyqueue] visibility_timeout in pyproject.toml")
    assert PyQueue().config.queues == ("a", "b")
    assert PyQueue().embed is True
    assert PyQueue(embed=False).embed is False
    monkeypatch.setenv("PYQUEUE_VISIBILITY_TIMEOUT", "90")
    monkeypatch.setenv("PYQUEUE_GRACE", "500ms")
    assert told(PyQueue()) == (90, "PYQUEUE_VISIBILITY_TIMEOUT")
    assert told(PyQueue(visibility_timeout=7)) == (7, "constructor")
    app = Celery("proj", worker_soft_shutdown_timeout=9)
    assert grace(PyQueue()) == (0.5, "PYQUEUE_GRACE")
    assert grace(app) == (9, "app.conf.worker_soft_shutdown_timeout")


def test_the_config_is_frozen_and_decided_again_after_a_change() -> None:
    app = PyQueue("jobs.db")
    before = app.config
    assert app.config is before
    with pytest.raises(AttributeError):
        before.grace = 1  # type: ignore[misc]
    app.conf.task_time_limit = 5
    assert (before.time_limit, app.config.time_limit) == (None, 5)


def test_every_knob_is_checked() -> None:
    assert set(CHECKS) == set(Config._fields)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DURABILITY", "fast", "PYQUEUE_DURABILITY is full or normal, not 'fast'"),
        ("EMBED", "maybe", "true or false"),
        ("CONCURRENCY", "0", "a whole number from 1"),
        ("DEFAULT_PRIORITY", "128", "a whole number from -128 to 127"),
        ("DEFAULT_PRIORITY", "-129", "a whole number from -128 to 127"),
        ("GRACE", "-1", "a time above 0"),
        ("GRACE", "5 parsecs", "a time above 0"),
        ("QUEUES", " , ", "at least one name"),
    ],
)
def test_a_wrong_value_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"PYQUEUE_{name}", value)
    with pytest.raises(ImproperlyConfigured, match=message):
        _ = PyQueue().config


def test_an_unknown_key_of_pyproject_is_refused(tmp_path: Path) -> None:
    pyproject(tmp_path, "concurency = 2")
    with pytest.raises(ImproperlyConfigured, match="does not know concurency; there are: app, db"):
        _ = PyQueue().config


@pytest.mark.parametrize(
    ("text", "length"),
    [(5, 5), (0.25, 0.25), ("5", 5), ("500ms", 0.5), ("30s", 30), ("5m", 300), ("1h", 3600), ("7d", 604800)],
)
def test_times_are_written_with_their_unit(text: object, length: float) -> None:
    assert seconds(text) == length


def test_the_command_shows_values_origins_and_what_has_no_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conf_app.py").write_text(
        "from pyqueue import Celery\n"
        "app = Celery('proj', broker='jobs.db', worker_concurrency=3, worker_lost_wait=1)\n"
    )
    monkeypatch.setenv("PYQUEUE_GRACE", "5")
    assert main(["config", "-A", "conf_app.py", "--show-origin"]) == 0
    said = capsys.readouterr().out
    lines = {line.split()[0]: line for line in said.splitlines()}
    assert lines["concurrency"].split(maxsplit=2)[1:] == ["3", "(app.conf.worker_concurrency)"]
    assert lines["grace"].split()[1:] == ["5", "(PYQUEUE_GRACE)"]
    assert lines["durability"].split()[1:] == ["full", "(default)"]
    assert lines["worker_lost_wait"].endswith("the kernel tells of it at once")
    assert main(["config", "-A", "conf_app.py", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == 1
    assert answer["config"]["db"] == {"value": str(tmp_path / "jobs.db"), "origin": "constructor"}
    assert set(answer["no_effect"]) == {"worker_lost_wait"}


def test_the_command_works_without_an_app(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYQUEUE_DB", "/tmp/x.db")
    assert main(["config"]) == 0
    said = capsys.readouterr().out
    assert "/tmp/x.db" in said
    assert "PYQUEUE_DB" not in said
