"""FastAPI. In one terminal ``pyqueue worker -A fastapi_app.py``, in another ``fastapi dev fastapi_app.py``.

``POST /sum?x=2&y=3`` makes a job and says where its result will be. The pages are plain functions, which
FastAPI runs in threads: making a job is a commit to a disk and must not hold up the event loop.
"""

from fastapi import FastAPI, HTTPException

from pyqueue import PyQueue

queue = PyQueue("jobs.db")
web = FastAPI()


@queue.task
def add(x: int, y: int) -> int:
    return x + y


@web.post("/sum", status_code=202)
def ask(x: int, y: int) -> dict[str, str]:
    job = add.delay(x, y)
    return {"job": job.id, "result": f"/jobs/{job.id}"}


@web.get("/jobs/{id}")
def show(id: str) -> dict[str, object]:
    job = queue.AsyncResult(id)
    if job.state == "UNKNOWN":
        raise HTTPException(404, "there is no such job")
    return {"state": job.state, "result": job.result if job.successful() else None}
