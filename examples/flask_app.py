"""Flask. In one terminal ``pyqueue worker -A flask_app.py``, in another ``flask --app flask_app run``.

``POST /sum?x=2&y=3`` makes a job and says where its result will be.
"""

from flask import Flask, request, url_for

from pyqueue import PyQueue

queue = PyQueue("jobs.db")
web = Flask(__name__)


@queue.task
def add(x: int, y: int) -> int:
    return x + y


@web.post("/sum")
def ask() -> tuple[dict[str, str], int]:
    job = add.delay(int(request.args["x"]), int(request.args["y"]))
    return {"job": job.id, "result": url_for("show", id=job.id)}, 202


@web.get("/jobs/<id>")
def show(id: str) -> dict[str, object]:
    job = queue.AsyncResult(id)
    return {"state": job.state, "result": job.result if job.successful() else None}
