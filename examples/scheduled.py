"""Schedules. In one terminal ``pyqueue worker -A scheduled.py``, in another ``python scheduled.py``."""

from datetime import UTC, datetime, timedelta

from pyqueue import PyQueue
from pyqueue.schedules import crontab

app = PyQueue("jobs.db")


@app.periodic_task(crontab(minute=30, hour=2, zone="Europe/Berlin"), catch_up="one", overlap="skip")
def clean() -> str:
    return "clean"


if __name__ == "__main__":
    app.schedules.add("often", timedelta(seconds=5), clean, jitter=1)
    print("the schedules are", ", ".join(each.name for each in app.schedules))

    spring = datetime(2027, 3, 28, tzinfo=UTC)
    (night,) = app.schedules.times("scheduled.clean", spring, spring + timedelta(days=1))
    print("as the clock goes forward it runs at", f"{night:%H:%M} UTC")

    print("and now:", app.schedules.run("often").get(timeout=10))
    app.schedules.remove("often")
