"""Tasks written where no app is at hand, and modules found by the worker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue import Celery, loading, shared
from pyqueue.exceptions import ImproperlyConfigured, NotRegistered

MAIL = """
from celery_app import app as _
from pyqueue import shared_task
@shared_task
def send(to): return f"sent to {to}"
@shared_task(bind=True, queue="bulk", max_retries=1)
def bulk(self, n): return [self.name, n, self.request.queue]
"""
APP = """
from pyqueue import Celery
app = Celery("proj", broker="sqlite:///jobs.db")
app.autodiscover_tasks(["mail", "empty"])
"""


@pytest.fixture
def proj(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of packages, without any import of its tasks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for package, tasks in (("mail", MAIL), ("empty", None)):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        if tasks is not None:
            (tmp_path / package / "tasks.py").write_text(tasks)
    (tmp_path / "celery_app.py").write_text(APP)
    return tmp_path


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=folder, capture_output=True, text=True, timeout=30
    )


def test_a_worker_finds_the_tasks_and_a_web_process_sends_them(
    proj: Path, worker: Callable[..., Any]
) -> None:
    handle = worker("-A", "celery_app", "-c", "1")
    assert b"2 tasks" in handle.said
    made = run(
        proj,
        "from mail.tasks import send, bulk\n"
        "print(send.delay('you').get(timeout=10), bulk.delay(3).get(timeout=10))",
    )
    assert made.stdout == "sent to you ['mail.tasks.bulk', 3, 'bulk']\n", made.stderr


def test_nothing_is_imported_before_it_is_wanted(proj: Path) -> None:
    made = run(
        proj,
        "import sys\nfrom celery_app import app\nprint('mail' in sys.modules, len(app.tasks))\n"
        "app.finalize()\nprint('mail.tasks' in sys.modules, sorted(app.tasks))",
    )
    assert made.stdout == "False 0\nTrue ['mail.tasks.bulk', 'mail.tasks.send']\n", made.stderr


def test_an_error_inside_a_found_module_is_the_users_own(proj: Path) -> None:
    (proj / "empty" / "tasks.py").write_text("import no_such_library\n")
    made = run(proj, "from celery_app import app\napp.finalize()")
    assert "No module named 'no_such_library'" in made.stderr


def test_without_packages_it_says_what_it_needs(proj: Path) -> None:
    (proj / "celery_app.py").write_text(APP.replace('["mail", "empty"]', ""))
    made = run(proj, "from celery_app import app\napp.finalize()")
    assert made.stderr.rstrip().endswith("name them, or set DJANGO_SETTINGS_MODULE")


def test_before_any_app_it_is_one_clear_sentence(tmp_path: Path) -> None:
    made = run(
        tmp_path,
        "from pyqueue import shared_task\n@shared_task\ndef f(): return 1\nprint(f())\nf.delay()",
    )
    assert made.stdout == "1\n"
    assert "has no app to send through yet: make one first" in made.stderr.splitlines()[-1]


def test_every_app_adopts_it_and_the_newest_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "declared", [])

    first = Celery("first", broker=str(tmp_path / "first.db"))

    @shared.shared_task(name="both.f")
    def f() -> None: ...

    second = Celery("second", broker=str(tmp_path / "second.db"))
    assert "both.f" in first.tasks
    assert "both.f" in second.tasks
    result = f.delay()
    assert (second.AsyncResult(result.id).state, first.AsyncResult(result.id).state) == ("PENDING", "UNKNOWN")

    first.set_current()
    assert first.AsyncResult(f.delay().id).state == "PENDING"

    with pytest.raises(NotRegistered):
        first.tasks["both.g"]


def test_two_functions_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "declared", [])
    app = Celery("app", broker=str(tmp_path / "jobs.db"))

    @app.task(name="same")
    def f() -> None: ...

    @shared.shared_task(name="same")
    def g() -> None: ...

    with pytest.raises(ImproperlyConfigured, match="two functions are named same"):
        len(app.tasks)


def test_a_package_is_searched_for_its_celery_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "celery.py").write_text(
        "from pyqueue import Celery\napp = Celery('shop', broker='j.db')\n"
    )
    assert loading.find("shop").target == "shop.celery:app"


def test_a_base_class_and_options_are_taken_as_by_an_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "declared", [])
    app = Celery("app", broker=str(tmp_path / "jobs.db"), task_default_queue="usual")

    class Own(app.Task):
        queue = "of the class"

    @shared.shared_task(base=Own, name="own")
    def own() -> None: ...

    @shared.shared_task(name="plain")
    def plain() -> None: ...

    assert isinstance(app.tasks["own"], Own)
    own.delay()
    plain.delay()
    assert sorted(each.name for each in app.store.queues()) == ["of the class", "usual"]
