"""The tests here use the processes of the proofs and the checker of the chaos."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "crash"))
