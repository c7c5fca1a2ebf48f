"""A half message whose local transaction is in PostgreSQL: orders there and jobs here agree, whoever is killed when."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres import server

from pyqueue import PyQueue

SHOP = """
import os, sys
import psycopg
from pyqueue import Check, PyQueue
app = PyQueue("jobs.db")

@app.task
def ship(order):
    with psycopg.connect(os.environ["SHOP"]) as shop:
        shop.execute("INSERT INTO shipped VALUES(%s)", [order])

@ship.check_back
def ordered(order):
    # Waits for a transaction that is under way with this order, and lets none come after it.
    with psycopg.connect(os.environ["SHOP"]) as shop:
        shop.execute("INSERT INTO orders VALUES(%s, 'void') ON CONFLICT DO NOTHING", [order])
        [(state,)] = shop.execute("SELECT state FROM orders WHERE id=%s", [order])
    return Check.COMMIT if state == "paid" else Check.ROLLBACK

def here(at, place):
    if at == place: os.kill(os.getpid(), 9)

def buy(order, at):
    here(at, "before")
    with app.prepare(ship.s(order), timeout=0.2):
        here(at, "prepared")
        with psycopg.connect(os.environ["SHOP"]) as shop:
            shop.execute("INSERT INTO orders VALUES(%s, 'paid')", [order])
            here(at, "inserted")
            if at == "raises": raise ValueError("out of stock")
        here(at, "committed")
    here(at, "settled")

if __name__ == "__main__":
    buy(int(sys.argv[1]), sys.argv[2])
"""
TABLES = "CREATE TABLE orders(id bigint PRIMARY KEY, state text NOT NULL); CREATE TABLE shipped(id bigint)"
PLACES = ("before", "prepared", "inserted", "raises", "committed", "settled", "nowhere")
PAID = {"committed", "settled", "nowhere"}


@pytest.mark.timeout(120)
def test_orders_and_jobs_agree_wherever_the_sender_is_killed(
    tmp_path: Path,
    worker: Callable[..., Any],
    eventually: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    app = PyQueue(tmp_path / "jobs.db")
    with server() as shop_at, psycopg.connect(shop_at, autocommit=True) as shop:
        monkeypatch.setenv("SHOP", shop_at)
        shop.execute(TABLES)
        handle = worker("-A", "shop", "-c", "2")
        numbered = list(enumerate(PLACES * 2))
        senders = [
            (place, subprocess.Popen([sys.executable, "shop.py", str(order), place], cwd=tmp_path))
            for order, place in numbered
        ]
        expected = {"nowhere": 0, "raises": 1}
        assert [one.wait(60) for _, one in senders] == [
            expected.get(place, -signal.SIGKILL) for place, _ in senders
        ]
        eventually(lambda: all(not queue.prepared for queue in app.store.queues()), timeout=30)
        eventually(lambda: all(not queue.waiting + queue.running for queue in app.store.queues()), timeout=30)
        paid = [order for (order,) in shop.execute("SELECT id FROM orders WHERE state='paid' ORDER BY id")]
        shipped = Counter(order for (order,) in shop.execute("SELECT id FROM shipped"))
        handle.stop()
    assert paid == [order for order, place in numbered if place in PAID]
    assert shipped == Counter(paid)


def test_without_the_half_message_an_order_is_never_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The control arm: the same sender, which enqueues after its commit.
    plain = SHOP.replace("with app.prepare(ship.s(order), timeout=0.2):", "if True:")
    plain = plain.replace('    here(at, "settled")', "    ship.delay(order)")
    (tmp_path / "shop.py").write_text(plain)
    with server() as shop_at, psycopg.connect(shop_at, autocommit=True) as shop:
        monkeypatch.setenv("SHOP", shop_at)
        shop.execute(TABLES)
        command = [sys.executable, "shop.py", "1", "committed"]
        assert subprocess.run(command, cwd=tmp_path, check=False).returncode == -signal.SIGKILL
        assert shop.execute("SELECT count(*) FROM orders WHERE state='paid'").fetchone() == (1,)
    assert PyQueue(tmp_path / "jobs.db").store.jobs() == []
