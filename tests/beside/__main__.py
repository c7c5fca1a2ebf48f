"""``python -m tests.beside --commits 5000000 --minutes 20 --dir D``: rounds of the torture, until one of both is reached.

Each round is a line of JSON in D/totals.jsonl; a later call with the same D goes on. The file of a round with faults
is kept. Exits with 1 if any round had faults.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "proofs"))

from torture import run

ROUND = 300_000
"""The commits of a round: the audit stays short, and the file small."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.beside", description=__doc__.splitlines()[0])
    parser.add_argument("--commits", type=int, default=ROUND)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--dir", type=Path, default=None)
    asked = parser.parse_args()
    folder: Path = asked.dir or Path(tempfile.mkdtemp(prefix="beside-"))
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "totals.jsonl"
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    commits = sum(line["ours"] + line["hosts"] for line in done)
    ends = time.monotonic() + asked.minutes * 60
    while commits < asked.commits and (left := ends - time.monotonic()) > 1:
        place = folder / f"round-{len(done) + 1}"
        # One that was interrupted.
        shutil.rmtree(place, ignore_errors=True)
        goal = min(ROUND, asked.commits - commits)
        journal = "delete" if len(done) % 3 == 2 else "wal"
        round = run(place, commits=goal, seconds=min(left, 120), journal=journal)
        with log.open("a") as file:
            file.write(round.line() + "\n")
        print(round.line(), flush=True)
        done.append(json.loads(round.line()))
        commits += round.commits
        if round.faults:
            break
        shutil.rmtree(place)
    total = {key: sum(line[key] for line in done) for key in ("ours", "hosts", "kills", "seconds")}
    faults = [fault for line in done for fault in line["faults"]]
    print(json.dumps({"rounds": len(done), "commits": commits, **total, "faults": faults}))
    return int(bool(faults) or commits == 0)


if __name__ == "__main__":
    sys.exit(main())
