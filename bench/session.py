"""One rival, once: its workers and its producer are started, every figure is taken, everything is stopped."""

import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from bench.contenders import Contender
from bench.installing import python_of
from bench.redis_server import Server, redis_server
from pyqueue.bench.figures import Figures, milliseconds
from pyqueue.bench.processes import cpu_seconds, family, pss_megabytes
from pyqueue.bench.tally import FOLDER, Tallies

ROOT = Path(__file__).parent.parent
ROWS = ("drain", "delay", "many", "pickup", "round-trip", "idle")


class Failed(Exception):
    """What the rival did not do."""


def measure_rival(
    contender: Contender, folder: Path, scale: float
) -> tuple[dict[str, Figures], dict[str, Any]]:
    """Its figures by row, and what was set. Raises CannotInstall or Failed."""
    python = python_of(contender.rival)
    with ExitStack() as stack:
        place = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(dir=folder, prefix="rival-", ignore_cleanup_errors=True)
            )
        ).resolve()
        server = None
        if contender.mode is not None:
            server = stack.enter_context(redis_server(place, contender.mode))
        session = Session(contender, python, place, server, scale)
        stack.callback(session.end)
        return session.run(), session.said


class Session:
    """The processes of a rival in their folder."""

    def __init__(
        self, contender: Contender, python: Path, place: Path, server: Server | None, scale: float
    ) -> None:
        self._contender = contender
        self._place = place
        self._server = server
        self._scale = scale
        self._tallies = Tallies(str(place))
        self._environment = {
            **os.environ,
            FOLDER: str(place),
            "BENCH_REDIS_PORT": str(server.port if server else 0),
            "PYTHONPATH": str(ROOT),
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "VIRTUAL_ENV": str(python.parent.parent),
        }
        self._log = (place / "log").open("wb")
        self._workers: list[subprocess.Popen[bytes]] = []
        command = [str(python), "-m", "bench.rivals.producer", contender.rival.name]
        self._producer = self._started(command)
        self.said = self._ask("describe", 0)
        self.said["redis"] = server.settings if server else None

    def run(self) -> dict[str, Figures]:
        """Latencies beside idle workers first, then a backlog, then the workers on it."""
        found: dict[str, Figures] = {}
        self._start_workers()
        found["pickup"] = self._pickup(max(20, round(200 * self._scale)))
        if self.said["stores_results"]:
            took = self._ask("round_trip", max(20, round(200 * self._scale)))["took"]
            found["round-trip"] = milliseconds(took, 50, 99)
        found["idle"] = self._idle()
        self._stop_workers()
        backlog = max(200, round(self._contender.rival.backlog * min(1.0, 2 * self._scale)))
        if self._contender.mode == "always":
            backlog //= 2
        found["delay"] = self._ask("delay", backlog)
        many = self._ask("many", max(1, round(20 * self._scale)))
        if many:
            found["many"] = {"rate": many["rate"]}
            backlog += many["made"]
        found["drain"] = self._drain(backlog)
        return found

    def _pickup(self, count: int) -> Figures:
        before, pause = self._tallies.total(), random.Random(1)
        for number in range(1, count + 1):
            self._ask("timed", 1)
            self._until(lambda number=number: self._tallies.total() >= before + number, 30)  # type: ignore[misc]
            # Long enough for the workers to be asleep again.
            time.sleep(pause.uniform(0.005, 0.015))
        return milliseconds(self._tallies.notes(), 50, 99)

    def _idle(self) -> Figures:
        pids = [pid for worker in self._workers for pid in family(worker.pid)]
        time.sleep(1.5)
        length = max(2.0, 6.0 * self._scale)
        servers = [self._server.pid] if self._server else []
        before, of_server, start = cpu_seconds(pids), cpu_seconds(servers), time.perf_counter()
        time.sleep(length)
        percent = 100 / (time.perf_counter() - start)
        found = {
            "cpu_percent": (cpu_seconds(pids) - before) * percent,
            "pss_mb": pss_megabytes(pids),
            "processes": len(pids),
        }
        if servers:
            found["redis_cpu_percent"] = (cpu_seconds(servers) - of_server) * percent
            found["redis_pss_mb"] = pss_megabytes(servers)
        return found

    def _drain(self, backlog: int) -> Figures:
        before = self._tallies.total()
        window = max(2.0, 6.0 * self._scale)
        for command in self.said["worker"]:
            self._workers.append(self._started(command))
        self._until(lambda: self._tallies.total() > before, 60)
        first, start = self._tallies.total(), time.perf_counter()
        while (done := self._tallies.total()) < before + backlog and time.perf_counter() - start < window:
            time.sleep(0.005)
        end = time.perf_counter()
        # What it had done at the first look is not counted.
        return {"rate": (done - first) / (end - start), "done": done - before, "backlog": backlog}

    def _start_workers(self) -> None:
        """They have run two jobs when this returns."""
        before = self._tallies.total()
        for command in self.said["worker"]:
            self._workers.append(self._started(command))
        self._ask("delay", 2)
        self._until(lambda: self._tallies.total() >= before + 2, 60)

    def _stop_workers(self) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            with suppress(subprocess.TimeoutExpired):
                worker.wait(5)
            _kill(worker)
        self._workers.clear()

    def end(self) -> None:
        """Nothing of it is left."""
        for process in (*self._workers, self._producer):
            _kill(process)
        self._log.close()

    def _started(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=self._place,
            env=self._environment,
            stdin=subprocess.PIPE if "bench.rivals.producer" in command else subprocess.DEVNULL,
            stdout=subprocess.PIPE if "bench.rivals.producer" in command else self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def _ask(self, word: str, number: int) -> dict[str, Any]:
        assert self._producer.stdin is not None
        assert self._producer.stdout is not None
        with suppress(BrokenPipeError):
            self._producer.stdin.write(f"{word} {number}\n".encode())
            self._producer.stdin.flush()
        answer = self._producer.stdout.readline()
        if not answer:
            raise Failed(f"{word} failed: {self._last_words()}")
        said: dict[str, Any] = json.loads(answer)
        return said

    def _until(self, condition: Callable[[], bool], within: float) -> None:
        end = time.monotonic() + within
        while not condition():
            if time.monotonic() > end:
                raise Failed(f"its workers did not do it within {within:g} s: {self._last_words()}")
            time.sleep(0.001)

    def _last_words(self) -> str:
        self._log.flush()
        return " | ".join((self._place / "log").read_text(errors="replace").splitlines()[-6:])[-900:]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With all that it has started: they are of its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
