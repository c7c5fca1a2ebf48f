"""The border between Python and Rust, documented here and checked against the built module by stubtest.

No SQL, no JSON and no dicts cross it, but for the statements that other connections to the file execute. Bytes are opaque. Times are integer microseconds: ``*_us`` names an
instant of wall time since 1970-01-01 UTC or a length of time. Every call that may wait leaves the GIL and
answers signals within 100 ms.
"""

from collections.abc import Sequence
from typing import Final, final

__all__ = [
    "ID_KEPT",
    "INBOX_INSERT",
    "INBOX_INSERT_PLAIN",
    "KEY_HOLDER",
    "LEASE_HELD",
    "RECEIPT_INSERT",
    "Attempt",
    "ChildPipe",
    "Command",
    "Commands",
    "DatabaseBusy",
    "DatabaseCorrupt",
    "DatabaseIOError",
    "DiskFull",
    "DuplicateJob",
    "Event",
    "Events",
    "Failure",
    "FileRefused",
    "Gate",
    "Gates",
    "Happened",
    "HeldJob",
    "Input",
    "Inspecting",
    "InvalidJob",
    "Job",
    "JobSummary",
    "JobView",
    "LeaseLost",
    "Load",
    "NewJob",
    "NodeView",
    "OpenOrder",
    "OutOfSequence",
    "Outcome",
    "Plan",
    "ProducerFenced",
    "QueueError",
    "QueueStatus",
    "Reply",
    "Schedule",
    "Schedules",
    "Selection",
    "Stats",
    "Store",
    "TaskLoad",
    "TaskStats",
    "Watch",
    "Worker",
    "WorkerStatus",
    "WorkflowSummary",
    "Workflows",
    "__version__",
    "sqlite_version",
    "usable_cpus",
]

__version__: Final[str]
sqlite_version: Final[str]

class QueueError(Exception):
    """Base of every exception of the core; ``pyqueue.exceptions`` re-exports them."""

class LeaseLost(QueueError): ...
class InvalidJob(QueueError, ValueError): ...
class FileRefused(QueueError): ...
class DiskFull(QueueError, OSError): ...
class DatabaseBusy(QueueError, TimeoutError): ...
class DatabaseIOError(QueueError, OSError): ...
class DatabaseCorrupt(QueueError): ...
class DuplicateJob(QueueError): ...
class ProducerFenced(QueueError): ...
class OutOfSequence(QueueError): ...

INBOX_INSERT: Final[str]
INBOX_INSERT_PLAIN: Final[str]
"""For a connection that is not ours: inserts what ``Store.letter`` gives."""
ID_KEPT: Final[str]
"""Whether a job that has left the inbox has an id of its caller's own, asked with that."""
KEY_HOLDER: Final[str]
"""Who has a dedup key, asked with queue and key: (row, nonce, None), (None, None, id), or no row."""
LEASE_HELD: Final[str]
"""Whether an attempt's lease is in force, asked with row, row and token."""
RECEIPT_INSERT: Final[str]
"""The end of a job in success: row, token, start (wall time, µs), content type, result."""

@final
class NewJob:
    """A call to be stored. ``body`` is the encoded message; ``content_type`` None means application/json."""

    def __new__(
        cls,
        task: str,
        body: bytes,
        *,
        queue: str = "default",
        priority: int = 0,
        content_type: str | None = None,
        delay_us: int | None = None,
        run_at_us: int | None = None,
        expires_us: int | None = None,
        dedup_key: str | None = None,
        dedup: str = "return",
        dedup_window_us: int | None = None,
        task_id: str | None = None,
        max_losses: int = 5,
        time_limit_us: int | None = None,
        soft_time_limit_us: int | None = None,
        errbacks: Sequence[NewJob] = ...,
    ) -> NewJob:
        """``dedup`` says what to do where the key is taken: "return" that job, "refuse" (DuplicateJob), or
        "replace" it unless it runs. With a window the key stays taken so long after the enqueue, even if the
        job has ended. ``errbacks`` are stored once the job ends failed or dead with an outcome that says nothing
        of what follows: in the same transaction, their delays counted from it, their own errbacks dropped. Raises InvalidJob for a priority outside -128…127, a name that is empty or over 255
        characters."""

    def with_body(self, body: bytes) -> NewJob:
        """The same with another body."""

