"""Measures step by step, saves after each, and says what is going on."""

import datetime
import time
from pathlib import Path
from typing import Any

from bench import floor
from bench.contenders import OURS
from bench.installing import CannotInstall
from bench.plan import Step
from bench.saved import Saved
from bench.session import ROOT, ROWS, Failed, measure_rival
from bench.table import shown
from pyqueue.bench.figures import Figures
from pyqueue.bench.measure import measure, room_for
from pyqueue.exceptions import QueueError


class Run:
    """The steps of one run."""

    def __init__(self, steps: list[Step], saved: Saved, folder: Path, scale: float) -> None:
        self._steps = steps
        self._saved = saved
        self._folder = folder
        self._scale = scale
        self._took: list[float] = []

    def to_the_end(self) -> None:
        """Measures what is missing. What fails is noted by its name and reason; the run goes on."""
        self._prepare()
        missing = [step for step in self._steps if not self._saved.has(*step[:3])]
        for at, step in enumerate(missing):
            left = self._left(len(missing) - at)
            print(
                f"[{at + 1:3}/{len(missing)}] round {step.round + 1}  {step.contender:20} {step.row:13}",
                end=" ",
                flush=True,
            )
            start = time.perf_counter()
            said = self._one(step, start)
            self._took.append(time.perf_counter() - start)
            print(f"{said}  ({self._took[-1]:.0f} s{left})", flush=True)
        self._saved.finish()

    def _prepare(self) -> None:
        try:
            floor.build()
        except CannotInstall as error:
            self._leave_out("floor", str(error))

    def _one(self, step: Step, start: float) -> str:
        try:
            if step.ours is not None:
                return self._ours(step, start)
            if step.rival is not None:
                return self._rival(step, start)
            figures = floor.bare_inserts(self._folder, self._scale)
        except (CannotInstall, Failed, QueueError, OSError) as error:
            why = str(error).replace(str(self._folder), "FOLDER").replace(str(ROOT), ".")
            self._saved.add(*step[:3], time.perf_counter() - start, error=why)
            self._leave_out(step.contender if step.contender != OURS else step.row, why)
            return f"NOT MEASURED: {why[:200]}"
        self._saved.add(*step[:3], time.perf_counter() - start, figures=figures)
        return shown(step.row, figures)

    def _ours(self, step: Step, start: float) -> str:
        assert step.ours is not None
        refusal = room_for(step.ours.long, str(self._folder), self._scale)
        if refusal is not None:
            raise QueueError(f"there is not enough room on the disk: {refusal}")
        figures, codec = measure(step.row, str(self._folder), self._scale)
        self._saved.add(*step[:3], time.perf_counter() - start, figures=figures, codec=codec)
        return shown(step.row, figures)

    def _rival(self, step: Step, start: float) -> str:
        assert step.rival is not None
        by_row, said = measure_rival(step.rival, self._folder, self._scale)
        self._saved.content["rivals"][step.contender] = _told(said)
        seconds = time.perf_counter() - start
        for row in ROWS:
            if row in by_row:
                self._saved.add(step.round, row, step.contender, 0.0, figures=by_row[row])
        # The session itself is what a resumed run looks for.
        self._saved.add(*step[:3], seconds, figures=_none())
        return ", ".join(
            f"{row} {shown(row, by_row[row])}" for row in ("drain", "delay", "pickup") if row in by_row
        )

    def _leave_out(self, name: str, why: str) -> None:
        self._saved.content["left_out"][name] = why
        self._saved.write()

    def _left(self, steps: int) -> str:
        if not self._took:
            return ""
        seconds = steps * sum(self._took) / len(self._took)
        return f", about {datetime.timedelta(seconds=60 * round(seconds / 60))} left"


def _none() -> Figures:
    return {}


def _told(said: dict[str, Any]) -> dict[str, Any]:
    """What a reader elsewhere can use: nothing of where things lie here."""
    python = said["python"]
    commands = [
        " ".join("python" if word == python else word for word in command) for command in said["worker"]
    ]
    return {**{name: each for name, each in said.items() if name != "python"}, "worker": commands}
