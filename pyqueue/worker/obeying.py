"""Who answers commands: a thread of the worker's main process, apart from its supervisors and from jobs, so that it answers
however much there is to do. It sleeps until the bell rings."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from pyqueue._core import Commands
from pyqueue.exceptions import EncodeError, QueueError
from pyqueue.serialization import decode_result, encode_result
from pyqueue.worker.log import log
from pyqueue.worker.on_demand import OnDemand
from pyqueue.worker.own_orders import OWN_ORDERS, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyqueue._core import OpenOrder
    from pyqueue.app import PyQueue
    from pyqueue.orders import Order
    from pyqueue.worker.crew import Crew

AGAIN: Final = 1.0
"""Seconds after which it is tried again to read or write the file."""
TRIES: Final = 5
AT_ONCE: Final = 16
"""Commands of the app's own that run at the same time, those that hang included."""


class Run:
    """A command of the app's own, in a thread that nobody can end."""

    def __init__(self, order: OpenOrder, owner: int, limit: float) -> None:
        self.order: Final = order
        self.owner: Final = owner
        self.limit: Final = limit
        self.until: Final = time.monotonic() + limit
        self.told = False


class Obeying:
    """Takes up the commands that are for this worker, each once, and answers them."""

    def __init__(self, app: PyQueue, crew: Crew, name: str, shutdown: Callable[[], None]) -> None:
        self._app: Final = app
        self._crew: Final = crew
        self._name: Final = name
        self._state: Final = State(app, name, crew, shutdown)
        self._commands: Final = Commands(app.store)
        self._known: int | None = None
        self._runs: dict[int, Run] = {}
        self._lock: Final = threading.Lock()
        self._own: SimpleQueue[tuple[OpenOrder, int]] = SimpleQueue()
        self._hand: Final = OnDemand("pyqueue-orders", self._carry_out)
        self._over: Final = threading.Event()
        self._pid = os.getpid()
        self._thread: Final = threading.Thread(target=self._run, name="pyqueue-commands", daemon=True)

    def start(self) -> None:
        """Begins: whoever is told that the worker is ready finds it obedient."""
        try:
            self._look()
        except QueueError as error:
            log.warning("commands are not obeyed yet: %s", error)
        self._thread.start()

    def stop(self) -> None:
        """Ends it; what a command of the app's own does goes on. Does nothing in a process that was forked off."""
        if self._pid != os.getpid() or not self._thread.is_alive():
            return
        self._over.set()
        while self._thread.is_alive():
            # It may be just about to wait.
            with suppress(QueueError):
                self._commands.ring()
            self._thread.join(0.05)

    def _run(self) -> None:
        # They are for the main thread, which sleeps without a time-out.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        trouble = None
        while not self._over.is_set():
            try:
                rung = self._commands.rung()
                if self._over.is_set():
                    return
                self._look()
                self._commands.wait(rung, self._end_overdue())
                trouble = None
            except QueueError as error:
                if str(error) != trouble:
                    trouble = str(error)
                    log.error("commands are not obeyed: %s", error)
                self._over.wait(AGAIN)
            except Exception:  # noqa: BLE001
                # A thread that has ended would be noticed by nobody.
                log.exception("commands are not obeyed, by an error in pyqueue itself")
                self._over.wait(60)

    def _look(self) -> None:
        owner = self._crew.id
        if owner != self._known and self._commands.obey(owner, self._name):
            # It is another where the worker was taken for dead and has come back.
            self._known = owner
        for order in self._commands.open(owner):
            self._take_up(order, owner)

    def _take_up(self, order: OpenOrder, owner: int) -> None:
        if order.asks and order.name in OWN_ORDERS:
            # Nothing is lost where it is done twice, so it is not begun first: one write less.
            self._answer(order, owner, *self._obeyed(order))
            return
        if not self._commands.begin(order.id, owner):
            return
        log.info("command %s (%s) of %s", order.name, order.id, order.author)
        if order.name in OWN_ORDERS:
            # One after the other, and not here: they wait for the supervisors.
            self._own.put((order, owner))
            self._hand.start()
            return
        known = self._app.orders.get(order.name)
        if known is None or known.function is None:
            what = f"{order.name} is no command of this worker: its code does not have it"
            self._answer(order, owner, False, {"error": what})
            return
        self._begin(order, owner, known)

    def _begin(self, order: OpenOrder, owner: int, known: Order) -> None:
        with self._lock:
            full = len(self._runs) >= AT_ONCE
            if not full:
                self._runs[order.id] = run = Run(order, owner, known.time_limit)
        if full:
            what = f"{AT_ONCE} commands of the app's own run here already, or hang"
            self._answer(order, owner, False, {"error": what})
            return
        threading.Thread(
            target=self._do, args=(run, known), name=f"pyqueue-{order.name}", daemon=True
        ).start()

    def _do(self, run: Run, known: Order) -> None:
        # What it starts must hear signals.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
        ok, value = self._obeyed(run.order, known)
        with self._lock:
            self._runs.pop(run.order.id, None)
            late, run.told = run.told, True
        if late:
            log.warning("command %s has ended after its time limit: nobody hears its answer", run.order.name)
        else:
            self._answer_at_last(run.order, run.owner, ok, value)

    def _end_overdue(self) -> int | None:
        """Answers for those that have overrun their time; for how many microseconds there is nothing to do then."""
        now = time.monotonic()
        with self._lock:
            waited_for = [run for run in self._runs.values() if not run.told]
            late = [run for run in waited_for if run.until <= now]
            for run in late:
                run.told = True
            following = min((run.until for run in waited_for if run.until > now), default=None)
        for run in late:
            what = f"{run.order.name} did not end within {run.limit:g} s; it may still go on"
            self._answer(run.order, run.owner, False, {"error": what})
        return None if following is None else max(1, round((following - now) * 1e6))

    def _carry_out(self) -> None:
        while True:
            order, owner = self._own.get()
            ok, value = self._obeyed(order)
            self._answer_at_last(order, owner, ok, value)
            if order.name == "shutdown" and ok:
                # Behind the answer: a worker that has stopped gives none.
                self._state.shutdown()

    def _obeyed(self, order: OpenOrder, known: Order | None = None) -> tuple[bool, Any]:
        try:
            arguments = decode_result(order.arguments)
            if known is None:
                value: Any = OWN_ORDERS[order.name](self._state, **arguments)
            else:
                assert known.function is not None
                value = known.function(self._state, **known.checked(arguments))
        except QueueError as error:
            return False, {"error": str(error)}
        except BaseException as error:  # noqa: BLE001  whatever it raises is its answer
            if known is not None or not isinstance(error, Exception):
                log.warning("command %s has failed", order.name, exc_info=True)
            return False, {"error": repr(error)}
        return not (isinstance(value, dict) and "error" in value), value

    def _answer(self, order: OpenOrder, owner: int, ok: bool, value: Any) -> None:
        try:
            body = encode_result(value, f"the answer of {order.name}")
        except EncodeError as error:
            ok, body = False, encode_result({"error": str(error)}, "an answer")
        self._commands.answer(order.id, owner, ok, body)

    def _answer_at_last(self, order: OpenOrder, owner: int, ok: bool, value: Any) -> None:
        """The same from a thread that has time, if the file can't be written now."""
        for left in reversed(range(TRIES)):
            try:
                self._answer(order, owner, ok, value)
            except QueueError as error:
                if left == 0:
                    log.error("command %s was obeyed and is not answered: %s", order.name, error)
                    return
                time.sleep(AGAIN)
            else:
                return
