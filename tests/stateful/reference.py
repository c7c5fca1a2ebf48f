"""What the queue promises, as plain values: a job is a small object and a claim is a sort."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

ENDED = ("SUCCESS", "FAILURE", "REVOKED")


@dataclass
class Job:
    id: str
    order: int
    """Jobs of one priority run in this order; one that comes back has its old place."""
    what: str
    queue: str
    priority: int
    key: str | None = None
    later: bool = False
    state: str = "PENDING"
    retries: int = 0
    losses: int = 0
    forgotten: bool = False

    @property
    def shown(self) -> str:
        return "UNKNOWN" if self.forgotten else self.state

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def in_line(self) -> bool:
        return self.state in ("PENDING", "RETRY") and not self.later


@dataclass
class Reference:
    """The queue. Every method says what the real one must say."""

    jobs: dict[str, Job] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    made: int = 0

    def holder(self, queue: str, key: str | None) -> Job | None:
        """The unfinished job that has a dedup key."""
        found = (
            job
            for job in self.jobs.values()
            if key and (job.queue, job.key) == (queue, key) and not job.ended
        )
        return next(found, None)

    def add(
        self, id: str, what: str, queue: str, priority: int, key: str | None = None, later: bool = False
    ) -> None:
        self.made += 1
        self.jobs[id] = Job(id, self.made, what, queue, priority, key, later)

    def next_in_line(self, queue: str, limit: int) -> list[Job]:
        """Higher priority first, then in order; none of a paused queue."""
        waiting = [job for job in self.jobs.values() if job.queue == queue and job.in_line]
        waiting.sort(key=lambda job: (-job.priority, job.order))
        return [] if queue in self.paused else waiting[:limit]

    def run(self, job: Job) -> None:
        """An attempt that ends as the job's argument says."""
        if job.what == "fail":
            job.state = "FAILURE"
        elif job.what == "reject":
            job.state = "RETRY" if job.retries else "PENDING"
        elif job.what == "retry" and job.retries == 0:
            job.retries, job.state = 1, "RETRY"
        else:
            job.state = "SUCCESS"

    def lose(self, job: Job) -> None:
        job.losses += 1
        job.state = "FAILURE" if job.losses >= 2 else "RETRY" if job.retries else "PENDING"

    def revoke(self, job: Job) -> bool:
        if job.ended or job.state == "STARTED":
            return False
        job.state = "REVOKED"
        return True

    def forget(self, job: Job) -> bool:
        kept = job.ended and not job.forgotten
        job.forgotten |= kept
        return kept

    def replayable(self, job: Job) -> bool:
        return job.state == "FAILURE" and not job.forgotten

    def purge(self, queue: str) -> int:
        return sum(self.revoke(job) for job in self.jobs.values() if job.queue == queue)

    def counts(self, queue: str) -> tuple[int, int, int]:
        """In line, delayed, running."""
        jobs = [job for job in self.jobs.values() if job.queue == queue]
        return (
            sum(job.in_line for job in jobs),
            sum(job.later and not job.ended for job in jobs),
            sum(job.state == "STARTED" for job in jobs),
        )


def any_of(jobs: Iterable[Job], number: int) -> Job | None:
    """One of them by number."""
    several = list(jobs)
    return several[number % len(several)] if several else None
