"""``python -m pyqueue``."""

import sys

from pyqueue.cli.main import main

sys.exit(main())
