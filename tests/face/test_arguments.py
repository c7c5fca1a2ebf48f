from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pyqueue import Celery, PyQueue, Task, shared_task
from pyqueue.arguments import stub_of


def every_kind(a: Any, b: Any = 1, /, c: Any = 2, *args: Any, d: Any, e: Any = 4, **more: Any) -> Any:
    return lambda: (a, b, c, args, d, e, more)


def few(a: Any, *, b: Any = 2) -> Any:
    return [a for _ in range(b)]


async def coroutine(a: Any, b: Any) -> Any:
    return a, b


def none() -> None: ...


def raised(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    try:
        made = function(*args, **kwargs)
    except TypeError as error:
        return str(error)
    if hasattr(made, "close"):
        made.close()
    return None


@pytest.mark.parametrize("function", [every_kind, few, coroutine, none])
def test_a_stub_takes_and_refuses_what_its_function_does(function: Callable[..., Any]) -> None:
    stub = stub_of(function)
    assert stub is not None
    refused = 0
    for args in ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4, 5)):
        for kwargs in (
            {},
            {"d": 1},
            {"a": 1},
            {"c": 1, "d": 1},
            {"b": 3},
            {"z": 1, "d": 2},
            {"a": 1, "b": 2},
        ):
            refused += raised(function, args, kwargs) is not None
            assert raised(stub, args, kwargs) == raised(function, args, kwargs), (args, kwargs)
    assert 0 < refused < 35


def test_what_is_not_written_in_python_has_no_stub() -> None:
    assert stub_of(print) is stub_of(functools.partial(few, 1)) is stub_of(int) is None


@pytest.fixture
def add(app: PyQueue) -> Task[..., Any]:
    @app.task(name="shop.add")
    def add(x: int, y: int) -> int:
        return x + y

    return add


def waiting(app: PyQueue) -> int:
    return sum(queue.waiting for queue in app.store.queues())


def test_arguments_that_do_not_fit_are_refused_where_the_call_is_made(app: PyQueue, add: Any) -> None:
    for call in (
        lambda: add.delay(2),
        lambda: add.apply_async((2,)),
        lambda: add.apply_async((1, 2, 3)),
        lambda: add.s(2).delay(),
        lambda: add.s(2, 3).apply_async((1,)),
        lambda: add.signature((2,)).apply_async(),
        lambda: app.signature("shop.add", (2,)).delay(),
        lambda: app.send(add.s(2)),
        lambda: app.enqueue_many([add.s(1, 2), add.s(2)]),
        lambda: app.send_group([add.s(1, 2), add.s(2)]),
    ):
        with pytest.raises(TypeError, match=r"add\(\) (missing 1 required|takes 2 positional)"):
            call()
    assert waiting(app) == 0
    assert add.s(2).delay(3).created
    assert add.apply_async((2,), {"y": 3}).created


def test_what_is_not_whole_or_only_a_name_is_not_checked(app: PyQueue, add: Any) -> None:
    app.send_task("shop.add", (2,))
    add.apply_async((1, 2), link=add.s(3))
    add.chunks([(1, 2), (3,)], 1).delay()
    add.starmap([(1,)]).delay()
    assert waiting(app) == 5


def test_a_bound_task_is_called_without_itself(app: PyQueue) -> None:
    @app.task(bind=True)
    def bound(self: Any, x: int) -> int:
        return x

    assert bound.delay(1).created
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
        bound.delay(1, 2)  # type: ignore[call-arg]


def test_a_shared_task_is_checked_too(app: PyQueue) -> None:
    @shared_task(name="shop.shared")
    def shared(x: int) -> int:
        return x

    with pytest.raises(TypeError, match="missing 1 required"):
        shared.delay()  # type: ignore[call-arg]
    assert waiting(app) == 0


def test_it_can_be_switched_off_for_a_task_and_for_an_app(app: PyQueue) -> None:
    class Free(Task[..., Any]):
        typing = False

    for name, options in (("option", {"typing": False}), ("base", {"base": Free})):
        assert app.task(name=name, **options)(few).delay().created  # type: ignore[call-overload]

    lax = Celery("proj", broker=f"sqlite:///{app.path}", strict_typing=False)
    assert lax.task(name="lax")(few).delay().created  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing 1 required"):
        lax.task(name="strict", typing=True)(few).delay()  # type: ignore[call-arg]


def test_a_call_that_is_run_here_is_checked_by_python(app: PyQueue, add: Any) -> None:
    with pytest.raises(TypeError, match="missing 1 required"):
        add.call_local(1)
    ended = add.apply((1,))
    assert ended.state == "FAILURE"
    with pytest.raises(TypeError, match="missing 1 required"):
        ended.get()
    with app.testing(propagate=False), pytest.raises(TypeError, match="missing 1 required"):
        add.delay(1)


def test_checking_loads_no_inspect() -> None:
    program = (
        "import sys; sys.modules['msgspec'] = None\n"  # The extra imports inspect itself.
        "from pyqueue import PyQueue; app = PyQueue(); before = 'inspect' in sys.modules\n"
        "@app.task\ndef f(x): ...\n"
        "try: f.delay()\nexcept TypeError: print(before, 'inspect' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
