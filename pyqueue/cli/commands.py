"""Every command: its name, what it does in a few words, and the module that is loaded when it is called."""

# ruff: noqa: PLC0415, PLR0911, PLR0912, PLR0915  each import waits for its command

from __future__ import annotations

# Loading typing costs as much as starting the interpreter; type checkers know the name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, _SubParsersAction
    from typing import Final, Protocol

    class Command(Protocol):
        """A module of a command."""

        def add(self, commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser, /) -> None:
            """Adds the command's parser, whose default ``run`` takes the arguments and gives the exit code."""


COMMANDS: Final = {
    "worker": "run jobs",
    "beat": "fire schedules, and run no jobs",
    "status": "show queues and workers",
    "list": "list the newest jobs",
    "show": "show everything about a job",
    "result": "show or await the result of a job",
    "why": "say what a job waits for",
    "inspect": "show what workers do, whether they can answer or not",
    "top": "show on a terminal what happens",
    "events": "show or follow what happens",
    "stats": "show how long jobs waited and ran, by task",
    "plan": "say how many children and how much disk are needed",
    "report": "show what a bug report needs",
    "doctor": "look for what can go wrong, and say what to do",
    "call": "make a job of a task, by its name",
    "retry": "run failed and dead jobs once more",
    "cancel": "cancel jobs that are not running",
    "settle": "say by hand what becomes of a half message",
    "purge": "cancel every job of a queue that is in line",
    "move": "move jobs to another queue",
    "priority": "give jobs another priority",
    "pause": "let no job of a task, a queue or a key start",
    "resume": "let them start again",
    "control": "tell workers what to do, and show what they were told",
    "schedule": "show, pause, run schedules, and the times that come",
    "sql": "print SQL for clients of any language",
    "config": "show the configuration and where each value is from",
    "completion": "print a completion script for bash or zsh",
    "bench": "measure on this machine's own disk",
    "demo": "run a demonstration",
}


def load(name: str) -> Command:
    """Imports the module of one command."""
    match name:
        case "worker":
            from pyqueue.cli import worker

            return worker
        case "beat":
            from pyqueue.cli import beat

            return beat
        case "status":
            from pyqueue.cli import status

            return status
        case "list":
            from pyqueue.cli import list_jobs

            return list_jobs
        case "show":
            from pyqueue.cli import show

            return show
        case "result":
            from pyqueue.cli import result

            return result
        case "why":
            from pyqueue.cli import why

            return why
        case "inspect":
            from pyqueue.cli import inspect

            return inspect
        case "top":
            from pyqueue.cli import top

            return top
        case "events":
            from pyqueue.cli import events

            return events
        case "stats":
            from pyqueue.cli import stats

            return stats
        case "plan":
            from pyqueue.cli import plan

            return plan
        case "report":
            from pyqueue.cli import report

            return report
        case "doctor":
            from pyqueue.cli import doctor

            return doctor
        case "call":
            from pyqueue.cli import call

            return call
        case "retry":
            from pyqueue.cli import retry

            return retry
        case "cancel":
            from pyqueue.cli import cancel

            return cancel
        case "settle":
            from pyqueue.cli import settle

            return settle
        case "purge":
            from pyqueue.cli import purge

            return purge
        case "move":
            from pyqueue.cli import move

            return move
        case "priority":
            from pyqueue.cli import priority

            return priority
        case "pause":
            from pyqueue.cli import pause

            return pause
        case "resume":
            from pyqueue.cli import resume

            return resume
        case "control":
            from pyqueue.cli import control

            return control
        case "schedule":
            from pyqueue.cli import schedule

            return schedule
        case "sql":
            from pyqueue.cli import sql

            return sql
        case "config":
            from pyqueue.cli import config

            return config
        case "completion":
            from pyqueue.cli import completion

            return completion
        case "bench":
            from pyqueue.cli import bench

            return bench
        case "demo":
            from pyqueue.cli import demo

            return demo
    raise KeyError(name)
