"""``with app.testing():`` runs jobs where they are made, on a file of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyqueue.worker.in_place import InPlace

if TYPE_CHECKING:
    from pyqueue.app import PyQueue


@contextmanager
def testing(app: PyQueue, propagate: bool) -> Iterator[PyQueue]:
    """Until the block ends, jobs of ``app`` run at once, in the caller, on a new temporary file.

    What a task raises is raised by ``delay``, unless ``propagate`` is False; then it is in the result. Delays,
    retries' delays and time limits are left out. The app's own file is not touched.
    """
    place = InPlace(app, propagate)
    before = app.put_in_place(place)
    try:
        yield app
    finally:
        app.put_in_place(before)
        place.close()
