"""Every mutant: what it switches off, the promise behind it, and the test that must notice."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """A mutant as a reader wants to know it."""

    promise: str
    breaks: str
    caught_by: str
    """``core FILTER`` (a test of the core), ``simulation SEEDS``, ``power POINTS``, ``pytest ARGUMENTS`` or
    ``run MODULE ARGUMENTS``."""


MUTANTS = {
    "DeferredBegin": Row("P15", "a write transaction begins without the write lock", "simulation 300"),
    "StockLocks": Row(
        "P13",
        "SQLite keeps its own locks, which belong to the process",
        "run tests.beside --commits 200000 --minutes 2",
    ),
    "LockDescriptorEach": Row(
        "P13",
        "each connection locks through a descriptor of its own",
        "pytest tests/beside/test_locks_end.py",
    ),
    "DescriptorsClosed": Row(
        "P13", "descriptors of the file are closed", "run tests.beside --commits 200000 --minutes 2"
    ),
    "NoForkGate": Row(
        "P14", "a fork does not wait for threads inside SQLite", "run tests.forks --forks 1000"
    ),
    "InheritedHandlesLive": Row("P14", "a child keeps the parent's descriptors", "core sqlite::tests"),
    "SyncSkipped": Row("P1", "a commit in `full` is not synced", "power 500"),
    "FailedSyncForgotten": Row("P1", "a sync that succeeds after one that failed is believed", "power 4000"),
    "CommitUnchecked": Row(
        "P1",
        "an enqueue is acknowledged although its commit failed",
        "run tests.faults --calls 'enqueue one'",
    ),
    "StaleRulesAfterRollback": Row(
        "P15", "what was read in a transaction that failed is kept", "simulation 300"
    ),
    "HardLinkAdmitted": Row("P16", "a file with two names is opened", "core sqlite::tests::refusal"),
    "FileForAll": Row("P19", "the file is readable for everybody", "core sqlite::tests"),
    "AnyToken": Row(
        "P4", "a write is not held against the lease's token", "pytest tests/crash/test_zombie_writes.py"
    ),
    "TokenRepeated": Row("P3", "two claims get the same token", "simulation 300"),
    "CursorWithoutMax": Row("P1", "a place is given again below the cursor", "simulation 300"),
    "HuskForgotten": Row("P5", "the place of a cancelled job is given again", "simulation 300"),
    "ParkedLost": Row("P6", "a job set aside stands nowhere", "simulation 300"),
    "PauseUnread": Row("P27", "what is paused starts", "core store::tests::gates"),
    "MeterFree": Row("P27", "a rate is not kept", "core store::tests::gates"),
    "GaveWayCharged": Row("P27", "giving way uses up an attempt", "core store::tests::gates"),
    "MovedPlaceForgotten": Row(
        "P27", "the place of a moved job is given again", "core store::tests::selected"
    ),
    "ReapOneOnly": Row("P6", "of a dead worker's jobs one comes back", "simulation 300"),
    "ReapAsUnstarted": Row("P7", "a loss is not counted when its worker died too", "simulation 300"),
    "LossesUncounted": Row("P7", "a job may kill its process for ever", "core store::tests::verbs"),
    "WallClockLease": Row("P17", "leases are judged by the wall clock", "simulation 300"),
    "RebootUnseen": Row("P6", "leases of before a reboot are judged by their time", "simulation 300"),
    "FenceOpen": Row("P3", "a worker that was taken for dead may go on claiming", "simulation 300"),
    "KeyUnheld": Row("P9", "a dedup key does not keep a second job out", "core store::tests::verbs"),
    "KeyLeaked": Row("P9", "a dedup key stays taken when its job ends", "simulation 300"),
    "Early": Row("P12", "delayed jobs start half a second early", "simulation 300"),
    "ExpiredRuns": Row("P12", "an expired job starts", "simulation 300"),
    "ChecksumUnread": Row("P16", "damaged arguments are run", "pytest tests/hostile/test_payload_damage.py"),
    "NewerSchemaAdmitted": Row(
        "P20", "a file of a newer version is used", "pytest tests/bad_input/test_bad_files.py"
    ),
    "RulesStale": Row("P3", "a pause of another process is not seen", "simulation 300"),
    "HistoryUnbounded": Row("P18", "the history is not pruned", "core store::tests::keeping"),
    "InboxRowLost": Row(
        "P2",
        "of several rows of the inbox one becomes a job",
        "run tests.crash --kills 60 --jobs 6000 --minutes 1",
    ),
    "ReceiptsUnread": Row("P8", "a transactional job's receipt is not taken for its ack", "simulation 300"),
    "HalvesUnasked": Row("P21", "nobody asks what became of a silent sender", "core store::tests::half"),
    "ProducerUnfenced": Row("P22", "a producer that was opened anew may send", "core store::tests::producer"),
    "SequenceIgnored": Row("P22", "a number that was stored is stored again", "core store::tests::producer"),
    "BudgetUncounted": Row("P12", "a retry takes no place of its budget", "core store::tests::budget"),
    "TickUnclaimed": Row(
        "P11", "who fires a time does not ask whether it was fired", "pytest tests/schedules/test_ticks.py"
    ),
    "TickForgotten": Row(
        "P11",
        "a schedule that is taken over anew forgets what it has fired",
        "pytest tests/schedules/test_ticks.py",
    ),
    "EventTurnLost": Row(
        "the order of events", "an event does not say behind which end it came", "core store::tests::events"
    ),
    "EventHoleUntold": Row(
        "the order of events", "events that are gone are passed over", "core store::tests::events"
    ),
    "OnlySuccessFills": Row(
        "P10", "what waits for a job that died waits for ever", "core store::tests::workflow"
    ),
    "DecidedOneEarly": Row("P10", "a callback does not wait for the last", "core store::tests::workflow"),
    "RestForgotten": Row(
        "P10", "what one transaction could not let start never does", "core store::tests::workflow"
    ),
    "CommandTwice": Row("P26", "a command is begun by whoever asks", "core store::tests::command"),
    "CommandLate": Row("P26", "a command is obeyed after it has expired", "core store::tests::command"),
    "CommandAstray": Row("P26", "a command is obeyed by whoever sees it", "core store::tests::command"),
    "BellSilent": Row("P6", "nobody is woken", "core wake::bell::tests::the_file_is_private"),
    "ForeignUnheard": Row("P6", "commits of other programs are not noticed", "core worker::tests"),
    "DeathUnseen": Row(
        "P6", "a dead worker is noticed by its lease only", "pytest tests/crash/test_loss_seen.py"
    ),
    "OrphansLive": Row("P3", "children outlive their supervisor", "pytest tests/proofs/test_orphans.py"),
    "TakenBackTwice": Row("P3", "a started job is offered to another child", "core worker::tests"),
    "NeighboursCharged": Row("P7", "a death is charged to jobs that were not started", "core worker::tests"),
    "GivenBackCharged": Row("P7", "a stop uses up an attempt", "core worker::tests"),
    "RevokeUnheard": Row(
        "P23", "a revoked job that runs is not asked to end", "pytest tests/proofs/test_revoke.py"
    ),
    "StandstillUnseen": Row(
        "P24", "nobody watches the worker's own thread", "pytest tests/proofs/test_standstill.py"
    ),
    "PulseUnread": Row(
        "P25",
        "a worker that is stopped or stands still is said to be well",
        "pytest tests/inspect/test_inspect_truth.py",
    ),
    "StartBelieved": Row(
        "P25",
        "a job is said to run although its process has died",
        "pytest tests/inspect/test_inspect_truth.py",
    ),
}
