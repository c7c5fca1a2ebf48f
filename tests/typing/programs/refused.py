"""What no checker may let through; each line marked is an error, and no other is."""

from typing import Any

from pyqueue import Celery, PyQueue, shared_task

app = PyQueue("jobs.db")


@app.task
def add(x: int, y: int = 0) -> int:
    return x + y


@app.task(bind=True)
def bound(self: Any, n: int) -> str:
    return str(n)


@shared_task
def shared(text: str) -> bytes:
    return text.encode()


@app.task
async def fetch(url: str) -> bytes:
    return url.encode()


@app.task(bind=True)
async def fetch_bound(self: Any, url: str) -> bytes:
    return url.encode()


add.delay("x")  # error
add.using(object()).delay("x")  # error
add.on_commit(object()).delay("x")  # error
add.delay_on_commit("x")  # error
fetch.delay(5)  # error
fetch.delay()  # error
fetch_bound.delay("x", 1)  # error
body: bytes = fetch("x")  # error
text: str = fetch.delay("x").get()  # error
other: str = fetch_bound.delay("x").get()  # error
add.delay()  # error
add.delay(1, 2, 3)  # error
add.delay(x=1, z=2)  # error
add.s("x")  # error
add.si(None)  # error
add("x")  # error
bound.delay("n")  # error
bound.delay(1, 2)  # error
shared.delay(5)  # error
result: str = add.delay(1).get()  # error
number: int = bound.delay(1).get()  # error
add.apply_async((1, 2), quee="mail")  # error
add.apply_async((1, 2), countdown="soon")  # error
app.send_task("proj.other", queue=5)  # error
PyQueue("jobs.db", durability="fast")  # error
app.worker(concurrency="2")  # error
app.testing(propagate=1.5)  # error
Celery("proj", broker=5)  # error
app.task(max_retrys=3)(add)  # error
app.config.grace = 5  # error
add.check_back(len)  # error
app.prepare(1)  # error
app.producer("in").send(add.s(1), position=1.5)  # error
