"""A script and its worker call a task by the same name."""

from __future__ import annotations

import re
from pathlib import Path

from processes import Started, worker, write_app

from pyqueue import PyQueue

SCRIPT = """
from pyqueue import PyQueue
app = PyQueue("jobs.db")

{decorator}
def add(x, y): return x + y

if __name__ == "__main__":
    result = add.delay(2, 3)
    print(add.name, result.id, flush=True)
    print(result.get(timeout={timeout}))
"""


def run(folder: Path, decorator: str, timeout: float) -> tuple[str, str, int, str]:
    """The name and id that the script printed, its exit code and the rest of what it printed."""
    write_app(folder, SCRIPT.format(decorator=decorator, timeout=timeout))
    with worker(folder, "-c", "1"), Started(folder, "app.py", name="script") as script:
        code = script.wait(20)
        name, id, *rest = script.out.read_text().split()
        return name, id, code, "".join(rest)


def test_a_script_and_its_worker_agree_on_the_name_of_a_task(tmp_path: Path) -> None:
    name, _, code, result = run(tmp_path, "@app.task", 15)
    assert (name, code, result) == ("app.add", 0, "5")


def test_control_a_task_named_after_the_running_module_is_unknown_to_the_worker(tmp_path: Path) -> None:
    name, id, code, result = run(tmp_path, '@app.task(name=__name__ + ".add")', 1)
    assert (name, code, result) == ("__main__.add", 1, "")
    store = PyQueue(tmp_path / "jobs.db").store
    assert store.view(id).state == "parked"
    assert re.search(r"no .*worker|worker.* knows", store.why(id)), store.why(id)
