"""A process that makes jobs as fast as it can for some seconds: ``python -m pyqueue.bench.producer SECONDS OUT``.

Says it is ready, begins when its standard input ends, and leaves how long each call took (ns) in OUT.
"""

from __future__ import annotations

import sys
import time
from array import array


def main() -> None:
    """Runs it."""
    from pyqueue.bench.tasks import picked_up  # noqa: PLC0415  its app reads the environment

    seconds, out = float(sys.argv[1]), sys.argv[2]
    took, call, clock = array("q"), picked_up.delay, time.monotonic_ns
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    now = clock()
    end = now + round(seconds * 1e9)
    while now < end:
        call(now)
        after = clock()
        took.append(after - now)
        now = after
    with open(out, "wb") as file:
        took.tofile(file)


if __name__ == "__main__":
    main()
