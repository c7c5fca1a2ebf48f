"""Secrets are not shown: in logs, errors, ``show``, ``config`` and ``report``; what is stored is what was given."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue.redaction import MASK, is_secret, masked, masked_text
from pyqueue.signature import Signature
from pyqueue.worker.log import JsonLines, Lines
from pyqueue.worker.run_job import run_job

NAMES = [
    "password", "PASSWORD", "db_password", "passwd", "secret", "client-secret", "token", "accessToken", "api_key",
    "API-KEY", "apikey", "authorization", "Cookie", "session_cookie", "private_key", "credentials", "passphrase",
]  # fmt: skip
CANARY = "hunter2"


@pytest.mark.parametrize("name", NAMES)
def test_a_value_is_masked_by_its_name(name: str) -> None:
    assert is_secret(name)
    assert masked({"a": [{name: CANARY}]}) == {"a": [{name: MASK}]}
    for text in (
        f"{name}={CANARY}",
        f"{name}: {CANARY}, other: 5",
        f'{{"{name}": "{CANARY} and more"}}',
        f"call({name}='{CANARY}')",
        f"{name} = Bearer {CANARY}",
        f"{name}='{CANARY}",
    ):
        assert CANARY not in masked_text(text), text
        assert name in masked_text(text)


@pytest.mark.parametrize(
    "url", [f"redis://:{CANARY}@h:6379/0", f"amqp://me:{CANARY}@h//", f"see p://a:{CANARY}@b now"]
)
def test_a_url_loses_its_password_and_keeps_its_host(url: str) -> None:
    assert CANARY not in masked_text(url)
    assert masked_text(url).endswith(url.partition("@")[2])


@pytest.mark.parametrize(
    "name", ["monkey", "keyboard", "compass", "recipe", "path", "author", "key", "name", "id"]
)
def test_control_other_names_are_shown(name: str) -> None:
    assert masked({name: CANARY}) == {name: CANARY}
    assert masked_text(f"{name}={CANARY} at sqlite:///jobs.db http://h:80/p") == (
        f"{name}={CANARY} at sqlite:///jobs.db http://h:80/p"
    )


def test_a_long_text_takes_time_in_its_length_only() -> None:
    begun = time.process_time()
    for text in (
        "token" * 20_000,
        "token=" * 20_000,
        "://a:" * 20_000,
        "password" + " " * 100_000,
        "a" * 10**6,
    ):
        masked_text(text)
    # Squares of these lengths take minutes.
    assert time.process_time() - begun < 5


@pytest.fixture
def job(app: PyQueue) -> str:
    """A job that was given a secret and failed with it."""

    @app.task(name="shop.login")
    def login(user: str, *, password: str, headers: Any) -> None:
        raise ValueError(f"no login with password={password!r} at amqp://me:{password}@h/")

    id = login.delay("me", password=CANARY, headers={"Authorization": f"Bearer {CANARY}", "page": 5}).id
    worker = app.store.join("test", 1, 30_000_000)
    app.store.finish([(job, run_job(app, job)) for job in app.store.claim(worker, 9)])
    return id


def command(folder: Path, *words: str, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "pyqueue", *words],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
        env={"PATH": "/usr/bin", "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
    )
    return ended.stdout + ended.stderr


def test_commands_show_no_secret(app: PyQueue, job: str, tmp_path: Path) -> None:
    for words in (
        ["show", "-v", job],
        ["show", "--json", "-v", job],
        ["result", job],
        ["result", "--json", job],
    ):
        said = command(tmp_path, *words, "--db", "jobs.db")
        assert "login" in said
        assert CANARY not in said, words
    assert app.store.show(job).body.count(CANARY.encode()) == 2, "it is stored"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "words", [["config"], ["config", "--json"], ["report"], ["report", "--json"], ["status"], ["list"]]
)
def test_a_server_given_as_the_file_is_shown_without_its_password(tmp_path: Path, words: list[str]) -> None:
    said = command(tmp_path, *words, PYQUEUE_DB=f"redis://me:{CANARY}@host/0")
    assert "host" in said
    assert CANARY not in said


def test_logs_show_no_secret(app: PyQueue, job: str, caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError(f"token={CANARY}")
    except ValueError:
        logging.getLogger("shop").exception(
            "sent cookie: %s\x1b[2J", CANARY, extra={"fields": {"password": CANARY, "page": 5}}
        )
    (record,) = [each for each in caplog.records if each.name == "shop"]
    text, line = Lines().format(record), JsonLines().format(record)
    assert CANARY not in text + line
    assert "\x1b" not in text + line
    assert json.loads(line)["page"] == 5
    assert CANARY in logging.Formatter().format(record), "control: the record holds it"


def test_a_signature_shows_no_secret_and_sends_it() -> None:
    signature: Signature[Any] = Signature("shop.login", ["me"], {"password": CANARY, "page": 5})
    assert repr(signature) == "shop.login('me', password='***', page=5)"
    assert signature.to_dict()["kwargs"]["password"] == CANARY
