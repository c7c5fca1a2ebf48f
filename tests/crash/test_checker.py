"""The checker finds what is wrong: each promise broken by hand is reported, and nothing else; the valid history passes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from checker import check
from events import Recorder, by_hand, read
from rules import RULES

# Two jobs of one call, one with a key, one cancelled, one that was refused, one in a host's transaction that ends in
# its own, two in one that was rolled back. B's first process is killed while it
# runs, and its second is stopped and refused; poison takes two processes along.
VALID = """
 10 producer1    enqueue invoke  a 2 - 0
 11 producer1    enqueue ok      a A B
 12 producer1    enqueue invoke  k 1 key 0
 13 producer1    enqueue ok      k K
 14 producer2    enqueue invoke  k2 1 key 0
 15 producer2    enqueue ok      k2 =K
 16 producer2    enqueue invoke  d 1 - 50000
 17 producer2    enqueue ok      d D
 18 producer2    enqueue invoke  x 1 - 0
 19 producer2    enqueue fail    x DatabaseBusy
 20 child11.5    start ok        A a.0 1 1 5
 21 child12.5    start ok        B a.1 1 1 5
 22 child11.5    end ok          A 1
 23 killer9      kill invoke     12 child
 24 child12.5    end ok          B 1
 25 killer9      kill ok         12 child
 26 producer1    seen ok         A success
 30 child13.6    start ok        B a.1 2 2 5
 31 killer9      stop invoke     6
 40 child11.5    start ok        B a.1 3 3 5
 41 child13.6    progress invoke B 2
 42 child13.6    progress fail   B 2
 43 child11.5    end ok          B 3
 44 child11.5    start ok        K k.0 4 1 5
 45 child11.5    end ok          K 4
 46 producer1    enqueue invoke  k3 1 key 0
 47 producer1    enqueue ok      k3 L
 50 producer2    cancel invoke   D
 51 producer2    cancel ok       D
 60 child11.5    start ok        L k3.0 5 1 5
 61 child11.5    end ok          L 5
 62 producer1    order invoke    o 1
 62 producer1    enqueue invoke  o 1 - 0
 63 producer1    order ok        o
 63 producer1    enqueue ok      o O
 64 producer1    order invoke    r 2
 64 producer1    enqueue invoke  r 2 - 0
 65 producer1    order fail      r
 65 producer1    enqueue fail    r RolledBack
 66 child11.5    start ok        O o.0 5 1 5
 67 child11.5    transaction invoke O
 68 child11.5    end ok          O 5
 70 producer2    enqueue invoke  p 1 - 0
 71 child11.5    start ok        P p.0 6 1 2
 72 child11.5    kill invoke     11 itself
 75 child14.5    start ok        P p.0 7 2 2
 76 child14.5    kill invoke     14 itself
 90 auditor0     file ok         A 1 success 1 success
 90 auditor0     file ok         B 1 lost 1 -
 90 auditor0     file ok         B 2 lost 2 -
 90 auditor0     file ok         B 3 success 3 success
 90 auditor0     file ok         K 1 success 4 success
 90 auditor0     file ok         D 1 cancelled - cancelled
 90 auditor0     file ok         L 1 success 5 success
 90 auditor0     file ok         O 1 success 5 success
 90 auditor0     ordered ok      o.0
 90 auditor0     effect ok       O 5
 90 auditor0     file ok         P 1 lost 6 -
 90 auditor0     file ok         P 2 lost 7 dead
