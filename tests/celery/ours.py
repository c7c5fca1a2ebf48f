"""What ``pyqueue worker -A ours.py`` loads."""

import warehouse

from pyqueue import Celery, exceptions

app = Celery("warehouse")
tasks = warehouse.declare(app, exceptions)
