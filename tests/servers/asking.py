"""Clients of a web server on a Unix socket, and what its requests left in the queue's file."""

from __future__ import annotations

import json
import random
import signal
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import apsw
from processes import Started, alive, children, send, until

SOCKET = "web.sock"


def ask(folder: Path, path: str) -> str | None:
    """The body of a good answer; None if none came."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        try:
            client.connect(str(folder / SOCKET))
            client.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while more := client.recv(65536):
                answer += more
        except OSError:
            return None
    head, _, body = answer.partition(b"\r\n\r\n")
    return body.decode() if head.startswith(b"HTTP/1.1 200 ") and len(body) == 36 else None


class Clients:
    """Threads that order; each order has a number of its own."""

    def __init__(self, folder: Path, threads: int = 6) -> None:
        self._folder = folder
        self._stop = threading.Event()
        self.ids: dict[int, str] = {}
        self.asked = 0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._order) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _order(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                self.asked += 1
                number = self.asked
            id = ask(self._folder, f"/orders/{number}")
            if id is not None:
                self.ids[number] = id

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def kill_some(server: Started, clients: Clients, kills: int, orders: int, of: int) -> None:
    """SIGKILLs workers of a server, at random, with orders acknowledged in between; then some more orders."""
    for number in range(kills + 1):
        goal = len(clients.ids) + orders // (kills + 1)
        until(lambda goal=goal: len(clients.ids) >= goal, 60, "orders are acknowledged")
        if number == kills:
            return
        web = until(lambda: len(found := workers(server)) == of and found, 20, "the workers run")
        send(signal.SIGKILL, [victim := random.choice(web)])
        until(lambda victim=victim: not alive(victim))


def workers(server: Started) -> list[int]:
    """Its web workers: not the children of an embedded worker, nor multiprocessing's own."""
    return [pid for pid in children(server.pid) if alive(pid) and _is_web(pid)]


def _is_web(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"pyqueue.worker" not in command and b"resource_tracker" not in command


def orders_in(folder: Path) -> Counter[int]:
    """How often each order is in the file as a job, in whatever state."""
    connection = apsw.Connection(str(folder / "jobs.db"))
    bodies = connection.execute("SELECT payload FROM pyqueue_job WHERE mark<>2").fetchall()
    connection.close()
    return Counter(json.loads(body)["args"][0] for (body,) in bodies)


def wrong(found: Counter[int], acknowledged: dict[int, str], asked: int) -> list[str]:
    """Acknowledged orders are there once; one whose answer did not come is there once or not at all."""
    lost = [number for number in acknowledged if found[number] == 0]
    twice = [number for number, count in found.items() if count > 1]
    strange = [number for number in found if number > asked]
    told = {"lost": lost, "there twice": twice, "never asked for": strange}
    return [f"orders {numbers[:5]} ({len(numbers)}) are {how}" for how, numbers in told.items() if numbers]


def stop(server: Started, within: float) -> None:
    """As an init system stops it; then nothing of it may run any more."""
    family = [server.pid, *children(server.pid)]
    server.process.terminate()
    since = time.monotonic()
    server.wait(within)
    until(lambda: not any(map(alive, family)), within - (time.monotonic() - since), "all have ended")
