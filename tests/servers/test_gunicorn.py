"""gunicorn as users run it: preloaded, its workers forked from a process that has used the queue."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest
from asking import SOCKET, Clients, ask, kill_some, orders_in, stop, workers, wrong
from checking import faults
from processes import Started, children, send, until, write_app

from pyqueue._core import Store

SHOP = """
from flask import Flask
from pyqueue import PyQueue

queue = PyQueue("jobs.db", embed=True)

@queue.task
def ship(number):
    with open("shipped", "a") as file:
        file.write(f"{number}\\n")

web = Flask(__name__)

@web.post("/orders/<int:number>")
def order(number):
    return ship.delay(number).id
"""
USED_BEFORE_THE_FORK = """
first = ship.delay(0).id
"""
BOOKS = """
from sqlalchemy import create_engine, text

engine = create_engine("sqlite:///jobs.db", connect_args={"timeout": 30})
with engine.begin() as books:
    books.execute(text("CREATE TABLE own(n INTEGER PRIMARY KEY)"))

@web.before_request
def note():
    from flask import request
    with engine.begin() as books:
        books.execute(text("INSERT OR IGNORE INTO own VALUES (:number)"), request.view_args)
"""
DISPOSED = """
def when_ready(server):
    from shop import engine
    engine.dispose()
"""
EMBEDDED = """
from gunicorn.app.base import BaseApplication
from shop import queue, web

class Server(BaseApplication):
    def load_config(self):
        for name, value in {"bind": "unix:web.sock", "workers": 2, "threads": 2, "preload_app": True,
                "control_socket_disable": True}.items():
            self.cfg.set(name, value)
    def load(self):
        return web

if __name__ == "__main__":
    with queue.worker(concurrency=2):
        Server().run()
"""
HOOKS = """
from shop import queue

worker = queue.worker(concurrency=2)

def when_ready(server):
    worker.start()

def on_exit(server):
    worker.stop()
"""
ORDERS, KILLS = 600, 6
GUNICORN = (
    "-m",
    "gunicorn",
    "--bind",
    f"unix:{SOCKET}",
    "--preload",
    "--workers",
    "3",
    "--threads",
    "2",
    "--no-control-socket",
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("books", [False, True], ids=["alone", "beside SQLAlchemy"])
def test_workers_forked_from_a_used_queue_are_killed_and_no_order_is_lost(
    tmp_path: Path, books: bool
) -> None:
    write_app(tmp_path, SHOP + (BOOKS if books else "") + USED_BEFORE_THE_FORK, "shop.py")
    if books:
        write_app(tmp_path, DISPOSED, "gunicorn.conf.py")
    with Started(tmp_path, *GUNICORN, "shop:web", name="gunicorn") as server:
        until(lambda: (tmp_path / SOCKET).exists() and ask(tmp_path, "/orders/0"), 30, "it answers")
        clients = Clients(tmp_path)
        try:
            kill_some(server, clients, KILLS, ORDERS, of=3)
        finally:
            clients.stop()
        stop(server, 20)
        assert "Traceback" not in server.log.read_text()
    print(f"{len(clients.ids)} of {clients.asked} orders acknowledged, {KILLS} workers killed")
    found = orders_in(tmp_path)
    # The one of before the fork, and the one that asked whether the server is there.
    assert found.pop(0) == 2
    assert wrong(found, clients.ids, clients.asked) == []
    rows = list(clients.ids) if books else []
    assert faults(tmp_path / "jobs.db", list(clients.ids.values()), rows) == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", ["with", "hooks"])
def test_a_worker_embedded_in_the_master_runs_each_order_once(tmp_path: Path, way: str) -> None:
    write_app(tmp_path, SHOP, "shop.py")
    write_app(tmp_path, EMBEDDED, "serve.py")
    write_app(tmp_path, HOOKS, "gunicorn.conf.py")
    command = ("serve.py",) if way == "with" else (*GUNICORN, "shop:web")
    with Started(tmp_path, *command, name="gunicorn") as server:
        until(lambda: (tmp_path / SOCKET).exists() and ask(tmp_path, "/orders/0"), 30, "it answers")
        count = 2 if way == "with" else 3
        until(lambda: len(workers(server)) == count, 20, "the web workers run")
        ours = set(children(server.pid)) - set(workers(server))
        assert len(ours) == 2, "the worker's children are the master's"
        clients = Clients(tmp_path, threads=4)
        try:
            kill_some(server, clients, 3, ORDERS // 2, of=count)
            left = len(clients.ids)
        finally:
            clients.stop()
        shipped = lambda: (tmp_path / "shipped").read_text().splitlines()  # noqa: E731
        until(lambda: set(map(int, shipped())) >= set(clients.ids), 30, "every order is shipped")
        store = Store(str(tmp_path / "jobs.db"), embed=True)
        # A job that was shipped and not acknowledged would rightly be shipped again.
        until(
            lambda: not any(queue.waiting + queue.running for queue in store.queues()),
            30,
            "all are acknowledged",
        )
        # gunicorn waits for any child of its own: ours is missed all the same.
        send(signal.SIGKILL, ours)
        assert ask(tmp_path, "/orders/1000000")
        until(lambda: "1000000" in shipped(), 30, "others have taken their places")
        stop(server, 20)
    log = server.log.read_text()
    print(f"{len(clients.ids)} of {clients.asked} orders acknowledged and shipped")
    assert left > 0
    assert "timeout" not in log.lower(), log
    numbers = sorted(map(int, shipped()))
    assert len(numbers) == len(set(numbers)), "an order was shipped twice"
    assert faults(tmp_path / "jobs.db", list(clients.ids.values())) == []


def test_control_lost_and_doubled_orders_are_told() -> None:
    told = wrong(Counter({1: 1, 3: 2, 9: 1}), {1: "a", 2: "b", 3: "c"}, 4)
    assert told == [
        "orders [2] (1) are lost",
        "orders [3] (1) are there twice",
        "orders [9] (1) are never asked for",
    ]
