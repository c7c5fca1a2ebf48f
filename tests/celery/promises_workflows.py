"""Workflows: what Celery and pyqueue make of the same canvas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engines import Engine
from promising import differs, same

Build = Callable[[Any, Any], Any]

VALUES: dict[str, tuple[Build, Any]] = {
    "`add.s(1, 2) | add.s(3) | add.s(4)`": (lambda c, t: t.add.s(1, 2) | t.add.s(3) | t.add.s(4), 10),
    "`chain(add.s(1, 2), add.si(3, 4))`": (lambda c, t: c.chain(t.add.s(1, 2), t.add.si(3, 4)), 7),
    "`group(add.s(n, n) for n in range(3))`": (lambda c, t: c.group(t.add.s(n, n) for n in range(3)), [0, 2, 4]),
    "`group()`": (lambda c, t: c.group(), []),
    "`group(a, group(b, c))`: flattened": (
        lambda c, t: c.group(t.echo.s(1), c.group(t.echo.s(2), t.echo.s(3))),
        [1, 2, 3],
    ),
    "`group(a | group(b, c), d)`: not flattened": (
        lambda c, t: c.group(t.echo.s(1) | c.group(t.pack.s(2), t.pack.s(3)), t.echo.s(4)),
        [[[1, 2], [1, 3]], 4],
    ),
    "`chord([a, b], pack.s(3))`": (lambda c, t: c.chord([t.echo.s(1), t.echo.s(2)], t.pack.s(3)), [[1, 2], 3]),
    "`chord([], pack.s(1))`": (lambda c, t: c.chord([], t.pack.s(1)), [[], 1]),
    "`group(a, b) | pack.s()`: a chord": (lambda c, t: c.group(t.echo.s(1), t.echo.s(2)) | t.pack.s(), [[1, 2]]),
    "`a | group(b, c) | d | e`": (
        lambda c, t: t.echo.s(1) | c.group(t.pack.s(2), t.pack.s(3)) | t.pack.s(4) | t.pack.s(5),
        [[[[1, 2], [1, 3]], 4], 5],
    ),
    "`group(a, b) | group(c, d)`": (
        lambda c, t: c.group(t.echo.s(1), t.echo.s(2)) | c.group(t.pack.s(3), t.pack.s(4)),
        [[[1, 2], 3], [[1, 2], 4]],
    ),
    "`a | group(b)`: a group of one is its member": (lambda c, t: t.echo.s(1) | c.group(t.pack.s(2)), [1, 2]),
    "`chain(a, group(), b)`: an empty group is left out": (
        lambda c, t: c.chain(t.echo.s(1), c.group(), t.pack.s(2)),
        [1, 2],
    ),
    "a chord of chords and chains": (
        lambda c, t: c.chord([c.chord([t.echo.s(1)], t.pack.s()), t.echo.s(2) | t.pack.s(3)], t.pack.s()),
        [[[[1]], [2, 3]]],
    ),
    "`chain(a, add.starmap(calls), b)`": (
        lambda c, t: c.chain(t.echo.s(0), t.add.starmap([(1, 2), (3, 4)]), t.pack.s(5)),
        [[3, 7], 5],
    ),
    "`group(…).delay(7)`: put before the arguments of each": (
        lambda c, t: _Sent(c.group(t.pack.s(1), t.pack.si(2))),
        [[7, 1], [2]],
    ),
    "`self.replace(a | b)`: the result of the job": (lambda c, t: t.becomes.s(_form(t.echo.s(1) | t.pack.s(2))), [1, 2]),
    "`self.replace(group(a, b)) | c`": (
        lambda c, t: t.becomes.s(_form(c.group(t.echo.s(1), t.echo.s(2)))) | t.pack.s(3),
        [[1, 2], 3],
    ),
}  # fmt: skip


class _Sent:
    """Is sent with an argument."""

    def __init__(self, made: Any) -> None:
        self._made = made

    def apply_async(self) -> Any:
        return self._made.apply_async((7,))


def _form(signature: Any) -> Any:
    return signature.to_dict() if hasattr(signature, "to_dict") else dict(signature)


def _value(build: Build) -> Callable[[Engine], object]:
    def observe(engine: Engine) -> object:
        return engine.get(build(engine.canvas, engine.tasks).apply_async())

    return observe


for number, (text, (build, value)) in enumerate(VALUES.items()):
    observed = _value(build)
    observed.__name__ = f"workflow_{number}"
    same(text, value)(observed)


@same("a chain whose first step fails: what `get()` raises", "ValueError: no")
def failing_chain(engine: Engine) -> object:
    result = (engine.tasks.fail.s("x") | engine.tasks.echo.s()).apply_async()
    return engine.raised(lambda: engine.get(result))


@same("a group of which one fails: what `get()` raises", "ValueError")
def failing_group(engine: Engine) -> object:
    result = engine.canvas.group(engine.tasks.fail.s("x"), engine.tasks.echo.s(1)).apply_async()
    return engine.error(lambda: engine.get(result))


@same("a chord of which a member fails: what `get()` raises", "ChordError")
def failing_chord(engine: Engine) -> object:
    made = engine.canvas.chord([engine.tasks.fail.s("x"), engine.tasks.echo.s(1)], engine.tasks.pack.s())
    # By its id alone: with its parents Celery raises the error of either, whichever comes first.
    return engine.error(lambda: engine.get(engine.app.AsyncResult(made.apply_async().id)))


@same("`(a | b | c).apply_async()`: `result.parent.parent` is that of `a`", [1, [1, 2], [[1, 2], 3]])
def parents(engine: Engine) -> object:
    result = (engine.tasks.echo.s(1) | engine.tasks.pack.s(2) | engine.tasks.pack.s(3)).apply_async()
    last = engine.get(result)
    return [engine.get(result.parent.parent), engine.get(result.parent), last]


@same("a chord's `result.parent`: the header", [1, 2])
def header_results(engine: Engine) -> object:
    result = engine.canvas.chord([engine.tasks.echo.s(1), engine.tasks.echo.s(2)], engine.tasks.pack.s())
    sent = result.apply_async()
    engine.get(sent)
    return [engine.get(each) for each in sent.parent.results]


@same("`root_id` and `parent_id` of a chain's second step: the first one's id", [True, True])
def root_and_parent(engine: Engine) -> object:
    result = (engine.tasks.echo.s(1) | engine.tasks.place_of.s()).apply_async()
    place = engine.get(result)
    return [place[1] == result.parent.id, place[2] == result.parent.id]


@same("`self.request.group`, `self.request.chord` of a member of a header", [True, True])
def group_and_chord(engine: Engine) -> object:
    made = engine.canvas.chord([engine.tasks.place_of.s()], engine.tasks.echo.s())
    return engine.get(made.apply_async())[0][3:]


@same("`(a | b).on_error(errback)`: called once if the first step fails", 1)
def errback_of_chain(engine: Engine) -> object:
    path = engine.folder / f"errback-{engine.name}"
    made = engine.tasks.fail.s("x") | engine.tasks.echo.s()
    made.link_error(engine.tasks.note.si(str(path)))
    engine.raised(lambda: engine.get(made.apply_async()))
    engine.until(path.exists)
    engine.turn()
    return path.read_text().count("ran")


@differs(
    "`chord([a, group(b, c), d], body)`: the order of the list",
    [[1, 3, 2, 4]],
    [[1, 2, 3, 4]],
    "Celery turns the members of a group within a header round",
)
def order_within_header(engine: Engine) -> object:
    c, t = engine.canvas, engine.tasks
    made = c.chord([t.echo.s(1), c.group(t.echo.s(2), t.echo.s(3)), t.echo.s(4)], t.pack.s())
    return engine.get(made.apply_async())


@differs(
    "`chain(add.chunks(calls, 2), pack.s(1))`",
    "EncodeError",
    "[[[3], [7]], 1]",
    "here chunks within a chain are the group of their jobs; Celery returns a handle, which is no JSON",
)
def chunks_within_a_chain(engine: Engine) -> object:
    made = engine.canvas.chain(engine.tasks.add.chunks([(1, 2), (3, 4)], 1), engine.tasks.pack.s(1))
    answer = engine.raised(lambda: engine.get(made.apply_async()))
    return answer.removeprefix("nothing: ").partition(":")[0]


@same("a chain whose first step fails: the state of the last", "FAILURE")
def state_after_a_failed_step(engine: Engine) -> object:
    result = (engine.tasks.fail.s("x") | engine.tasks.echo.s()).apply_async()
    engine.raised(lambda: engine.get(result.parent))
    engine.turn()
    return result.state


@differs(
    "`sig.set(queue=…)`, `chain.set(…)`: changes the signature itself",
    True,
    False,
    "a signature is a value: set() and clone() return another one. `link` and `link_error` change it, as in Celery",
)
def set_in_place(engine: Engine) -> object:
    made = engine.tasks.add.s(1, 2)
    made.set(queue="mail")
    return dict(made.options) == {"queue": "mail"}
