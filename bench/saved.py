"""A run's JSON: what it was made on, and every figure of every round, written anew after each."""

import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from pyqueue._core import __version__, sqlite_version
from pyqueue.bench.figures import Figures

RESULTS = Path(__file__).parent / "results"


class Saved:
    """One run; ``content`` is what the file has."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self.path = path
        self.content = content

    @classmethod
    def new(cls, kind: str, settings: dict[str, Any], folder: Path) -> "Saved":
        """Begins one, named by kind and time."""
        now = datetime.datetime.now(datetime.UTC)
        content: dict[str, Any] = {
            "kind": kind,
            "began": now.isoformat(timespec="seconds"),
            "finished": None,
            "settings": settings,
            "machine": machine(folder),
            "commit": _commit(),
            "rivals": {},
            "left_out": {},
            "measured": [],
        }
        saved = cls(RESULTS / f"{now:%Y-%m-%d-%H%M%S}-{kind}.json", content)
        saved.write()
        return saved

    @classmethod
    def read(cls, path: Path) -> "Saved":
        """One that was begun before."""
        return cls(path, json.loads(path.read_text()))

    @classmethod
    def unfinished(cls, kind: str, settings: dict[str, Any]) -> "Saved | None":
        """The newest run of that kind and settings that was begun at this commit and has not ended."""
        for path in sorted(RESULTS.glob(f"*-{kind}.json"), reverse=True):
            saved = cls.read(path)
            same = saved.content["settings"] == settings and saved.content["commit"] == _commit()
            if same and saved.content["finished"] is None:
                return saved
        return None

    def has(self, round_: int, row: str, contender: str) -> bool:
        """Whether this was measured, or was tried and failed, already."""
        wanted = (round_, row, contender)
        return any(
            (each["round"], each["row"], each["contender"]) == wanted for each in self.content["measured"]
        )

    def add(self, round_: int, row: str, contender: str, seconds: float, **found: Figures | str) -> None:
        """Notes ``figures`` (and the codec), or an ``error``."""
        self.content["measured"].append(
            {"round": round_, "row": row, "contender": contender, "seconds": round(seconds, 1), **found}
        )
        self.write()

    def finish(self) -> None:
        """Nothing is missing any more."""
        self.content["finished"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.write()

    def write(self) -> None:
        """Replaces the file whole: a run that is stopped leaves one that can be read."""
        self.path.parent.mkdir(exist_ok=True)
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(self.content, indent=1) + "\n")
        draft.replace(self.path)


def machine(folder: Path) -> dict[str, Any]:
    """What a reader needs to know of where this runs."""
    found = subprocess.run(
        ("findmnt", "-no", "FSTYPE", "-T", str(folder)), capture_output=True, text=True, check=False
    )
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "cpu": model[0].partition(":")[2].strip() if model else platform.machine(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "kernel": platform.release().partition("-")[0],
        "file_system": found.stdout.strip() or "unknown",
        "python": sys.version.split()[0],
        "pyqueue": __version__,
        "sqlite": sqlite_version,
        "load_at_begin": os.getloadavg()[0],
    }


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(
            ("git", *words), cwd=RESULTS.parent, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "--short", "HEAD") + ("+changes" if changed else "")
