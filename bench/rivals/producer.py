"""Makes jobs in a rival's own interpreter, as it is told line by line: ``python -m bench.rivals.producer NAME``.

Each line is a word and a number; each answer is one line of JSON.
"""

import importlib
import json
import os
import sys
import time
from importlib.metadata import packages_distributions, version

rival = importlib.import_module(f"bench.rivals.{sys.argv[1]}")


def describe(_):
    """What was set, what it can't do, how its workers are started, and the versions of what is installed."""
    names = {name for several in packages_distributions().values() for name in several}
    return {
        "settings": rival.SETTINGS,
        "worker": rival.worker(),
        "python": sys.executable,
        "stores_results": rival.result is not None,
        "versions": {name: version(name) for name in sorted(names) if name not in ("pip", "setuptools")},
    }


def delay(count):
    """Calls a second."""
    start = time.perf_counter()
    if rival.send_each is not None:
        rival.send_each(count)
    else:
        for number in range(count):
            rival.send(number)
    return {"rate": count / (time.perf_counter() - start)}


def many(batches):
    """Jobs a second in so many batches of 1,000, or what 2 s are enough for."""
    if rival.send_many is None:
        return {}
    made, start = 0, time.perf_counter()
    while made < batches * 1_000 and time.perf_counter() - start < 2:
        rival.send_many(1_000)
        made += 1_000
    return {"rate": made / (time.perf_counter() - start), "made": made}


def timed(count):
    """Jobs that note how long they were on their way."""
    for _ in range(count):
        rival.send_timed(time.monotonic_ns())
    return {}


def round_trip(count):
    """How long each took from the call to its result (ns)."""
    took = []
    for number in range(count):
        start = time.perf_counter_ns()
        rival.result(rival.send(number))
        took.append(time.perf_counter_ns() - start)
    return {"took": took}


WORDS = {"describe": describe, "delay": delay, "many": many, "timed": timed, "round_trip": round_trip}


def main():
    """Runs it."""
    # Whatever a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        word, number = line.split()
        answers.write(json.dumps(WORDS[word](int(number))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
