from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyqueue import PyQueue
from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.naming import loaded_class, split_file

SCRIPT = """
from pyqueue import PyQueue
app = PyQueue("jobs.db")
@app.task
def add(x, y): return x + y
print(add.name)
"""


def run(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_script_and_module_agree_on_a_tasks_name(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SCRIPT)
    assert (
        run(tmp_path, "app.py")
        == run(tmp_path, "-c", "import app")
        == run(tmp_path, "-m", "app")
        == "app.add"
    )


def test_a_module_of_a_package_has_the_packages_name_in_front(tmp_path: Path) -> None:
    package = tmp_path / "shop" / "mail"
    package.mkdir(parents=True)
    (tmp_path / "shop" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "tasks.py").write_text(SCRIPT)
    assert run(tmp_path, "-c", "import shop.mail.tasks") == "shop.mail.tasks.add"
    assert run(tmp_path, "shop/mail/tasks.py") == "shop.mail.tasks.add"
    assert split_file(str(package / "tasks.py")) == (str(tmp_path), "shop.mail.tasks")


def test_one_name_is_one_function(app: PyQueue) -> None:
    def make() -> Callable[[], int]:
        @app.task(name="n")
        def first() -> int:
            return 1

        return first

    make()
    make()
    with pytest.raises(ImproperlyConfigured, match=r"two functions are named n: .*first.*second"):

        @app.task(name="n")
        def second() -> int:
            return 2


def test_only_loaded_classes_are_found() -> None:
    assert loaded_class("builtins.ValueError") is ValueError
    assert loaded_class("pyqueue.exceptions.TaskFailed") is sys.modules["pyqueue.exceptions"].TaskFailed
    assert loaded_class("os.system") is None
    assert loaded_class("nowhere.Nothing") is None
    assert loaded_class("") is None
    assert "antigravity" not in sys.modules
    assert loaded_class("antigravity.Error") is None
    assert "antigravity" not in sys.modules
