"""What a run tells the files of the rivals: where Redis is, where files go, and how tasks are counted."""

import importlib.util
import os
from pathlib import Path

FOLDER = Path(os.environ["BENCH_FOLDER"])
REDIS_PORT = int(os.environ.get("BENCH_REDIS_PORT", "0"))
REDIS_URL = f"redis://127.0.0.1:{REDIS_PORT}/0"

# By its path: importing pyqueue would load its core into the rival's processes.
_path = Path(__file__).parents[2] / "pyqueue" / "bench" / "tally.py"
_spec = importlib.util.spec_from_file_location("tally", _path)
assert _spec is not None
assert _spec.loader is not None
_tally = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_tally)

count = _tally.count
waited = _tally.waited
