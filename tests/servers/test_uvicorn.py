"""uvicorn as users run it: worker processes that it starts anew, threads and a loop in each."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import SOCKET, Clients, ask, kill_some, orders_in, stop, wrong
from checking import faults
from processes import Started, until, write_app

SHOP = """
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from pyqueue import PyQueue

queue = PyQueue("jobs.db")

@queue.task
def ship(number): pass

web = FastAPI(default_response_class=PlainTextResponse)

@web.post("/orders/{number}")
def order(number: int):
    return ship.delay(number).id

@web.post("/awaited/orders/{number}")
async def awaited_order(number: int):
    return ship.delay(number).id
"""
UVICORN = ("-m", "uvicorn", "--uds", SOCKET, "--workers", "2", "shop:web")
ORDERS, KILLS = 400, 2


@pytest.mark.timeout(120)
def test_workers_are_killed_and_no_order_is_lost(tmp_path: Path) -> None:
    write_app(tmp_path, SHOP, "shop.py")
    with Started(tmp_path, *UVICORN, name="uvicorn") as server:
        until(lambda: (tmp_path / SOCKET).exists() and ask(tmp_path, "/orders/0"), 40, "it answers")
        assert ask(tmp_path, "/awaited/orders/0")
        clients = Clients(tmp_path)
        try:
            kill_some(server, clients, KILLS, ORDERS, of=2)
        finally:
            clients.stop()
        stop(server, 20)
    print(f"{len(clients.ids)} of {clients.asked} orders acknowledged, {KILLS} workers killed")
    found = orders_in(tmp_path)
    assert found.pop(0) == 2
    assert wrong(found, clients.ids, clients.asked) == []
    assert faults(tmp_path / "jobs.db", list(clients.ids.values())) == []
