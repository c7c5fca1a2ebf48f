"""``python -m tests.hostile --flips 100000 --dir D`` tries damaged files, and goes on where it was stopped.

Totals are one JSON line in ``D/totals.json`` and on standard output; what was wrong is in ``D/wrong.jsonl``.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from hostile.flipping import run, totals

STEP = 2_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("--flips", type=int, default=100_000)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    asked.dir.mkdir(parents=True, exist_ok=True)
    kept = asked.dir / "totals.json"
    told = json.loads(kept.read_text()) if kept.exists() else {"seed": asked.seed, "flips": 0}
    while told["flips"] < asked.flips:
        count = min(STEP, asked.flips - told["flips"])
        became, wrong = totals(run(asked.dir, told["flips"], count, seed=told["seed"]))
        with (asked.dir / "wrong.jsonl").open("a") as file:
            file.writelines(json.dumps(each) + "\n" for each in wrong)
        told["flips"] += count
        for name in ("fine", "troubled", "refused", "wrong"):
            told[name] = told.get(name, 0) + became[name]
        kept.write_text(json.dumps(told) + "\n")
        print(json.dumps(told), flush=True)
    return int(told.get("wrong", 0) > 0)


if __name__ == "__main__":
    sys.exit(main())
