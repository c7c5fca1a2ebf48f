"""The promises, each as a rule over the history. Another promise is another class here and in ``RULES``.

Events, beside ``process`` (the first of each file: role, pid, parent's pid):

* ``enqueue``: subject is the client's name for the call. invoke: how many jobs, dedup key or ``-``, delay in µs.
  ok: the public ids, ``=id`` where the key was taken. The i-th job of call ``c`` has the tag ``c.i``.
* ``start``, ``end``: by the task, subject is the job. start: tag, token, attempt, max_losses. end: token.
* ``progress``: a write under a token while the job runs; fail means that it was refused.
* ``seen``: somebody was told the job's final state. ``cancel``: ok means that it will never run.
* ``kill``, ``stop``: SIGKILL and SIGSTOP, subject is the pid; invoke stands before the signal. Facts: the
  role, which is ``itself`` for a job that kills its own process; that has no ok.
* ``order``: a call of a client's, between invoke and ok, that is enqueued in a transaction of its own together with a
  row for each tag: invoke: how many jobs. fail: rolled back. ``ordered``: such a row is in the file, by tag.
* ``transaction``: a job has begun one that ends it. ``effect``: a row that it wrote is in the file: token.
* ``file``: what the file holds after all is over, by attempt, the first first: attempt, outcome, token or ``-``,
  final state or ``-``. ``left``: the job has not ended.
"""

from __future__ import annotations

from typing import Final

from dying import Bounded, Kills, NothingStuck
from keeping import Kept, NotEarly, OneOfAKey
from running import NothingStale, OneLease, Over, Ran
from together import EndedTogether, OrderedTogether

RULES: Final = (
    Kept,
    OrderedTogether,
    OneLease,
    NothingStale,
    Over,
    Ran,
    NothingStuck,
    Bounded,
    EndedTogether,
    OneOfAKey,
    NotEarly,
    Kills,
)
"""Each run of the checker makes them anew."""
