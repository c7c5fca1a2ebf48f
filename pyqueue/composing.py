"""What a task does with other calls: many of its own, and what it becomes or adds while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from pyqueue import request
from pyqueue.mapped import Chunks, Starmap, Xmap
from pyqueue.signature import Signature

R = TypeVar("R")
V = TypeVar("V")


class Composing(Generic[R]):
    """The part of a task that is about workflows."""

    name: str
    _sender: Any

    def chunks(self, calls: Iterable[Iterable[Any]], size: int) -> Chunks[R]:
        """One call for each argument list, ``size`` of them to a job."""
        return Chunks(self.name, calls, size, sender=self._sender)

    def starmap(self, calls: Iterable[Iterable[Any]]) -> Starmap[R]:
        """One call for each argument list, all in one job; ``.delay()`` makes it."""
        return Starmap(self.name, calls, sender=self._sender)

    def map(self, values: Iterable[Any]) -> Starmap[R]:
        """One call for each value, all in one job; ``.delay()`` makes it."""
        return Xmap(self.name, ((value,) for value in values), sender=self._sender)

    def replace(self, sig: Signature[Any]) -> Any:
        """Ends the attempt here: the job goes on as ``sig``, which may be any canvas, and ends with its result.

        It keeps its id, its place in its workflow and its callbacks. Write ``return self.replace(…)``. Where no worker
        runs the task the call is made at once, and its result returned.
        """
        return request.attempt_of(self).replaced(sig)

    def add_to_chord(self, sig: Signature[Any], lazy: bool = False) -> Any:
        """Adds a member to the group whose callback waits for the running job; its handle.

        It is stored once this job succeeds, and its result comes after those that are there. Raises ValueError where
        nobody waits for a group of which the job is a member. ``lazy`` is refused.
        """
        if lazy:
            raise ValueError("lazy=True can't be had: a member that is sent later would be no member")
        return request.attempt_of(self).added(sig)

    def step(self, name: str, function: Callable[..., V], *args: Any, **kwargs: Any) -> V:
        """Calls ``function`` once for this job, however often that is tried again: its result is kept in the file, and
        returned from there, as a result would be read (tuples are lists then).

        What it raises is not kept, and if its process dies before the result is kept it is called again. ``name`` names the step within the job. A coroutine function gives a coroutine. Raises
        EncodeError for a result that is no JSON, LeaseLost where the job is not this attempt's any more.
        """
        if not isinstance(name, str) or not 0 < len(name) < 256:
            raise ValueError(f"a step has a name of 1 to 255 characters, not {name!r:.80}")
        return request.attempt_of(self).step(name, function, args, kwargs)  # type: ignore[no-any-return]
