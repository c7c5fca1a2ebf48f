"""What each form means, on a real worker, in place and by ``apply()``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from pyqueue.canvas import chain, chord, group
from pyqueue.exceptions import ChordError, TaskRevokedError

SOURCE = """
from pyqueue import PyQueue

app = PyQueue("jobs.db")

@app.task
def echo(value=None):
    return value

@app.task
def pack(*args, **kwargs):
    return [*args, kwargs] if kwargs else list(args)

@app.task
def fail(*args):
    raise ValueError("no")

@app.task
def shown(found):
    return [repr(each) for each in found]

@app.task(bind=True, max_retries=3)
def second_time(self, value):
    if self.request.retries < 1:
        raise self.retry(countdown=0)
    return value
"""

Build = Callable[[Any], Any]

VALUES: dict[str, tuple[Build, Any]] = {
    "a chain": (lambda t: chain(t.echo.s(1), t.pack.s(2), t.pack.s(3)), [[1, 2], 3]),
    "a chain of one": (lambda t: chain(t.echo.s(1)), 1),
    "an immutable step": (lambda t: chain(t.echo.s(1), t.pack.si(2), t.pack.s(3)), [[2], 3]),
    "a group": (lambda t: group(t.echo.s(n) for n in range(4)), [0, 1, 2, 3]),
    "an empty group": (lambda t: group(), []),
    "a group in a group": (lambda t: group(t.echo.s(1), group(t.echo.s(2), t.echo.s(3)), t.echo.s(4)), [1, 2, 3, 4]),
    "a group of chains": (lambda t: group(t.echo.s(1) | t.pack.s(2), t.echo.s(3)), [[1, 2], 3]),
    "a group of chords": (lambda t: group(chord([t.echo.s(1)], t.pack.s()), t.echo.s(2)), [[[1]], 2]),
    "a group at the end of a member": (
        lambda t: group(t.echo.s(1) | group(t.pack.s(2), t.pack.s(3)), t.echo.s(4)),
        [[[1, 2], [1, 3]], 4],
    ),
    "a chord": (lambda t: chord([t.echo.s(1), t.echo.s(2)], t.pack.s(3)), [[1, 2], 3]),
    "a chord of a generator": (lambda t: group(t.echo.s(n) for n in range(3)) | t.pack.s(), [[0, 1, 2]]),
    "a chord of nobody": (lambda t: chord([], t.pack.s(1)), [[], 1]),
    "a chord of nobody after a step": (lambda t: t.echo.s(0) | chord([], t.pack.s(1)), [[], 1]),
    "a chord of chains": (lambda t: chord([t.echo.s(1) | t.pack.s(2), t.echo.s(3)], t.pack.s()), [[[1, 2], 3]]),
    "a chord of chords": (lambda t: chord([chord([t.echo.s(1)], t.pack.s()), t.echo.s(2)], t.pack.s()), [[[[1]], 2]]),
    "a chord of groups": (
        lambda t: chord([t.echo.s(1), group(t.echo.s(2), t.echo.s(3)), t.echo.s(4)], t.pack.s()),
        [[1, 2, 3, 4]],
    ),
    "a chord of a chain that ends in a group": (
        lambda t: chord([t.echo.s(1) | group(t.pack.s(2), t.pack.s(3)), t.echo.s(4)], t.pack.s()),
        [[[[1, 2], [1, 3]], 4]],
    ),
    "a body that is a chain": (lambda t: chord([t.echo.s(1)], t.pack.s(2) | t.pack.s(3)), [[[1], 2], 3]),
    "a body that is a group": (
        lambda t: chord([t.echo.s(1)], group(t.pack.s(2), t.pack.s(3))),
        [[[1], 2], [[1], 3]],
    ),
    "a chain that ends in a group": (lambda t: t.echo.s(1) | group(t.pack.s(2), t.pack.si(3)), [[1, 2], [3]]),
    "a chain through a group": (
        lambda t: t.echo.s(1) | group(t.pack.s(2), t.pack.s(3)) | t.pack.s(4) | t.pack.s(5),
        [[[[1, 2], [1, 3]], 4], 5],
    ),
    "a group after a group": (
        lambda t: group(t.echo.s(1), t.echo.s(2)) | group(t.pack.s(3), t.pack.s(4)),
        [[[1, 2], 3], [[1, 2], 4]],
    ),
    "an empty group within a chain": (lambda t: chain(t.echo.s(1), group(), t.pack.s(2)), [1, 2]),
    "a group of one is its member": (lambda t: t.echo.s(1) | group(t.pack.s(2)), [1, 2]),
    "chunks": (lambda t: t.pack.chunks([(1, 2), (3, 4), (5, 6)], 2), [[[1, 2], [3, 4]], [[5, 6]]]),
    "chunks and then": (lambda t: t.pack.chunks([(1,), (2,), (3,)], 2) | t.pack.s(4), [[[[1], [2]], [[3]]], 4]),
    "map": (lambda t: t.echo.map([1, 2]), [1, 2]),
    "starmap within a chain": (lambda t: chain(t.echo.s(0), t.pack.starmap([(1, 2), (3, 4)]), t.pack.s(5)), [[[1, 2], [3, 4]], 5]),
    "a canvas by its dictionary": (
        lambda t: t.app.signature((t.echo.s(1) | group(t.pack.s(2), t.pack.s(3)) | t.pack.s()).to_dict()),
        [[[1, 2], [1, 3]]],
    ),
    "the run policy": (lambda t: chord([t.fail.s(), t.echo.s(1)], t.shown.s(), on_error="run"), ["ValueError('no')", "1"]),
    "the run policy set later": (
        lambda t: chord([t.echo.s(1) | t.fail.s() | t.echo.s()], t.shown.s()).on_error("run"),
        ["ValueError('no')"],
    ),
    "a retry within": (lambda t: chord([t.second_time.s(1), t.echo.s(2)], t.second_time.s() | t.pack.s()), [[1, 2]]),
}  # fmt: skip

PARTIAL: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "a chain": (lambda t: chain(t.pack.s(1), t.pack.s(2)).delay(7), [[7, 1], 2]),
    "a group": (lambda t: group(t.pack.s(1), t.pack.si(2)).delay(7), [[7, 1], [2]]),
    "a chord": (lambda t: chord([t.pack.s(1), t.pack.s(2)], t.pack.s(3)).delay(7), [[[7, 1], [7, 2]], 3]),
    "a chord given its body": (lambda t: chord([t.pack.s(1)])(t.pack.s(3)), [[[1]], 3]),
    "a clone": (lambda t: (t.pack.s(1) | t.pack.s(2)).clone((7,), {"k": 8}).delay(), [[7, 1, {"k": 8}], 2]),
    "nothing for the immutable": (lambda t: chain(t.pack.s(1), t.echo.s()).set(immutable=True).delay(7), [1]),
    "keywords": (lambda t: group(t.pack.s(1)).apply_async((), {"k": 2}), [[1, {"k": 2}]]),
}

ERRORS: dict[str, tuple[Build, type[Exception], str]] = {
    "a chain": (lambda t: chain(t.echo.s(1), t.fail.s(), t.echo.s()), ValueError, "no"),
    "a group": (lambda t: group(t.fail.s(), t.echo.s(1)), ValueError, "no"),
    "a chord": (
        lambda t: chord([t.echo.s(1), t.fail.s()], t.echo.s()),
        ChordError,
        "raised .*ValueError: no",
    ),
    "a chord in a chord": (
        lambda t: chord([chord([t.fail.s()], t.echo.s()), t.echo.s(1)], t.echo.s()),
        ChordError,
        "ChordError: Dependency",
    ),
    "a body": (lambda t: chord([t.echo.s(1)], t.fail.s()), ValueError, "no"),
    "after a failed chord": (
        lambda t: chord([t.fail.s()], t.echo.s()) | t.echo.s(),
        ChordError,
        "ValueError",
    ),
}


@pytest.fixture
def running(tasks: ModuleType, request: pytest.FixtureRequest) -> Iterator[Callable[[Any], Any]]:
    """Sends a canvas to where it runs."""
    how = request.param
    if how == "applied":
        yield lambda made: made.apply()
    elif how == "in place":
        with tasks.app.testing(propagate=False):
            yield lambda made: made.delay()
    else:
        request.getfixturevalue("worker")("-A", tasks.__project__.file.name, "-c", "2")
        yield lambda made: made.delay()


@pytest.mark.parametrize("running", ["worker", "in place", "applied"], indirect=True)
def test_the_values(tasks: ModuleType, running: Callable[[Any], Any]) -> None:
    sent = {name: running(build(tasks)) for name, (build, _) in VALUES.items()}
    assert {name: each.get(timeout=20) for name, each in sent.items()} == {
        name: value for name, (_, value) in VALUES.items()
    }


@pytest.mark.parametrize("running", ["worker", "in place", "applied"], indirect=True)
def test_the_errors(tasks: ModuleType, running: Callable[[Any], Any]) -> None:
    for name, (build, error, text) in ERRORS.items():
        result = running(build(tasks))
        with pytest.raises(error, match=text):
            result.get(timeout=20)
        assert result.failed(), name


@pytest.mark.parametrize("running", ["worker", "in place"], indirect=True)
def test_partial_arguments(tasks: ModuleType, running: Callable[[Any], Any]) -> None:
    sent = {name: build(tasks) for name, (build, _) in PARTIAL.items()}
    assert {name: each.get(timeout=20) for name, each in sent.items()} == {
        name: value for name, (_, value) in PARTIAL.items()
    }


def test_a_cancelled_step_cancels_what_follows(tasks: ModuleType) -> None:
    result = chain(tasks.echo.s(1), tasks.echo.s(), tasks.echo.s()).delay()
    result.parent.parent.revoke()
    with pytest.raises(TaskRevokedError):
        result.get(timeout=5)


def test_nothing_is_left_of_a_group_whose_generator_raises(tasks: ModuleType) -> None:
    def members() -> Iterator[Any]:
        for number in range(5_000):
            yield tasks.echo.s(number)
        raise OSError("the list is cut short")

    with pytest.raises(OSError, match="cut short"):
        group(members()).delay()
    assert tasks.app.store.queues() == []
