"""Commands of the app's own: typed, listed, and no harm to others when they raise or hang."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue.exceptions import InvalidCommand

Worker = Callable[..., Any]
Command = Callable[..., subprocess.CompletedProcess[str]]
SOURCE = """
import threading, time
from pyqueue import PyQueue
from pyqueue.orders import control_command, inspect_command

app = PyQueue("jobs.db")
level = 1

@app.control_command(args=[("n", int), ("factor", float)], signature="[N=1 [FACTOR]]", help="Raises the level.")
def raise_level(state, n=1, factor=1.0):
    global level
    level += n * factor
    return {"ok": level}

@app.inspect_command
def level_of(state):
    \"\"\"Shows the level.

    More is not shown.\"\"\"
    return {"ok": level, "who": state.hostname, "tasks": len(state.app.tasks)}

@app.control_command(args=[("n", int)])
def twice(state, n):
    return None if n is None else 2 * n

@control_command(variadic="words", alias="say")
def echo(state, words, **kwargs):
    return words

@app.control_command(time_limit=0.3)
def hang(state):
    threading.Event().wait(5)
    return "late"

@app.control_command
def wrong(state):
    raise KeyError("no such thing")

@app.control_command
def leave(state):
    raise SystemExit(3)

@app.control_command
def unspeakable(state):
    return object()

@app.control_command
def large(state):
    return "x" * 2_000_000
"""


def told(answers: Any) -> Any:
    [(_, value)] = [item for each in answers for item in each.items()]
    return value


def test_they_take_types_and_answer_what_they_return(tasks: Any, worker: Worker) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1", "-n", "one@host")
    broadcast = tasks.app.control.broadcast
    assert told(broadcast("raise_level", {"n": "4", "factor": "0.5"}, reply=True, timeout=20)) == {"ok": 3.0}
    assert told(broadcast("level_of", reply=True, timeout=20)) == {"ok": 3.0, "who": "one@host", "tasks": 0}
    assert told(broadcast("say", words=["a", "b"], reply=True, timeout=20)) == ["a", "b"]
    assert tasks.app.control.inspect()._request("level_of") == {
        "one@host": {"ok": 3.0, "who": "one@host", "tasks": 0}
    }
    assert told(broadcast("twice", {"n": 4}, reply=True, timeout=20)) == 8
    assert told(broadcast("twice", {"n": None}, reply=True, timeout=20)) is None
    assert tasks.level == 1, "it is the worker's"


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("raise_level", {"n": "four"}, "n of raise_level is int, not 'four'"),
        ("raise_level", {"m": 1}, "unexpected keyword argument 'm'"),
        ("echo", {}, "missing a required argument: 'words'"),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_stored(
    tasks: Any, name: str, arguments: dict[str, Any], why: str
) -> None:
    with pytest.raises(InvalidCommand) as refused:
        tasks.app.control.broadcast(name, arguments)
    assert why in str(refused.value)
    assert tasks.app.control.history() == []


def test_those_that_raise_hang_or_say_too_much_stop_nobody(tasks: Any, worker: Worker) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "1", "-n", "one@host")
    broadcast = tasks.app.control.broadcast
    for _ in range(3):
        broadcast("hang")
    assert told(tasks.app.control.ping(timeout=20)) == {"ok": "pong"}
    assert told(broadcast("wrong", reply=True, timeout=20)) == {"error": "KeyError('no such thing')"}
    assert told(broadcast("leave", reply=True, timeout=20)) == {"error": "SystemExit(3)"}
    assert "can't be written as JSON" in told(broadcast("unspeakable", reply=True, timeout=20))["error"]
    assert "the limit is" in told(broadcast("large", reply=True, timeout=20))["error"]
    assert told(broadcast("hang", reply=True, timeout=20)) == {
        "error": "hang did not end within 0.3 s; it may still go on"
    }
    for _ in range(16):
        broadcast("hang")
    full = told(broadcast("level_of", reply=True, timeout=20))
    assert full == {"error": "16 commands of the app's own run here already, or hang"}
    assert told(tasks.app.control.pool_grow(1, reply=True, timeout=20)) == {"ok": "pool will grow"}
    assert handle.stop() == 0, "a command that hangs does not keep a worker from stopping"


def test_a_worker_without_the_code_says_so(tasks: Any, worker: Worker, tmp_path: Any) -> None:
    (tmp_path / "other.py").write_text("from pyqueue import PyQueue\napp = PyQueue('jobs.db')\n")
    worker("-A", "other.py", "-c", "1")
    answer = told(tasks.app.control.broadcast("raise_level", reply=True, timeout=20))
    assert answer == {"error": "raise_level is no command of this worker: its code does not have it"}


def test_no_file_is_made_to_know_that_nobody_is_there(command: Command, tmp_path: Any) -> None:
    (tmp_path / "tasks.py").write_text(SOURCE)
    for words in (
        ("raise_level",),
        ("-A", "tasks.py", "ping"),
        ("-A", "tasks.py", "--db", "my.db", "say", "a"),
    ):
        done = command(*words)
        assert (done.returncode, "there is no queue file" in done.stderr) == (69, True), words
    assert not list(tmp_path.glob("*.db*"))
    assert command("--list").returncode == 0


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import nowhere_at_all", "can't be loaded: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("def (", "can't be loaded: SyntaxError"),
        ("1 / 0", "can't be loaded: ZeroDivisionError: division by zero; -v shows where"),
        ("x = 1", "tasks.py has no app"),
    ],
)
def test_an_app_that_can_t_be_loaded_is_one_sentence_and_hides_none_of_ours(
    command: Command, tmp_path: Any, source: str, why: str
) -> None:
    (tmp_path / "tasks.py").write_text(source)
    listed = command("--list")
    assert (listed.returncode, "pool_grow" in listed.stdout, listed.stderr.count("\n")) == (0, True, 1)
    for words in (("--list", "-A", "tasks.py"), ("raise_level",)):
        done = command(*words)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (64, "", 1), words
        assert why in done.stderr


def test_names_of_ours_are_not_given_away(app: PyQueue) -> None:
    with pytest.raises(InvalidCommand, match="pyqueue's own"):

        @app.control_command
        def shutdown(state: object) -> None: ...


def test_the_command_line_lists_and_gives_them(tasks: Any, worker: Worker, command: Command) -> None:
    file = tasks.__project__.file.name
    listed = json.loads(command("--list", "-A", file, "--json").stdout)["commands"]
    shown = {each["name"]: each for each in listed}
    assert shown["raise_level"] == {
        "name": "raise_level",
        "usage": "raise_level [N=1 [FACTOR]]",
        "help": "Raises the level.",
        "asks": False,
        "own": True,
    }
    assert shown["level_of"]["help"] == "Shows the level."
    assert shown["pool_grow"]["own"] is False
    assert "say" not in shown, "an alias is not listed twice"
    worker("-A", file, "-c", "1", "-n", "one@host")
    done = command("-A", file, "raise_level", "2", "factor=2")
    assert (done.returncode, done.stdout) == (0, "one@host: 5.0\n")
    done = command("-A", file, "wrong")
    assert (done.returncode, done.stdout) == (1, "one@host: error: KeyError('no such thing')\n")
    done = command("-A", file, "say", "a", "b", "--json")
    assert json.loads(done.stdout)["replies"] == [{"worker": "one@host", "ok": True, "answer": ["a", "b"]}]
