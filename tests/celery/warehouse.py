"""The tasks of both apps: one text, declared on Celery's app and on ours."""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any


class OutOfStock(Exception):
    def __init__(self, item: str) -> None:
        super().__init__(item)
        self.item = item


def declare(app: Any, exceptions: ModuleType) -> SimpleNamespace:
    """Makes the tasks; they are found by their function's name."""

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    @app.task(typing=False)
    def untyped(x: int, y: int) -> int:
        return x + y

    @app.task
    def subtract(x: int, y: int) -> int:
        return x - y

    @app.task
    def echo(value: Any) -> Any:
        return value

    @app.task
    def kind(value: Any) -> str:
        return type(value).__name__

    @app.task
    def fail(name: str) -> None:
        raise OutOfStock(name) if name == "own" else ValueError("no")

    @app.task(bind=True)
    def request(self: Any, *args: Any, **kwargs: Any) -> list[Any]:
        found = self.request
        return [found.id, found.task, list(found.args), dict(found.kwargs), found.retries, found.is_eager]

    @app.task(bind=True)
    def queue_of(self: Any) -> str:
        return str(self.request.delivery_info["routing_key"])

    @app.task(bind=True, max_retries=2)
    def third_time(self: Any) -> int:
        if self.request.retries < 2:
            raise self.retry(exc=OSError("not yet"), countdown=0.01)
        return int(self.request.retries)

    @app.task(bind=True)
    def halves(self: Any, n: int, times: int = 0) -> list[Any]:
        if n > 1:
            raise self.retry(args=(n // 2,), kwargs={"times": times + 1}, countdown=0)
        return [n, times, self.request.id, list(self.request.args), dict(self.request.kwargs)]

    @app.task(bind=True, max_retries=1)
    def never(self: Any, with_reason: bool) -> None:
        raise self.retry(exc=OSError("never") if with_reason else None, countdown=0)

    @app.task(bind=True, autoretry_for=(OSError,), max_retries=2, default_retry_delay=0)
    def auto(self: Any, times: int) -> int:
        if self.request.retries < times:
            raise OSError("not yet")
        return int(self.request.retries)

    @app.task
    def now() -> float:
        return time.time()

    @app.task
    def note(path: str) -> None:
        with Path(path).open("a") as file:
            file.write("ran\n")

    @app.task(ignore_result=True)
    def quiet() -> str:
        return "kept by nobody"

    @app.task
    def asks() -> int:
        return int(add.delay(1, 2).get(timeout=0.1))

    @app.task
    def ignores() -> None:
        raise exceptions.Ignore

    @app.task
    def write(text: Any, path: str) -> None:
        Path(path).write_text(str(text))

    @app.task(bind=True)
    def counts(self: Any, gate: str) -> None:
        self.update_state(state="COUNTED", meta={"n": 7})
        hold.run(gate)

    @app.task(bind=True)
    def headers_of(self: Any) -> Any:
        return {name: value for name, value in (self.request.headers or {}).items() if name == "a"}

    @app.task(bind=True)
    def family_of(self: Any) -> list[Any]:
        return [self.request.parent_id, self.request.root_id]

    @app.task
    def makes() -> str:
        return str(family_of.delay().id)

    @app.task
    def hold(gate: str) -> str:
        Path(gate + ".started").touch()
        end = time.monotonic() + 10
        while not Path(gate).exists() and time.monotonic() < end:
            time.sleep(0.005)
        return "let go"

    @app.task
    def pack(*args: Any) -> list[Any]:
        return list(args)

    @app.task(bind=True)
    def place_of(self: Any, *args: Any) -> list[Any]:
        found = self.request
        return [found.id, found.root_id, found.parent_id, found.group is not None, bool(found.chord)]

    @app.task(bind=True)
    def becomes(self: Any, form: Any) -> Any:
        return self.replace(app.signature(form))

    @app.task(name="named.by.hand")
    def named() -> str:
        return "named"

    return SimpleNamespace(
        **{name: value for name, value in locals().items() if name not in ("app", "exceptions")}
    )
