"""Other queues, one file each, set up as their own documentation advises for throughput with 2 worker processes.

Such a file is loaded in that queue's own virtual environment, never in ours. It has:

* ``SETTINGS``: what was set and why, in words; it stands in the results
* ``worker()``: the commands of its worker processes
* ``send(number)``: makes a no-op job and gives what ``result`` takes
* ``send_timed(sent_ns)``: makes a job that notes how long ago that was
* ``result(job)``: waits for the job's result; None in its place where the queue stores no results
* ``send_many(count)``: makes jobs in one go; None where the queue can't
* ``send_each(count)``: ``send`` one after another, where a loop of its own serves an asyncio queue better

Its tasks call ``count()`` and ``waited(sent_ns)``, the very functions that our own tasks call.
"""
