"""A worker inside of a script or a web process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue

SCRIPT = """
import os, time
from pyqueue import PyQueue
app = PyQueue("jobs.db")

@app.task
def where(x): return [x, os.getpid()]

@app.task
def slow(path):
    open(path, "w").close()
    time.sleep(0.3)
    return "done"
"""
MAIN = (
    SCRIPT
    + """
if __name__ == "__main__":
    with app.worker(concurrency=2):
        begun = time.monotonic()
        x, pid = where.delay(7).get(timeout=10)
        print(x, pid != os.getpid())
        late = slow.delay("mark")
        while not os.path.exists("mark"): time.sleep(0.01)
    print(late.get(timeout=0), [w.alive for w in app.store.workers() if w.alive])
"""
)


def run(folder: Path, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=40,
        input=stdin,
    )


def test_a_script_works_off_its_own_jobs_and_stops_warmly(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(MAIN)
    made = run(tmp_path, "script.py")
    assert made.stdout == "7 True\ndone []\n", made.stderr
    assert made.returncode == 0


def test_a_module_run_with_m_in_a_package_works(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").touch()
    (tmp_path / "pack" / "script.py").write_text(MAIN)
    made = run(tmp_path, "-m", "pack.script")
    assert made.stdout == "7 True\ndone []\n", made.stderr


def test_without_the_guard_it_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT + "with app.worker(concurrency=1): pass\n")
    made = run(tmp_path, "script.py")
    assert made.returncode == 1
    assert "if __name__ == '__main__':" in made.stderr


def test_an_interactive_session_is_told_to_use_a_file(tmp_path: Path) -> None:
    made = run(tmp_path, "-", stdin=SCRIPT + "with app.worker(): pass\n")
    assert made.stderr.splitlines()[-1].startswith("pyqueue.exceptions.ImproperlyConfigured")
    assert "put the app and its tasks in a file, such as tasks.py" in made.stderr.splitlines()[-1]


def test_an_app_that_no_module_has_is_told_so(app: PyQueue) -> None:
    with pytest.raises(Exception, match=r"no module's variable: write  app = …"), app.worker():
        pass


def test_a_target_is_taken_as_it_is(project: Callable[[str], Any]) -> None:
    made = project(SCRIPT)
    module = made.load()
    with module.app.worker(concurrency=1, queues=["default"], target=f"{made.file}:app"):
        assert module.where.delay(1).get(timeout=10)[0] == 1


def test_a_child_that_cannot_load_the_app_ends_the_entry(project: Callable[[str], Any]) -> None:
    made = project(SCRIPT)
    module = made.load()
    made.file.write_text("raise SystemError('broken since')\n")
    with pytest.raises(Exception, match="broken since"), module.app.worker(concurrency=1):
        pytest.fail("it was entered")


def test_two_at_once_and_one_after_the_other(project: Callable[[str], Any]) -> None:
    module = project(SCRIPT).load()
    with module.app.worker(concurrency=1), module.app.worker(concurrency=1):
        alive = [each for each in module.app.store.workers() if each.alive]
        assert len(alive) == 2
    with module.app.worker(concurrency=1):
        assert module.where.delay(1).get(timeout=10)[0] == 1


FORKED = """
if __name__ == "__main__":
    with app.worker(concurrency=1):
        pid = os.fork()
        if pid == 0:
            where.delay(1).get(timeout=10)
            sys.exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), where.delay(7).get(timeout=10)[0])
"""


def test_a_forked_child_leaves_the_block_at_once_and_the_worker_stays_its_parents(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import sys\n" + SCRIPT + FORKED)
    made = run(tmp_path, "script.py")
    assert made.stdout == "3 7\n", made.stderr


RENAMED = """
import importlib.util
spec = importlib.util.spec_from_file_location("__config__", "server.conf.py")
sys.modules["__config__"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""


def test_the_app_is_found_where_its_children_find_it_too(tmp_path: Path) -> None:
    """gunicorn loads its configuration under a name that nobody can import, and before the application."""
    (tmp_path / "shop.py").write_text(SCRIPT)
    (tmp_path / "server.conf.py").write_text("from shop import app, where\n")
    use = "with module.app.worker(concurrency=1): print(module.where.delay(7).get(timeout=10)[0])\n"
    # As it is while the configuration is read: the module that is being loaded comes first.
    first = "sys.modules['shop'] = sys.modules.pop('shop')\n"
    (tmp_path / "serve.py").write_text("import sys\n" + RENAMED + first + use)
    made = run(tmp_path, "serve.py")
    assert made.stdout == "7\n", made.stderr


def test_no_child_outlives_a_killed_host(tmp_path: Path, eventually: Callable[..., None]) -> None:
    (tmp_path / "script.py").write_text(
        SCRIPT
        + "if __name__ == '__main__':\n"
        + "    with app.worker(concurrency=1):\n"
        + "        print(where.delay(1).get(timeout=10)[1], flush=True)\n"
        + "        time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path, stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        child = int(host.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        host.kill()
    eventually(lambda: not Path(f"/proc/{child}").exists(), 5)


def test_ctrl_c_leaves_the_block_at_once(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        SCRIPT
        + "if __name__ == '__main__':\n"
        + "    with app.worker(concurrency=1):\n"
        + "        print('in', flush=True)\n"
        + "        time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "script.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as host:
        assert host.stdout is not None
        host.stdout.readline()
        begun = time.monotonic()
        os.kill(host.pid, signal.SIGINT)
        assert host.wait(20) in (1, -signal.SIGINT)
        assert time.monotonic() - begun < 5