@final
class Failure:
    """Why an attempt failed. ``error`` is the class as ``module.QualName``; ``body`` its encoded arguments."""

    def __new__(
        cls, error: str, message: str, traceback: str | None = None, body: bytes | None = None
    ) -> Failure: ...
    @property
    def error(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def traceback(self) -> str | None: ...
    @property
    def body(self) -> bytes | None: ...

@final
class Outcome:
    """How an attempt ended."""

    @staticmethod
    def success(
        body: bytes | None = None, content_type: str | None = None, then: Sequence[NewJob] = ...
    ) -> Outcome:
        """It returned; None when the result is not kept. ``then``: jobs stored in the transaction that acks it."""
    @staticmethod
    def failure(failure: Failure, then: Sequence[NewJob] = ...) -> Outcome:
        """It raised and is not tried again. With no ``then``, the job's stored errbacks follow."""
    @staticmethod
    def retry(
        delay_us: int,
        failure: Failure,
        body: bytes | None = None,
        content_type: str | None = None,
        budget: tuple[int, int] | None = None,
        queue: str | None = None,
    ) -> Outcome:
        """It raised and is tried again after ``delay_us``; ``body``: with this message in place of its own.

        ``budget`` (how many, in how many microseconds): the delay begins once the retries of its task leave room.
        ``queue``: in another queue, unless the job's dedup key is taken there.
        """
    def beside(
        self,
        *,
        log: tuple[int, bytes] | None = None,
        keep_us: int | None = None,
        plans: Sequence[Plan] = ...,
        members: Sequence[NewJob] = ...,
    ) -> Outcome:
        """The same, with what the attempt has logged (lines left out before it, lines), and how long a success is
        kept whatever the store's own bounds are. ``plans`` are stored in the transaction that ends the job.
        ``members``: with a success, each fills one more input of the list that this job fills an input of; where there
        is none they are jobs by themselves. Raises InvalidJob for a plan that can't be stored."""
    @staticmethod
    def replaced(plan: Plan, task: str, body: bytes, content_type: str | None = None) -> Outcome:
        """The plan is stored, and the job, with its id and its place in its own workflow, goes on as a job of ``task``
        with this message once the plan's workflow has ended; its root is then the node that the job waited for. No
        retry is charged. Raises InvalidJob for a plan that can't be stored."""
    @staticmethod
    def lost(reason: str, charged: bool = True) -> Outcome:
        """Its process died; ``charged`` counts against ``max_losses``."""
    @staticmethod
    def given_back() -> Outcome:
        """It was not started; back in line without using up an attempt."""

@final
class Plan:
    """Jobs that wait for each other, to be stored in one transaction.

    A node waits for ``inputs``. Each job fills one input of one node when it ends, and may wait for a node itself; a node
    may forward its value to inputs of others. Node 0, made here, is the root: once its inputs are filled the workflow has
    ended. The value of a node is the "list" of its inputs, or that of its only "one".

    ``run`` says when the jobs that wait for a node run: after "success" of all inputs (else they fail unrun: with a
    ChordError if it is a list, else with the failure itself), "always", or after a "failure" (else they are cancelled
    unrun). ``name`` is the workflow's, one in the file.
    """

    def __new__(
        cls, inputs: int, *, values: str = "one", run: str = "success", name: str | None = None
    ) -> Plan: ...
    def node(self, inputs: int, *, values: str = "one", run: str = "success") -> int:
        """Another node; its number."""
    def forward(self, node: int, to: int, position: int) -> None:
        """Lets the value of a node fill an input of another."""
    def resize(self, node: int, inputs: int) -> None:
        """Gives a node another number of inputs."""
    def add(
        self,
        job: NewJob,
        *,
        after: int | None = None,
        fills: tuple[int, int],
        lifetime_us: int | None = None,
        undo: NewJob | None = None,
    ) -> int:
        """A job; its number. Its delay counts from the moment at which it may start; after ``lifetime_us`` from there it
        expires. ``undo`` is stored if this job
        succeeds and the workflow fails, the undo of whatever succeeded last first; it takes the last input."""
    def check(self) -> None:
        """Raises InvalidJob if an input would never be filled, or twice, or waits for itself."""
    def __len__(self) -> int:
        """How many jobs it has."""

@final
class Input:
    """What a node waits for."""

    @property
    def state(self) -> str:
        """success failed dead cancelled expired skipped; empty while it is not filled"""
    @property
    def id(self) -> str:
        """The job that fills it; empty where a node does."""
    @property
    def body(self) -> bytes | None:
        """The result of a success."""
    @property
    def content_type(self) -> str | None: ...
    @property
    def failure(self) -> Failure | None: ...
    @property
    def node(self) -> int | None:
        """Its value is the list of this node's inputs."""

@final
class WorkflowSummary:
    """A workflow in a list."""

    @property
    def root(self) -> int: ...
    @property
    def name(self) -> str | None: ...
    @property
    def state(self) -> str:
        """running undoing success failed"""
    @property
    def jobs(self) -> int:
        """How many it was stored with."""
    @property
    def made_us(self) -> int: ...
    @property
    def ended_us(self) -> int | None: ...

@final
class NodeView:
    """A node of a workflow."""

    @property
    def id(self) -> int: ...
    @property
    def inputs(self) -> int: ...
    @property
    def waits(self) -> int:
        """How many of them are not filled."""
    @property
    def failed(self) -> int: ...
    @property
    def list(self) -> bool:
        """Whether its value is one."""
    @property
    def filled(self) -> Sequence[tuple[str, str, str, int | None]]:
        """The first of its inputs: id, task and state of the job, and the node that it waited for. Where a node fills
        it, id and task are empty."""

@final
class Workflows:
    """The workflows of a file."""

    def __new__(cls, store: Store) -> Workflows: ...
    def enqueue(self, plan: Plan) -> Sequence[tuple[str, bool]]:
        """Stores a plan, all or nothing; id and "is new" of its jobs in order. It takes the jobs out of the plan. Raises InvalidJob, DuplicateJob."""
    def inputs(self, job: Job, start: int = 0, limit: int = 1000) -> Sequence[Input]:
        """What the node gives that a running job waited for, from a position on."""
    def kind(self, job: Job) -> str:
        """Whether the value of that node is a "list" or "one"."""
    def values(self, node: int, start: int = 0, limit: int = 1000) -> Sequence[Input]:
        """What a node waits for, from a position on."""
    def progress(self, name: str) -> tuple[int, int, int] | None:
        """Of the root: inputs, those not filled, those that were filled by an end that was no success."""
    def members(self, name: str, start: int = 0, limit: int = 1000) -> Sequence[Input]:
        """What the root waits for, from a position on."""
    def tree(self, id: str) -> tuple[WorkflowSummary, Sequence[NodeView]] | None:
        """A workflow by its name or the id of a job in it."""
    def list(self, limit: int = 100) -> Sequence[WorkflowSummary]:
        """The newest first."""
    def cancel(self, id: str) -> Sequence[str] | None:
        """Cancels all that has not run; the ids of the jobs that run now. None: it is not in the file."""
    def step(self, job: Job, name: str) -> tuple[bytes, str | None] | None:
        """What a step of a job returned earlier."""
    def keep_step(self, job: Job, name: str, body: bytes, content_type: str | None = None) -> None:
        """Keeps what a step returned, unless that is kept already. Raises LeaseLost for a stale token."""

@final
class Job:
    """A job under a lease, as a child runs it."""

    @property
    def id(self) -> str:
        """The public id."""
    @property
    def row(self) -> int:
        """Its place in the file, for a receipt."""
    @property
    def token(self) -> int:
        """The fencing token of the lease."""
    @property
    def task(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def content_type(self) -> str | None: ...
    @property
    def queue(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def attempt(self) -> int:
        """From 1; losses count."""
    @property
    def retries(self) -> int:
        """How many attempts ended in a retry: Celery's ``request.retries``."""
    @property
    def time_limit_us(self) -> int | None: ...
    @property
    def soft_time_limit_us(self) -> int | None: ...
    @property
    def enqueued_us(self) -> int: ...

@final
class JobView:
    """What the file says about an id."""

    @property
    def state(self) -> str:
        """waiting delayed parked prepared held running retrying success failed dead cancelled expired unknown"""
    @property
    def body(self) -> bytes | None:
        """The result of a success; None with a failure where it was damaged in the file."""
    @property
    def content_type(self) -> str | None: ...
    @property
    def failure(self) -> Failure | None: ...
    @property
    def retries(self) -> int: ...
    @property
    def progress(self) -> tuple[str, bytes] | None:
        """What the running attempt last said of itself: a state of its own, and bytes."""

@final
class JobSummary:
    """A job in a list."""

    @property
    def id(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def attempts(self) -> int: ...
    @property
    def retries(self) -> int: ...
    @property
    def enqueued_us(self) -> int: ...
    @property
    def run_at_us(self) -> int | None: ...
    @property
    def finished_us(self) -> int | None: ...
    @property
    def error(self) -> str | None: ...
    @property
    def message(self) -> str | None: ...
    @property
    def progress(self) -> tuple[str, bytes] | None:
        """What the running attempt last said of itself: a state of its own, and bytes."""
    @property
    def body(self) -> bytes | None:
        """The encoded call, where it is kept (jobs that have not succeeded); None in a list."""
    @property
    def content_type(self) -> str | None: ...

@final
class Attempt:
    """One ended attempt in the history."""

    @property
    def number(self) -> int: ...
    @property
    def outcome(self) -> str:
        """success failure retry cancelled expired lost replaced"""
    @property
    def started_us(self) -> int | None: ...
    @property
    def finished_us(self) -> int: ...
    @property
    def worker(self) -> int | None: ...
    @property
    def cpu_us(self) -> int | None:
        """Microseconds on processors; None where it ran for less than 1 ms or was cut short."""
    @property
    def memory(self) -> int | None:
        """The most bytes its process had meanwhile; None as for ``cpu_us``."""
    @property
    def failure(self) -> Failure | None: ...

@final
class QueueStatus:
    """Counts of one queue."""

    @property
    def name(self) -> str: ...
    @property
    def paused(self) -> bool: ...
    @property
    def waiting(self) -> int: ...
    @property
    def delayed(self) -> int: ...
    @property
    def parked(self) -> int: ...
    @property
    def prepared(self) -> int:
        """Half messages whose sender has not spoken."""
    @property
    def held(self) -> int:
        """Jobs that wait for others of their workflow."""
    @property
    def running(self) -> int: ...
    @property
    def succeeded(self) -> int:
        """Since the file was made."""
    @property
    def failed(self) -> int:
        """Failed and dead since the file was made."""
    @property
    def revoked(self) -> int:
        """Cancelled, purged and expired since the file was made."""
    @property
    def retried(self) -> int:
        """Attempts that ended in a retry, since the file was made."""
    @property
    def lost(self) -> int:
        """Attempts that ended with their process, since the file was made."""
    @property
    def oldest_us(self) -> int | None:
        """When the oldest job in line was made, by wall time; None if none is in line."""

@final
class WorkerStatus:
    """One worker known to the file."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def pid(self) -> int: ...
    @property
    def slots(self) -> int:
        """How many jobs it runs at once."""
    @property
    def children(self) -> int | None:
        """How many processes take jobs now. This and what follows is None where its page is gone."""
    @property
    def running(self) -> int:
        """Jobs under its leases."""
    @property
    def alive(self) -> bool:
        """By the kernel's word: whether it holds its liveness lock."""
    @property
    def state(self) -> str:
        """starting idle busy stopping wedged dead unknown"""
    @property
    def why(self) -> str | None:
        """Why it is wedged, dead or unknown, in a sentence."""
    @property
    def seen_pid(self) -> int | None:
        """Its process, where that lives and can be seen from here."""
    @property
    def still_us(self) -> int | None:
        """How long ago its loop last turned, without the time in which the machine slept."""
    @property
    def pool(self) -> str | None: ...
    @property
    def busy(self) -> int | None:
        """Slots in use."""
    @property
    def least(self) -> int | None:
        """How few children there may be."""
    @property
    def most(self) -> int | None:
        """How many children there may be."""
    @property
    def frames(self) -> bool | None:
        """Whether short jobs travel together; else one goes to a free slot at a time."""
    @property
    def prefetch(self) -> int | None:
        """Jobs that a slot is given at once, if somebody has said so."""
    @property
    def mean_us(self) -> int | None:
        """How long jobs take at the moment; at the start 1 ms."""

@final
class TaskLoad:
    """What came for one task."""

    @property
    def task(self) -> str: ...
    @property
    def jobs(self) -> int:
        """Those that have ended."""
    @property
    def attempts(self) -> int:
        """Those of which it is known how long they took."""
    @property
    def seconds(self) -> float:
        """The sum of their run times."""
    @property
    def squares(self) -> float:
        """The sum of the squares of their run times (s²)."""
    @property
    def bytes(self) -> int:
        """What is kept in the file of all attempts."""

@final
class Load:
    """What came since an instant."""

    @property
    def tasks(self) -> list[TaskLoad]:
        """The one that took longest first."""
    @property
    def first_us(self) -> int | None:
        """When the first of the jobs was made."""
    @property
    def busiest(self) -> int:
        """How many were made in the busiest minute."""
    @property
    def unfinished(self) -> int:
        """How many were made since and have not ended."""
    @property
    def file_bytes(self) -> int: ...

@final
class Store:
    """One queue file. Touches nothing before first use; safe in every thread and across fork.

    ``durability`` is "full" (an acknowledged enqueue survives power loss) or "normal" (survives the death of
    any process). Beyond ``max_db_bytes`` new jobs are refused with DiskFull. ``embed`` allows a file that already holds other tables. ``history_age_us`` and
    ``history_count`` bound what is kept of successes; ``failed_age_us`` what is kept of the rest.
    """

    def __new__(
        cls,
        path: str,
        *,
        embed: bool = False,
        durability: str = "full",
        max_body: int = 1_048_576,
        max_db_bytes: int | None = None,
        history_age_us: int = 86_400_000_000,
        history_count: int = 100_000,
        failed_age_us: int = 2_592_000_000_000,
    ) -> Store: ...
    @property
    def path(self) -> str: ...
    def now_us(self) -> int:
        """Wall time by the store's clock."""
    def enqueue(self, jobs: Sequence[NewJob]) -> list[tuple[str, bool]]:
        """Stores all or none in one transaction. One (id, created) per job, in order."""
    def letter(self, job: NewJob) -> tuple[str | int | bytes | None, ...]:
        """A job's values for ``INBOX_INSERT``; its ``task_id`` is its id. A delay counts from now."""
    def public_id(self, row: int, nonce: int) -> str:
        """The id of what ``KEY_HOLDER`` found."""
    def prepare(self, job: NewJob, question: NewJob, pause_us: int) -> tuple[str, bool]:
        """Stores a job that nobody may start before ``settle``; (id, created). ``question`` asks about it after
        ``pause_us``, then up to 14 times after pauses that double up to an hour."""
    def settle(self, id: str, commit: bool) -> bool:
        """Lets a prepared job start, or cancels it; False if it is not prepared (any more)."""
    def open_producer(self, name: str) -> tuple[int, int, bytes | None]:
        """Opens a producer and fences whoever had it: (epoch, last sequence number, position)."""
    def send(
        self, name: str, epoch: int, first: int, jobs: Sequence[NewJob], position: bytes | None = None
    ) -> list[tuple[str, bool]]:
        """Stores what is new of these jobs, numbered from ``first`` (1 or more), all or none; one (id, created) per
        job. ``position`` is noted if any is new; None leaves what was noted.

        Raises ProducerFenced and OutOfSequence.
        """
    def view(self, id: str) -> JobView: ...
    def wait(self, id: str, timeout_us: int | None = None) -> JobView:
        """Waits until the job has ended, is unknown, or the time is over; then what ``view`` says."""
    def attempts(self, id: str) -> list[Attempt]: ...
    def why(self, id: str) -> str:
        """What the job waits for, in one sentence."""
    def jobs(
        self,
        *,
        state: str | None = None,
        queue: str | None = None,
        task: str | None = None,
        error: str | None = None,
        since_us: int | None = None,
        limit: int = 50,
    ) -> list[JobSummary]:
        """Jobs that fit, the newest first. Looks at rows until it has enough: for people, not for polling.

        ``task`` and ``error`` are patterns with ``*``, ``?`` and ``[…]``; ``error`` of the class, with or without its
        module, or of ``class: message``. ``since_us``: those that ended then or later.
        """
    def show(self, id: str) -> JobSummary | None:
        """One job with its arguments, as far as they are kept."""
    def progress(self, job: Job, state: str, body: bytes) -> None:
        """Notes what a running attempt says of itself. Raises LeaseLost."""
    def note(self, job: Job, dropped: int, text: bytes) -> None:
        """Keeps what a running attempt has logged so far, ``dropped`` lines left out before it. Raises LeaseLost."""
    def logs(self, id: str) -> list[tuple[int | None, int, bytes]]:
        """What the attempts of a job have logged, oldest first: which attempt (None still runs), how many lines
        before these are not kept, and the lines. Of all jobs together the newest 64 MiB are kept."""
    def load(self, since_us: int) -> Load:
        """What came since then and what it took. Reads the whole history: for people."""
    def forget(self, id: str) -> bool:
        """Drops what is kept of an ended job; False if there is nothing."""
    def replay(self, id: str) -> str | None:
        """Stores a failed or dead job once more, as a new job with its queue, priority, limits, ``max_losses``,
        dedup key and, if that has not passed, ``expires_us``; its id. Where an unfinished job has the key, that one's
        id. None if it is neither failed nor dead."""
    def queues(self) -> list[QueueStatus]: ...
    def workers(self) -> list[WorkerStatus]: ...
    def examine(self) -> list[str]:
        """What is wrong with the file, one sentence each; empty for a sound one. Reads all of it."""
    def revoke(self, id: str, signal: int, grace_us: int) -> str:
        """Cancels a job that is not running ("cancelled"), or asks the worker that runs it to end it ("asked"): the task is
        told and interrupted at once, its process gets ``signal`` after ``grace_us`` and is killed after as much again. "late"
        where it has ended or is not there."""
    def cancel(self, id: str) -> bool:
        """Cancels a job that is not running; False when it is too late."""
    def purge(self, queue: str) -> int:
        """Cancels every job of the queue that is in line; how many."""
    def join(self, name: str, slots: int, visibility_us: int, *, facts: bytes | None = None) -> int:
        """Enters a worker; its leases live ``visibility_us`` after each beat, and ``facts`` are what it says of itself.
        The worker's id."""
    def beat(self, worker: int, visibility_us: int) -> bool:
        """Renews the worker's leases; False when it has been taken for dead."""
    def part(self, worker: int) -> None:
        """Signs a worker off."""
    def claim(
        self,
        worker: int,
        limit: int,
        *,
        queues: Sequence[str] | None = None,
        tasks: Sequence[str] | None = None,
        visibility_us: int | None = None,
    ) -> list[Job]:
        """Takes up to ``limit`` jobs under a lease. ``tasks`` are those the caller can run; None is all."""
    def finish(self, ends: Sequence[tuple[Job, Outcome]]) -> None:
        """Writes how attempts ended, in one transaction. Raises LeaseLost if any token no longer counts;
        the others are written."""
    def extend(self, job: Job, visibility_us: int) -> None:
        """Lets the lease of one job end ``visibility_us`` from now."""
    def fold(self) -> None:
        """Makes jobs of what foreign connections have sent, as the next claim would."""

    def reap(self) -> int:
        """Takes back the jobs of dead and hung workers; how many."""
    def close(self) -> None: ...

@final
class Gate:
    """What keeps jobs waiting: a pause, or a rate. Those of a queue that is paused stay in line."""

    @property
    def scope(self) -> str:
        """task queue fits"""
    @property
    def task(self) -> str | None:
        """The name of the task, or with "fits" a pattern of names."""
    @property
    def queue(self) -> str | None: ...
    @property
    def key(self) -> str | None:
        """A pattern of dedup keys."""
    @property
    def shut(self) -> bool: ...
    @property
    def waiting(self) -> int:
        """Jobs that were met and set aside."""
    @property
    def rate_us(self) -> int | None:
        """Once it is open it lets one job out in so long; None: all."""
    @property
    def since_us(self) -> int | None:
        """When it was shut, by whom and why; None while it is open."""
    @property
    def author(self) -> str | None: ...
    @property
    def reason(self) -> str | None: ...

@final
class Gates:
    """The gates of a file. One is named by a task, by a queue, or by patterns (task, queue, dedup key) of SQLite's GLOB."""

    def __new__(cls, store: Store) -> Gates: ...
    def pause(
        self,
        *,
        task: str | None = None,
        queue: str | None = None,
        fits: tuple[str | None, str | None, str | None] | None = None,
        author: str | None = None,
        reason: str | None = None,
        running: tuple[int, int] | None = None,
    ) -> int:
        """Lets no such job start. With ``running`` (signal, grace in microseconds) those that run are asked to end as by
        ``Store.revoke`` and come back in line, their attempt uncounted; how many."""
    def resume(
        self,
        *,
        task: str | None = None,
        queue: str | None = None,
        fits: tuple[str | None, str | None, str | None] | None = None,
        rate_us: int | None = None,
    ) -> bool:
        """Lets them start again, with a rate one in so long, new ones too; False if nothing has changed."""
    def meter(
        self,
        *,
        task: str | None = None,
        queue: str | None = None,
        fits: tuple[str | None, str | None, str | None] | None = None,
        rate_us: int | None = None,
    ) -> None:
        """Sets the rate. What is paused stays so."""
    def list(self) -> Sequence[Gate]:
        """Those that are shut, have a rate, or keep somebody."""

@final
class Selection:
    """The jobs that have not ended and fit every condition: (field, whether it must hold, operand).

    Fields with a pattern of SQLite's GLOB: "task", "queue", "key" (dedup key). "state" is one of those of ``JobView``.
    With a number that the job's must reach: "made_us" (wall time), "priority", "retries". Raises InvalidJob for others.
    What is done to them is counted: done, asked to end, left alone since they run, and left since their dedup key is
    taken where they should go. Jobs that come meanwhile are left alone.
    """

    def __new__(cls, store: Store, conditions: Sequence[tuple[str, bool, str | int]]) -> Selection: ...
    def count(self) -> int: ...
    def list(self, limit: int = 50) -> Sequence[JobSummary]:
        """The first of them."""
    def cancel(self, running: tuple[int, int] | None = None) -> tuple[int, int, int, int]:
        """Cancels them; with ``running`` (signal, grace in microseconds) what runs is asked to end."""
    def move(self, queue: str) -> tuple[int, int, int, int]:
        """To the end of the line of another queue. Raises InvalidJob."""
    def prioritize(self, priority: int) -> tuple[int, int, int, int]:
        """To the end of the line of another priority."""

@final
class Schedule:
    """A schedule as the file has it. Its times are computed in Python; the core keeps which one comes next."""

    @property
    def name(self) -> str: ...
    @property
    def definition(self) -> bytes:
        """What it says, opaque to the core."""
    @property
    def source(self) -> str | None:
        """The program whose code it stands in; None for one made at run time."""
    @property
    def mark(self) -> str | None:
        """Of what the code said when it was last taken over."""
    @property
    def gone(self) -> bool:
        """Whether it was removed; then only its last time counts."""
    @property
    def paused(self) -> bool: ...
    @property
    def next_us(self) -> int | None:
        """The time that comes next; None where none will."""
    @property
    def due_us(self) -> int | None:
        """When that is fired."""
    @property
    def last_us(self) -> int | None:
        """The last time that was fired or left out."""
    @property
    def job(self) -> str | None:
        """The id of the last job."""
    @property
    def fired(self) -> int:
        """Jobs made at its times."""
    @property
    def skipped(self) -> int:
        """Times that were left out."""

@final
class Schedules:
    """The schedules of one file. ``next`` is a pair: the next time, and when that is fired; None where none will come.
    ``seen_us`` is the row's ``last_us`` when it was computed. Times of one schedule only grow."""

    def __new__(cls, store: Store) -> Schedules: ...
    def all(self) -> list[Schedule]:
        """In the order of names."""
    def get(self, name: str) -> Schedule | None:
        """One of them, removed ones included."""
    def due(self, now_us: int, limit: int) -> list[Schedule]:
        """Those to be fired by then, the longest due first."""
    def next_due(self) -> int | None:
        """When the next one is to be fired."""
    def put(self, name: str, definition: bytes, next: tuple[int, int] | None, seen_us: int | None) -> bool:
        """Makes one at run time, or changes one; False if it was fired since."""
    def declare(
        self,
        source: str,
        version: int,
        entries: Sequence[tuple[str, str, bytes, tuple[int, int] | None, int | None]],
    ) -> tuple[str, list[str]]:
        """Takes over what a program's code says: name, mark, definition, next, seen_us. One whose mark is known is left as
        it is; those of the program that are missing are removed. "done" with the names that were somebody else's,
        "stale" where one was fired meanwhile, or "older" with the newest version that has been here."""
    def remove(self, name: str) -> bool:
        """False if there is none."""
    def pause(self, name: str) -> bool:
        """Lets its times pass without a job; False if there is none."""
    def resume(self, name: str, next: tuple[int, int] | None, seen_us: int | None) -> bool:
        """False if there is none, or it was fired since."""
    def fire(
        self,
        name: str,
        expected_us: int,
        tick_us: int,
        next: tuple[int, int] | None,
        job: NewJob | None,
        *,
        skipped: int = 0,
        overlap: str = "allow",
    ) -> tuple[str, str | None]:
        """Stores the job of a time and moves the row on, in one transaction, if its next time still is
        ``expected_us``. ``job`` None leaves the time out. "job" with its id, "skipped", "held" where ``overlap`` is "queue"
        and the last job has not ended, or "lost" where somebody else was first."""
    def run(self, name: str, job: NewJob) -> str | None:
        """Stores a job beside its times; the id, or None if there is no such schedule."""
    def rung(self) -> int:
        """How often something was changed; to be asked before a look at the schedules, and given to ``wait``."""
    def wait(self, rung: int, timeout_us: int | None = None) -> None:
        """Sleeps until something is changed, or the time is over. Answers no signals: not for the main thread."""
    def ring(self) -> None:
        """Ends the waits."""

@final
class HeldJob:
    """A job that a worker has."""

    @property
    def id(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def attempts(self) -> int:
        """Those before this one."""
    @property
    def retries(self) -> int: ...
    @property
    def enqueued_us(self) -> int: ...
    @property
    def time_limit_us(self) -> int | None:
        """How long it may run, if its call says so."""
    @property
    def body(self) -> bytes: ...
    @property
    def content_type(self) -> str | None: ...
    @property
    def worker(self) -> int: ...
    @property
    def state(self) -> str:
        """active (a process runs it), reserved (nobody has started it), ending (its outcome is about to be written) or
        lost (its process has died)."""
    @property
    def started_us(self) -> int | None: ...
    @property
    def pid(self) -> int | None:
        """The child that runs it."""
    @property
    def stopped(self) -> bool:
        """That child is stopped by a signal or a debugger."""

@final
class Inspecting:
    """Looks at a file and at the workers that serve it, by rows, pages and the kernel; asks none of them."""

    def __new__(cls, store: Store) -> Inspecting: ...
    def facts(self) -> list[tuple[int, int, bytes]]:
        """Each worker, when it entered the file (µs), and what it says of itself."""
    def held(self, state: str, *, limit: int) -> list[HeldJob]:
        """Jobs that workers have, in one of the states of ``HeldJob``."""
    def held_of(self, ids: Sequence[str]) -> list[HeldJob]:
        """Those of these jobs that workers have."""
    def scheduled(self, *, limit: int) -> list[JobSummary]:
        """Jobs whose time has not come, with their calls, the next first."""
    def revoked(self, *, limit: int) -> list[str]:
        """Cancelled jobs: those that still run, then those whose end is kept, the last first."""
    def children(self, worker: int) -> list[int]:
        """The processes of the worker's children, by the numbers it knows them by."""
    def tally(self, worker: int, tasks: Sequence[str]) -> tuple[list[tuple[str, int]], int]:
        """How many jobs of these tasks the worker has run since it entered the file, and how many others."""

@final
class OpenOrder:
    """A command that a worker has not obeyed yet."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def arguments(self) -> bytes: ...
    @property
    def author(self) -> str: ...
    @property
    def asks(self) -> bool:
        """Whether it changes nothing."""

@final
class Reply:
    """What one worker has said to a command."""

    @property
    def owner(self) -> int:
        """Its id; 0 for a command that its author carried out."""
    @property
    def worker(self) -> str: ...
    @property
    def stand(self) -> str:
        """waiting begun ok error expired gone"""
    @property
    def body(self) -> bytes | None: ...
    @property
    def at_us(self) -> int | None: ...

@final
class Command:
    """A command with all that is known of it."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def arguments(self) -> bytes: ...
    @property
    def target(self) -> str:
        """Whom it was for, as it was said."""
    @property
    def author(self) -> str: ...
    @property
    def asks(self) -> bool: ...
    @property
    def made_us(self) -> int: ...
    @property
    def expires_us(self) -> int: ...
    @property
    def replies(self) -> list[Reply]:
        """One of each addressee."""

@final
class Commands:
    """The commands of one file: kept as a record, the newest 10,000, and 1,000 of those that only ask, up to 30 days."""

    def __new__(cls, store: Store) -> Commands: ...
    def workers(self) -> list[tuple[int, str]]:
        """The workers that obey commands and are alive: id and name."""
    def give(
        self,
        name: str,
        arguments: bytes,
        workers: Sequence[int],
        *,
        target: str,
        author: str,
        expires_us: int,
        asks: bool = False,
    ) -> tuple[int, int] | None:
        """Its number, and when it expires. None, and nothing is stored, where all of these workers have left."""
    def record(self, name: str, arguments: bytes, ok: bool, body: bytes, *, target: str, author: str) -> int:
        """Keeps a command that its author has carried out."""
    def obey(self, owner: int, name: str) -> bool:
        """A worker obeys commands from now on, under this name; False if it is not in the file."""
    def open(self, owner: int) -> list[OpenOrder]:
        """What is for this worker, was not obeyed by it and has not expired, in its order."""
    def begin(self, command: int, owner: int) -> bool:
        """Takes a command up; True for one caller, and before it expires."""
    def answer(self, command: int, owner: int, ok: bool, body: bytes) -> bool:
        """Answers one that was begun or only asks; False where that was done already, or it is too late to ask."""
    def get(self, id: int) -> Command | None:
        """One command."""
    def newest(self, limit: int, *, asking: bool = False) -> list[Command]:
        """The newest first; those that only ask if ``asking``."""
    def rung(self) -> int:
        """To be asked before a look, and given to ``wait``."""
    def wait(self, rung: int, timeout_us: int | None = None) -> None:
        """Sleeps until something is given or answered, or the time is over. Answers no signals."""
    def ring(self) -> None:
        """Ends the waits."""

@final
class Happened:
    """Something that has happened. What is not known of it, or has no meaning for its kind, is None."""

    @property
    def kind(self) -> str:
        """Celery's name: "task-succeeded". "events-missed" where some are not told."""
    @property
    def cursor(self) -> str:
        """The place behind it."""
    @property
    def clock(self) -> int:
        """Grows with each."""
    @property
    def at_us(self) -> int:
        """Wall time."""
    @property
    def id(self) -> str | None: ...
    @property
    def task(self) -> str | None: ...
    @property
    def queue(self) -> str | None: ...
    @property
    def priority(self) -> int | None: ...
    @property
    def retries(self) -> int | None:
        """Errors so far."""
    @property
    def worker(self) -> int | None:
        """The number of the worker."""
    @property
    def hostname(self) -> str | None:
        """Its name, as far as it is known."""
    @property
    def pid(self) -> int | None:
        """Its process."""
    @property
    def active(self) -> int | None:
        """Jobs that it has, at its beat."""
    @property
    def runtime_us(self) -> int | None: ...
    @property
    def eta_us(self) -> int | None:
        """Of a job that was sent, when it may start at the earliest."""
    @property
    def body(self) -> bytes | None:
        """Of a success its result; else the call, as long as the job is there. None where it has more than 64 KiB."""
    @property
    def content_type(self) -> str | None: ...
    @property
    def failure(self) -> Failure | None: ...
    @property
    def outcome(self) -> str | None:
        """Of an attempt's end: success, failure, retry, cancelled, expired, lost or replaced."""
    @property
    def missed(self) -> int | None:
        """How many rows are not kept any more."""
    @property
    def since_us(self) -> int | None:
        """Since when nothing was written but ends, as nobody asked."""

@final
class Events:
    """What happens in one file, in the order of commits."""

    def __new__(cls, store: Store) -> Events: ...
    def cursor(self, newest: bool) -> str:
        """The place before everything, or behind all that has happened."""
    def look(self, after: str, kinds: Sequence[str] | None = None) -> tuple[list[Happened], str, bool]:
        """What came behind a place, the place behind what was looked at, and whether there is more already.
        Raises InvalidJob for a place of another file, and for kinds that don't exist."""
    def follow(self, until_us: int, all: bool) -> None:
        """Lets ``wait`` be rung until then, and if ``all`` what the history has not be written. Takes nothing away from
        others that ask."""
    def until(self, until_us: int) -> None:
        """Lets everything be written until then, whoever asks; in the past: until nobody follows."""
    def rung(self) -> int:
        """To be asked before a look, and given to ``wait``."""
    def wait(self, rung: int, timeout_us: int) -> None:
        """Sleeps until something happens, or the time is over, or a signal comes."""

@final
class TaskStats:
    """A task's share. ``waited`` and ``ran``: of how many it is known; p50, p95, p99 and the most, in microseconds."""

    @property
    def task(self) -> str: ...
    @property
    def runs(self) -> int:
        """Attempts that ended."""
    @property
    def outcomes(self) -> dict[str, int]:
        """How many of them, by outcome."""
    @property
    def waited(self) -> tuple[int, int, int, int, int]:
        """From the call to the first start, of jobs that did not wait for a time or for other jobs."""
    @property
    def ran(self) -> tuple[int, int, int, int, int]: ...

@final
class Stats:
    """What the history says of attempts that ended since an instant, the newest ``limit`` of them."""

    def __new__(cls, store: Store, since_us: int, limit: int, task: str | None = None) -> Stats: ...
    @property
    def tasks(self) -> list[TaskStats]:
        """The one that ran longest in all first."""
    @property
    def rows(self) -> int:
        """Attempts that were looked at, of whatever task."""
    @property
    def cut(self) -> bool:
        """Whether there are more, that were not looked at."""
    @property
    def first_us(self) -> int | None:
        """When the first of them ended."""

@final
class Watch:
    """Many jobs of one file, and which of them end first. One thread waits; any may add and discard."""

    def __new__(cls, store: Store) -> Watch: ...
    def add(self, id: str) -> None:
        """Watches a job; a wait under way begins to, too."""
    def discard(self, id: str) -> None:
        """Lets go of a job."""
    def wait(self, timeout_us: int | None = None) -> list[str]:
        """Waits until some of them have ended or are unknown; their ids, not watched any more. Empty once the time
        is over."""

@final
class Event:
    """Something the supervisor did, for the log."""

    @property
    def kind(self) -> str:
        """ready child_started child_lost child_replaced scaled job_lost lease_lost reaped unknown_task reload revoked stacks
        stopping stopped warning error"""
    @property
    def text(self) -> str: ...
    @property
    def job(self) -> str | None: ...
    @property
    def pid(self) -> int | None: ...

@final
class Worker:
    """The supervisor: claims, feeds children, writes outcomes, watches deaths; runs in threads of its own."""

    def __new__(
        cls,
        store: Store,
        command: Sequence[str],
        *,
        name: str,
        concurrency: int,
        width: int = 1,
        queues: Sequence[str] | None = None,
        tasks: Sequence[str] | None = None,
        visibility_us: int = 30_000_000,
        grace_us: int = 25_000_000,
        burst: bool = False,
        max_tasks: int | None = None,
        max_memory: int | None = None,
        memory_limit: int | None = None,
        time_limit_us: int | None = None,
        soft_time_limit_us: int | None = None,
        least: int | None = None,
        beside: int = 0,
        prefetch: int | None = None,
        pool: str = "prefork",
        facts: bytes | None = None,
        leeway_us: int = 0,
        start_us: int = 60_000_000,
        stall_us: int = 30_000_000,
    ) -> Worker:
        """``command`` starts one of ``concurrency`` children; its end of the socket pair is its standard input.
        A child calls ``ChildPipe.recv`` in ``width`` threads, or runs ``width`` jobs of ``try_recv``, and is given as many
        jobs at once. After ``max_tasks`` jobs, or with more than ``max_memory`` bytes, a child is replaced once it has no
        job; with more than ``memory_limit`` it is killed. 0 is no limit, None a share of the machine's memory. The time
        limits are for jobs without one of their own; ``leeway_us`` after the hard one a child is killed, and until then it
        may have ended that job alone. With ``least`` the number of children follows the load, from there up to
        ``concurrency``. ``beside`` are children of other workers of this process, which share the memory with these. Each
        slot is given ``prefetch`` jobs at once; None leaves that to the core. ``pool`` is shown by ``workers``. A child that
        is not ready after ``start_us`` is killed, and another is tried. A supervisor that stands still for ``stall_us`` is told of
        as "stuck"; one that leaves due jobs where they are so long enters the file anew; 0 is never. Raises InvalidJob for
        numbers out of range."""
    def next_event(self) -> Event | None:
        """Waits for the next event; None after the worker has stopped."""
    @property
    def id(self) -> int:
        """Its id in the file; another one after it was taken for dead."""
    def grow(self, more: int) -> str:
        """So many children more. This and what follows says what was done, and raises InvalidJob where it can't be; the
        supervisor answers within 5 s. Jobs that run are ended by none of them."""
    def shrink(self, fewer: int) -> str:
        """So many fewer; those that run jobs end these first."""
    def scale(self, most: int | None = None, least: int | None = None) -> str:
        """Other bounds for a number of children that follows the load. None leaves one as it is."""
    def serve(self, queue: str) -> str:
        """Claims from a queue too."""
    def unserve(self, queue: str) -> str:
        """Claims from it no more."""
    def limit(self, task: str, hard_us: int | None = None, soft_us: int | None = None) -> str:
        """Jobs of a task that begin from now on have these time limits, whatever they say; None: those of the worker."""
    def reload(self) -> None:
        """Replaces the children by new ones, which load the app anew; the old ones end their jobs. While new ones
        can't start the old ones stay."""
    def tasks(self) -> list[str] | None:
        """The tasks that every child can run, as they have said; None before."""
    def describe(self, facts: bytes) -> None:
        """Changes what the worker says of itself in the file. It is there then, unless the file can't be written or the
        supervisor has stood still for 5 s: then it follows.
        """
    def dump(self) -> None:
        """Asks each child for the stacks of its threads; they come as events."""
    def destroy(self) -> None:
        """Kills the children, for a process that ends because the supervisor's thread stands still."""
    def stop(self, *, cold: bool = False) -> None:
        """Warm: no new claims, running jobs finish within the grace time. Cold: children are killed."""

@final
class ChildPipe:
    """The child's end: takes standard input over and puts /dev/null in its place."""

    def __new__(cls) -> ChildPipe: ...
    def ready(self, tasks: Sequence[str]) -> None:
        """Tells the supervisor that jobs of these tasks may come; none named is all."""
    def failed(self, text: str) -> None:
        """Tells the supervisor that the child can't start, and why."""
    def recv(self) -> Job | None:
        """The next job that is still ours to run; None when the supervisor is gone or done. Several threads may
        wait here; signals are answered in the main thread."""
    def try_recv(self) -> Job | None:
        """The next job that is still ours to run, or None where none is here. Raises EOFError when none will come."""
    def told(self, job: Job) -> tuple[bool, bool]:
        """What the supervisor has told about a running job: whether it was revoked, whether it should come to its
        end."""
    def fileno(self) -> int:
        """Can be read when ``try_recv`` may have something."""
    def send(self, job: Job, outcome: Outcome) -> None:
        """How it ended."""

def usable_cpus() -> int:
    """How many processors this process can use, by affinity and by the quotas of its control groups, rounded up."""
