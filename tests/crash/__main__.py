"""``python -m tests.crash`` kills processes of a queue at work, and judges what they leave behind."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "proofs"))
sys.path.insert(0, str(Path(__file__).parent))

from rounds import main

sys.exit(main())
