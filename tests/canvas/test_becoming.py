"""What a running task becomes, adds, and does once; what is called after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pyqueue import chain, chord, group
from pyqueue.exceptions import ChordError, EncodeError, InvalidJob

SOURCE = """
from pathlib import Path
from pyqueue import PyQueue, chain, chord, group

app = PyQueue("jobs.db")

@app.task
def echo(value=None):
    return value

@app.task
def pack(*args):
    return list(args)

@app.task
def fail(*args):
    raise ValueError("no")

@app.task
def note(*args):
    with Path("notes").open("a") as file:
        print(*args, file=file)

@app.task(bind=True)
def becomes(self, form, *args):
    if Path("twice").exists():
        note.run("again")
    Path("twice").touch()
    return self.replace(app.signature(form))

@app.task(bind=True)
def grows(self, n):
    if n:
        self.add_to_chord(grows.s(n - 1))
    return n

@app.task(bind=True, max_retries=5)
def grows_late(self):
    self.add_to_chord(echo.s(self.request.retries) | pack.s())
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return "grown"

@app.task(bind=True, max_retries=5)
def steps(self):
    first = self.step("first", counted, "first")
    second = self.step("second", lambda: (1, 2))
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return [first, second]

def counted(name):
    note.run(name)
    return name

@app.task(bind=True, max_retries=1)
def failing_step(self):
    try:
        return self.step("it", tries, self.request.retries)
    except OSError as error:
        raise self.retry(exc=error, countdown=0)

def tries(number):
    if number == 0:
        raise OSError("not yet")
    return number

@app.task(bind=True)
def no_json(self):
    return self.step("it", object)

@app.task(bind=True)
async def awaited_steps(self):
    async def later(value):
        return value
    return [await self.step("one", later, 1), await self.step("one", later, 2)]

@app.task(bind=True)
def relatives(self, *args):
    made = self.request
    return {
        "id": made.id, "root": made.root_id, "parent": made.parent_id, "group": made.group,
        "chord": made.chord, "children": made.children,
    }
