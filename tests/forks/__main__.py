"""``python -m tests.forks --forks 5000 --dir D``: rounds of forks, each on a new file.

Each round is a line of JSON in D/totals.jsonl; a later call with the same D goes on. The file of a round with faults
is kept. Exits with 1 if any round had faults.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "beside"))
sys.path.insert(0, str(Path(__file__).parent.parent / "proofs"))

from rounds_of_forks import MOST, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.forks", description=__doc__.splitlines()[0])
    parser.add_argument("--forks", type=int, default=300)
    parser.add_argument("--dir", type=Path, default=None)
    asked = parser.parse_args()
    folder: Path = asked.dir or Path(tempfile.mkdtemp(prefix="forks-"))
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "totals.jsonl"
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    while (left := asked.forks - sum(line["forks"] for line in done)) > 0:
        place = folder / f"round-{len(done) + 1}"
        # One that was interrupted.
        shutil.rmtree(place, ignore_errors=True)
        round = run(place, min(MOST, left))
        with log.open("a") as file:
            file.write(round.line() + "\n")
        print(round.line(), flush=True)
        done.append(json.loads(round.line()))
        if round.faults:
            break
        shutil.rmtree(place)
    keys = ("forks", "kills", "parents", "children", "seconds")
    total = {key: sum(line[key] for line in done) for key in keys}
    faults = [fault for line in done for fault in line["faults"]]
    print(json.dumps({"rounds": len(done), **total, "faults": faults}))
    return int(bool(faults) or not done)


if __name__ == "__main__":
    sys.exit(main())
