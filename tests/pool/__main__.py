"""``python -m tests.pool SECONDS``."""

import sys
from pathlib import Path

for beside in ("pool", "crash", "proofs"):
    sys.path.insert(0, str(Path(__file__).parent.parent / beside))

from soak import main  # noqa: E402

sys.exit(main(float(sys.argv[1])))
