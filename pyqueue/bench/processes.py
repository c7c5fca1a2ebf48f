"""What the kernel says about a process and all that it has started."""

from __future__ import annotations

import os

from pyqueue.demo.processes import children


def family(pid: int) -> list[int]:
    """The process and its descendants."""
    found = [pid]
    for each in found:
        found.extend(children(each))
    return found


def cpu_seconds(pids: list[int]) -> float:
    """What their threads have spent on a CPU so far, to the nanosecond."""
    spent = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
                spent += int(file.read().split()[0])
    return spent / 1e9


def pss_megabytes(pids: list[int]) -> float:
    """Their memory, a page that several share counted in parts."""
    kilobytes = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            kilobytes += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return kilobytes / 1000