"""


def broken(history: str) -> set[str]:
    """The promises that a history breaks."""
    events = sorted(by_hand(history), key=lambda event: event.at)
    return {fault.split()[0] for fault in check(events, [rule() for rule in RULES]).faults}


def without(*lines: str) -> str:
    """The valid history but for lines."""
    kept = [line for line in VALID.splitlines() if " ".join(line.split()) not in lines]
    assert len(kept) == len(VALID.splitlines()) - len(lines), "a line that is not there can't be left out"
    return "\n".join(kept)


def test_control_the_valid_history_passes() -> None:
    assert broken(VALID) == set()


@pytest.mark.parametrize(
    ("left_out", "put_in"),
    [
        (["90 auditor0 file ok L 1 success 5 success"], ""),
        ([], "80 producer1 enqueue invoke n 1 - 0 \n 81 producer1 enqueue ok n N"),
        ([], "80 producer1 enqueue invoke n 1 - 0 \n 81 producer1 enqueue ok n ?"),
        # Half of a call whose outcome is in doubt.
        (
            [],
            "26 producer1 enqueue invoke n 2 - 0 \n 27 child15.5 start ok N n.0 9 1 5 \n 28 child15.5 end ok N 9",
        ),
        # Refused, and run all the same.
        ([], "27 child15.5 start ok X x.0 9 1 5 \n 28 child15.5 end ok X 9"),
        # Made by nobody.
        ([], "27 child15.5 start ok X other.0 9 1 5 \n 28 child15.5 end ok X 9"),
        # The id of one job, the call of another.
        (["20 child11.5 start ok A a.0 1 1 5"], "20 child11.5 start ok A a.1 1 1 5"),
    ],
)
def test_p1_a_lost_job_is_found(left_out: list[str], put_in: str) -> None:
    assert broken(f"{without(*left_out)}\n{put_in}") == {"P1"}


@pytest.mark.parametrize(
    ("left_out", "put_in"),
    [
        # A job without its row, a row without its job, a row of what was rolled back, one of nobody's.
        (["90 auditor0 ordered ok o.0"], ""),
        ([], "80 producer1 order invoke n 1 \n 91 auditor0 ordered ok n.0"),
        ([], "91 auditor0 ordered ok r.1"),
        ([], "91 auditor0 ordered ok n.0"),
        # Half of an order whose outcome is in doubt.
        ([], "80 producer1 order invoke n 2 \n 91 auditor0 ordered ok n.0"),
        # Told that it is there.
        ([], "80 producer1 order invoke n 1 \n 81 producer1 order ok n"),
    ],
)
def test_p2_a_job_or_a_row_alone_is_found(left_out: list[str], put_in: str) -> None:
    assert broken(f"{without(*left_out)}\n{put_in}") == {"P2"}


def test_p2_an_order_in_doubt_is_there_or_not() -> None:
    doubt = "80 producer1 order invoke n 1 \n 80 producer1 enqueue invoke n 1 - 0"
    run = """
     81 child15.5 start ok N n.0 9 1 5
     82 child15.5 end ok N 9
     91 auditor0 file ok N 1 success 9 success
     91 auditor0 ordered ok n.0
    """
    assert broken(f"{VALID}\n{doubt}") == broken(f"{VALID}\n{doubt}\n{run}") == set()


@pytest.mark.parametrize(
    ("left_out", "put_in"),
    [
        # Twice, not at all, by another attempt, by one that did not succeed.
        ([], "91 auditor0 effect ok O 5"),
        (["90 auditor0 effect ok O 5"], ""),
        (["90 auditor0 effect ok O 5"], "91 auditor0 effect ok O 4"),
        ([], "91 auditor0 effect ok P 6"),
    ],
)
def test_p8_effects_without_their_end_are_found(left_out: list[str], put_in: str) -> None:
    assert broken(f"{without(*left_out)}\n{put_in}") == {"P8"}


@pytest.mark.parametrize(
    "second",
    [
        # Its first process is alive and goes on: with this job…
        "42 child15.5 start ok K k.0 4 1 5 \n 43 child15.5 end ok K 4",
        "21 child15.5 start ok A a.0 2 1 5",
        # …or with another.
        "60 child15.5 start ok L k3.0 5 1 5",
    ],
)
def test_p3_two_attempts_at_a_time_are_found(second: str) -> None:
    assert "P3" in broken(f"{VALID}\n{second}")


def test_p3_an_attempt_that_goes_on_after_the_next_has_begun_is_found() -> None:
    # B's first process was not killed, so that its end at 24 is an end and what it does later is life.
    alive = without(
        "23 killer9 kill invoke 12 child", "25 killer9 kill ok 12 child", "24 child12.5 end ok B 1"
    )
    assert broken(alive) == set(), "a silent process proves nothing"
    assert broken(f"{alive}\n 35 child12.5 end ok B 1") == {"P3"}


def test_p3_a_token_that_does_not_grow_is_found() -> None:
    swapped = VALID.replace("start ok        B a.1 2 2 5", "start ok        B a.1 1 2 5")
    assert "P3" in broken(swapped)
    backwards = VALID.replace("file ok         B 2 lost 2 -", "file ok         B 2 lost 9 -")
    assert "P3" in broken(backwards)


def test_p4_a_write_after_the_loss_is_found() -> None:
    assert broken(VALID.replace("progress fail   B 2", "progress ok     B 2")) == {"P4"}
    # The zombie's outcome ended the job, not that of its successor.
    assert "P4" in broken(VALID.replace("B 3 success 3 success", "B 3 success 2 success"))


def test_p4_a_write_that_came_before_the_loss_is_none() -> None:
    early = "22 child12.5 progress invoke B 1 \n 23 child12.5 progress ok B 1"
    assert broken(f"{VALID}\n{early}") == set()


@pytest.mark.parametrize(
    "late",
    [
        # After its result was seen, after it was cancelled.
        "80 child15.5 start ok A a.0 9 2 5",
        "80 child15.5 start ok D d.0 9 1 5",
        # Ended twice.
        "91 auditor0 file ok A 2 success 9 success",
        # A success that nobody ran.
        "80 producer1 enqueue invoke n 1 - 0 \n 91 auditor0 file ok N 1 success 9 success",
        # Somebody was told of another end.
        "80 producer1 seen ok K dead",
    ],
)
def test_p5_a_job_that_goes_on_after_its_end_is_found(late: str) -> None:
    assert "P5" in broken(f"{VALID}\n{late}")


def test_p6_a_job_that_stays_in_line_is_found() -> None:
    assert broken(f"{without('90 auditor0 file ok L 1 success 5 success')}\n91 auditor0 left ok L") == {"P6"}


def test_p6_the_time_from_a_kill_to_the_next_start_is_counted_and_bounded() -> None:
    events = sorted(by_hand(VALID), key=lambda event: event.at)
    figures = check(events, [rule() for rule in RULES]).figures
    # Of the jobs that were killed, stopped or killed themselves while they ran: B at 31 and P at 72.
    assert figures["gap ms <1"] == 2
    late = without("76 child14.5 kill invoke 14 itself", "75 child14.5 start ok P p.0 7 2 2")
    late = f"{late}\n 70000080 child14.5 start ok P p.0 7 2 2\n 70000081 child14.5 kill invoke 14 itself"
    assert broken(late) == {"P6"}


def test_p7_a_job_that_takes_too_many_processes_along_is_found() -> None:
    third = "77 child15.5 start ok P p.0 8 3 2 \n 78 child15.5 kill invoke 15 itself"
    history = without("90 auditor0 file ok P 2 lost 7 dead")
    more = "91 auditor0 file ok P 2 lost 7 - \n 92 auditor0 file ok P 3 lost 8 dead"
    assert broken(f"{history}\n{third}\n{more}") == {"P7"}
    # Given up too early.
    early = without("90 auditor0 file ok P 1 lost 6 -")
    assert broken(early) == {"P7"}


def test_p9_two_unfinished_jobs_with_one_key_are_found() -> None:
    second = """
     30 producer2 enqueue invoke k9 1 key 0
     31 producer2 enqueue ok k9 M
     55 child15.5 start ok M k9.0 9 1 5
     56 child15.5 end ok M 9
     91 auditor0 file ok M 1 success 9 success
    """
    assert broken(VALID + second) == {"P9"}
    # The same after the first has ended, while nobody else has the key.
    later = (
        second.replace(" 30 ", " 80 ").replace(" 31 ", " 81 ").replace(" 55 ", " 85 ").replace(" 56 ", " 86 ")
    )
    assert broken(VALID + later) == set()


def test_p9_a_job_may_end_before_its_client_hears_of_it() -> None:
    late = VALID.replace("13 producer1    enqueue ok      k K", "48 producer1    enqueue ok      k K")
    assert broken(late) == set()


def test_p9_a_loser_that_is_sent_to_a_stranger_is_found() -> None:
    assert broken(VALID.replace("enqueue ok      k2 =K", "enqueue ok      k2 =A")) == {"P9"}


def test_p12_an_early_start_is_found() -> None:
    early = without("90 auditor0 file ok D 1 cancelled - cancelled", "51 producer2 cancel ok D")
    run = "20016 child15.5 start ok D d.0 9 1 5 \n 20017 child15.5 end ok D 9 \n 90000 auditor0 file ok D 1 success 9 success"
    assert broken(f"{early}\n{run}") == {"P12"}
    assert broken(f"{early}\n{run}".replace("2001", "5001")) == set()


WRITER = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from events import Recorder
record = Recorder(Path(sys.argv[2]), "writer")
for n in range(100): record("start", "ok", f"job-{n}")
if sys.argv[3] == "torn": os.write(record._fd, b"101 17 start o")
if sys.argv[3] == "gap":
    record._number += 1
    record("start", "ok", "job")
os.kill(os.getpid(), signal.SIGKILL)
"""


def written(folder: Path, how: str) -> int:
    here = str(Path(__file__).parent)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, here, str(folder), how])
    assert writer.wait(20) == -signal.SIGKILL
    return writer.pid


def test_every_whole_line_of_a_killed_process_is_there(tmp_path: Path) -> None:
    written(tmp_path, "whole")
    reading = read(tmp_path)
    assert [event.subject for event in reading.events] == ["writer", *(f"job-{n}" for n in range(100))]
    assert reading.faults == []


def test_a_torn_last_line_needs_a_kill_and_a_missing_line_has_no_excuse(tmp_path: Path) -> None:
    pid = written(tmp_path, "torn")
    assert len(read(tmp_path).faults) == 1
    killer = Recorder(tmp_path, "killer")
    killer("kill", "invoke", pid, "writer")
    assert read(tmp_path).faults == []
    pid = written(tmp_path, "gap")
    killer("kill", "invoke", pid, "writer")
    assert ["should" in fault for fault in read(tmp_path).faults] == [True]


def test_two_files_of_one_pid_do_not_mix(tmp_path: Path) -> None:
    for _ in range(2):
        Recorder(tmp_path, "child")("start", "ok", "job")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"child-{os.getpid()}-{n}.events" for n in (0, 1)
    ]
