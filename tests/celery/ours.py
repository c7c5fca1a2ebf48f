"""What ``pyqueue worker -A ours.py`` loads."""

import shop

from pyqueue import Celery, exceptions

app = Celery("shop")
tasks = shop.declare(app, exceptions)
