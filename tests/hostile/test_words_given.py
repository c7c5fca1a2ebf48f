"""P19: whatever is typed, set in the environment or written into pyproject.toml is used or refused with a sentence."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqueue import PyQueue
from pyqueue.cli.commands import COMMANDS
from pyqueue.cli.main import main
from pyqueue.config import Config, checked
from pyqueue.exceptions import ImproperlyConfigured, InvalidJob
from pyqueue.moments import after_us, instant_us, length_us

fuzz = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
CODES = {0, 1, 64, 65, 69, 75}

texts = st.text(max_size=12) | st.sampled_from(
    ["-5", "1e999", "NaN", "inf", "9" * 5_000, "\ud800", "\0", "", " ", "0x10"]
)
# A worker, a demonstration and measurements run for long, and so does a wait; an app's name is the way to import code.
commands = st.sampled_from(sorted(set(COMMANDS) - {"worker", "demo", "bench"}))
options = st.sampled_from(
    [
        "--json",
        "--queue",
        "--task",
        "--state",
        "--limit",
        "--force",
        "-n",
        "-v",
        "--priority",
        "--all",
        "--help",
        "--",
    ]
)


@fuzz
@given(commands, st.lists(options | texts, max_size=4))
def test_any_words(tmp_path: Path, command: str, words: list[str]) -> None:
    db = tmp_path / "jobs.db"
    if not db.exists():
        PyQueue(db).send_task("t", task_id="x")
    said = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patched,
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        patched.chdir(tmp_path)
        patched.setattr(sys, "stdin", io.StringIO())
        try:
            code = main([command, *words])
        except SystemExit as error:
            code = error.code  # type: ignore[assignment]
    assert code in CODES, (code, said.getvalue())
    assert ("Traceback" in said.getvalue()) <= ("-v" in words)
    assert not any(each in said.getvalue() for each in "\x1b\x07\x9b")


given_values = texts | st.integers() | st.floats() | st.none() | st.booleans() | st.lists(texts, max_size=3)


@fuzz
@given(st.sampled_from(Config._fields), given_values)
def test_any_value_of_any_knob(name: str, value: Any) -> None:
    try:
        checked(name, value, "a test")
    except ImproperlyConfigured as error:
        assert "a test is" in str(error)  # noqa: PT017


@fuzz
@given(st.floats() | st.integers() | st.text(max_size=5) | st.none())
def test_any_time(value: Any) -> None:
    for read in (
        lambda: length_us(value, "a time"),
        lambda: instant_us(value),
        lambda: after_us(value, lambda: 0, "a time"),
    ):
        try:
            assert isinstance(read(), int)
        except (TypeError, ValueError, ArithmeticError, AttributeError, InvalidJob):
            # What new_job turns into InvalidJob.
            continue


@fuzz
@given(st.binary(max_size=60), st.booleans())
def test_any_pyproject(tmp_path: Path, text: bytes, table: bool) -> None:
    (tmp_path / "pyproject.toml").write_bytes((b"[tool.pyqueue]\n" if table else b"") + text)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path)
        try:
            PyQueue("jobs.db").resolved()
        except ImproperlyConfigured as error:
            assert "pyproject.toml" in str(error)  # noqa: PT017
