from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from pyqueue import loading
from pyqueue.exceptions import ImproperlyConfigured

Project = Any
APP = "from pyqueue import PyQueue\napp = PyQueue('jobs.db')\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("PYQUEUE_APP", raising=False)


def test_a_file_and_a_module_give_the_same_app(tmp_path: Path, project: Project) -> None:
    module = project(APP)
    by_file = loading.find(str(module.file))
    by_module = loading.find(f"{module.stem}:app")
    assert by_file.app is by_module.app
    assert by_file.target == f"{module.file}:app"
    assert loading.load(by_file.target).app is by_file.app


def test_the_order_is_flag_environment_pyproject_usual_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: Project
) -> None:
    flag, environment, pyproject = (project(APP) for _ in range(3))
    (tmp_path / "pyproject.toml").write_text(f"[tool.pyqueue]\napp = '{pyproject.stem}:app'\n")
    assert loading.find(None).target == f"{pyproject.stem}:app"
    monkeypatch.setenv("PYQUEUE_APP", environment.stem)
    assert loading.find(None).target == f"{environment.stem}:app"
    assert loading.find(flag.stem).target == f"{flag.stem}:app"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n", "has no app"),
        (APP + "other = PyQueue('b.db')\n", r"several apps \(app, other\)"),
    ],
)
def test_a_module_needs_one_app(tmp_path: Path, source: str, message: str, project: Project) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        loading.find(str(project(source).file))


def test_two_names_of_one_app_are_one_app(tmp_path: Path, project: Project) -> None:
    loading.find(str(project(APP + "celery = app\n").file))


def test_the_name_after_the_colon_must_be_an_app(tmp_path: Path, project: Project) -> None:
    module = project(APP + "x = 5\n")
    with pytest.raises(ImproperlyConfigured, match=r"x in .* is a int, not a PyQueue"):
        loading.find(f"{module.stem}:x")
    with pytest.raises(ImproperlyConfigured, match=r"y in .* does not exist"):
        loading.find(f"{module.stem}:y")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nothing.py", "there is no file"),
        ("no_such_module:app", "no module no_such_module"),
        ("no.such.module", "no module no"),
        ("what is this", "neither"),
        ("../up", "neither"),
    ],
)
def test_a_target_that_is_not_there_is_one_sentence(target: str, message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message) as caught:
        loading.find(target)
    assert "\n" not in str(caught.value)


def test_without_anything_it_says_what_to_do() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"-A module:app"):
        loading.find(None)


def test_an_import_error_inside_the_module_is_the_users_own(tmp_path: Path, project: Project) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        loading.find(str(project("import no_such_library\n").file))


def test_a_file_named_like_a_loaded_module_is_refused(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text(APP)
    with pytest.raises(ImproperlyConfigured, match="rename the file"):
        loading.find("json.py")


@pytest.mark.parametrize("text", ["[tool.pyqueue\n", "[tool.pyqueue]\napp = 5\n"])
def test_a_damaged_pyproject_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ImproperlyConfigured, match=r"pyproject\.toml"):
        loading.find(None)


def test_code_that_sends_or_waits_while_being_loaded_is_refused(tmp_path: Path, project: Project) -> None:
    sends = APP + "app.send_task('x')\n"
    waits = APP + "app.AsyncResult('x').get()\n"
    for source in (sends, waits):
        with pytest.raises(RuntimeError, match="__name__ == '__main__'"):
            loading.find(str(project(source).file))
