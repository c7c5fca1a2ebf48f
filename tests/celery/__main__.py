"""``python -m tests.celery`` writes the tables of docs/from_celery.md."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from table import PAGE, filled

PAGE.write_text(filled(PAGE.read_text()))