"""


@pytest.fixture
def run(tasks: ModuleType, worker: Callable[..., Any]) -> Callable[[Any], Any]:
    worker("-A", tasks.__project__.file.name, "-c", "1")
    return lambda made: made.delay().get(timeout=20)


def notes(expected: int, eventually: Callable[..., None]) -> list[str]:
    path = Path("notes")
    eventually(lambda: path.exists() and path.read_text().count("\n") >= expected)
    return path.read_text().splitlines()


def test_a_job_becomes_any_canvas(tasks: ModuleType, run: Callable[[Any], Any]) -> None:
    t = tasks

    def becoming(made: Any) -> Any:
        return t.becomes.s(made.to_dict())

    assert run(becoming(t.echo.s(3))) == 3
    assert run(becoming(t.echo.s(3) | t.pack.s(4))) == [3, 4]
    assert run(becoming(group(t.echo.s(3), t.echo.s(4)))) == [3, 4]
    assert run(becoming(group())) == []
    assert run(becoming(chord([t.echo.s(3)], t.pack.s()))) == [[3]]
    assert run(becoming(t.echo.s(3) | t.pack.s(4)) | t.pack.s(5)) == [[3, 4], 5]
    assert run(chord([becoming(group(t.echo.s(3), t.echo.s(4))), t.echo.s(5)], t.pack.s())) == [[[3, 4], 5]]
    assert run(becoming(becoming(t.echo.s(6)))) == 6
    with pytest.raises(ValueError, match="no"):
        run(becoming(t.fail.s() | t.echo.s()))
    with pytest.raises(ChordError, match="no"):
        run(becoming(group(t.fail.s(), t.echo.s())))
    with pytest.raises(InvalidJob, match="without steps"):
        run(becoming(chain()))


def test_what_a_job_becomes_keeps_its_id_and_its_callbacks(
    tasks: ModuleType, run: Callable[[Any], Any], eventually: Callable[..., None]
) -> None:
    form = (tasks.echo.s(1) | tasks.pack.s(2)).to_dict()
    result = tasks.becomes.apply_async((form,), task_id="mine", link=tasks.note.s("linked"))
    assert result.get(timeout=10) == [1, 2]
    assert result.id == "mine"
    failing = tasks.becomes.s((tasks.fail.s() | tasks.echo.s()).to_dict()).on_error(tasks.note.si("erred"))
    with pytest.raises(ValueError, match="no"):
        run(failing)
    assert sorted(each for each in notes(3, eventually) if each != "again") == ["[1, 2] linked", "erred"]
    assert [each.outcome for each in result.attempts()] == ["replaced", "success"]


def test_members_added_to_a_chord(tasks: ModuleType, run: Callable[[Any], Any]) -> None:
    assert run(chord([tasks.grows.s(3), tasks.echo.s(9)], tasks.pack.s())) == [[3, 9, 2, 1, 0]]
    # Those of attempts that did not succeed are not added.
    assert run(chord([tasks.grows_late.s()], tasks.pack.s())) == [["grown", [2]]]
    assert run(tasks.grows.s(0)) == 0
    with pytest.raises(ValueError, match="no member of a chord"):
        run(tasks.grows.s(1))


def test_a_step_runs_once_however_often_its_job_is_tried(
    tasks: ModuleType, run: Callable[[Any], Any], eventually: Callable[..., None]
) -> None:
    assert run(tasks.steps.s()) == ["first", [1, 2]]
    assert notes(1, eventually) == ["first"]
    assert run(tasks.failing_step.s()) == 1, "what a step raises is not kept"
    assert run(tasks.awaited_steps.s()) == [1, 1]
    with pytest.raises(EncodeError, match="step 'it'"):
        run(tasks.no_json.s())


def test_by_hand_all_of_it_happens_at_once(tasks: ModuleType, tmp_path: Path) -> None:
    form = (tasks.echo.s(1) | tasks.pack.s(2)).to_dict()
    assert tasks.becomes.apply((form,)).get() == [1, 2]
    assert tasks.steps.apply().get() == ["first", (1, 2)]
    for wrong in ("", "x" * 256, 5):
        with pytest.raises(ValueError, match="a step has a name"):
            tasks.steps.step(wrong, print)
    with pytest.raises(ValueError, match="lazy"):
        tasks.grows.add_to_chord(tasks.echo.s(), lazy=True)
    with pytest.raises(ValueError, match="no member of a chord"):
        tasks.grows.add_to_chord(tasks.echo.s())


def test_callbacks_may_be_canvases(
    tasks: ModuleType, run: Callable[[Any], Any], eventually: Callable[..., None]
) -> None:
    t = tasks
    t.echo.apply_async((1,), link=t.pack.s(2) | t.note.s("chain"))
    t.echo.apply_async((1,), link=chord([t.echo.s(), t.pack.s(3)], t.note.s("chord")))
    t.fail.apply_async(link_error=t.echo.si(5) | t.note.s("errback"))
    assert sorted(notes(3, eventually)) == ["5 errback", "[1, 2] chain", "[1, [1, 3]] chord"]


def test_errbacks(tasks: ModuleType, run: Callable[[Any], Any], eventually: Callable[..., None]) -> None:
    t = tasks
    made = {
        "first": chain(t.fail.s(), t.echo.s(), t.echo.s()),
        "second": chain(t.echo.s(), t.fail.s(), t.echo.s()),
        "header": chord([t.fail.s(), t.echo.s()], t.echo.s()),
        "body": chord([t.echo.s()], t.fail.s()),
        "inner": chord([chord([t.fail.s()], t.echo.s())], t.echo.si()),
    }
    for name, each in made.items():
        with pytest.raises((ValueError, ChordError), match="no"):
            run(each.on_error(t.note.si(name)))
    both = group(t.fail.s(), t.echo.s(), t.fail.s())
    both.link_error(t.note.si("member"))
    both.delay()
    # Of a chord in a header both are told, as in Celery: each is a chord whose header has failed.
    assert sorted(notes(8, eventually)) == sorted(
        ["first", "second", "header", "body", "inner", "inner", "member", "member"]
    )


def test_relatives(tasks: ModuleType, run: Callable[[Any], Any]) -> None:
    first, second, third = tasks.relatives.s(), tasks.relatives.si(), tasks.relatives.s()
    result = chain(first, second, third).delay()
    result.get(timeout=10)
    rows = [result.parent.parent.get(), result.parent.get(), result.get()]
    ids = [each["id"] for each in rows]
    assert ids == [result.parent.parent.id, result.parent.id, result.id]
    assert [each["root"] for each in rows] == [ids[0]] * 3
    assert [each["parent"] for each in rows] == [None, *ids[:2]]
    assert result.as_list() == ids[::-1]
    header = chord([tasks.relatives.s(), tasks.relatives.s()], tasks.relatives.s()).delay()
    body = header.get(timeout=10)
    members = header.parent.get()
    assert [each["group"] for each in members] == [header.parent.id] * 2
    assert [each["chord"]["task"] for each in members] == [tasks.relatives.name] * 2
    assert body["group"] is None
    assert body["parent"] in [each["id"] for each in members]
