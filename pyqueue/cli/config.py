"""``pyqueue config``: what the app and its workers go by, and where each value is from."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from pyqueue.cli.parser import add_command
from pyqueue.config import Resolved, resolve
from pyqueue.redaction import masked, masked_text
from pyqueue.settings import BY_NAME

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

SCHEMA = 1


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "config",
        "Shows every knob. An app's own settings are shown if one is found; without one, what the environment says.",
        ("pyqueue config", "pyqueue config -A proj.app:app --show-origin", "pyqueue config --json"),
    )
    parser.add_argument("-A", "--app", metavar="APP", help="module:app or file.py")
    parser.add_argument("--show-origin", action="store_true", help="say where each value is from")
    parser.add_argument("--json", action="store_true", help="one JSON object with stable keys")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    resolved, target, settings = _resolved(arguments.app)
    values = resolved.config._asdict()
    origins = dict(resolved.origins)
    if target is not None and values["app"] is None:
        values["app"], origins["app"] = target, "-A" if arguments.app else "found here"
    if values["db"] is not None:
        values["db"] = os.path.abspath(values["db"])
    without = {
        name: BY_NAME[name].because
        for name in settings
        if name in BY_NAME and BY_NAME[name].because is not None
    }
    if arguments.json:
        print(
            json.dumps(
                {
                    "schema": SCHEMA,
                    "config": {
                        name: {"value": masked(values[name]), "origin": origins[name]} for name in values
                    },
                    "no_effect": without,
                }
            )
        )
        return 0
    widest = max(map(len, values))
    lines = [
        (f"{name:{widest}}  {_shown(value)}", f"({origins[name]})" if arguments.show_origin else "")
        for name, value in values.items()
    ]
    column = max(len(line) for line, _ in lines)
    print("\n".join(f"{line:{column}}  {origin}".rstrip() for line, origin in lines))
    for name, because in without.items():
        print(f"{name} has no effect: {because}")
    return 0


def _resolved(named: str | None) -> tuple[Resolved, str | None, list[str]]:
    # Here and not above: most of the other commands need no app.
    from pyqueue import loading  # noqa: PLC0415

    if named is None and not loading.is_named():
        return resolve({}), None, []
    app, target = loading.find(named)
    return app.resolved(), target, app.conf.names_given()


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return masked_text(
        ", ".join(map(str, value))
        if isinstance(value, tuple)
        else f"{value:.15g}"
        if isinstance(value, float)
        else str(value)
    )
