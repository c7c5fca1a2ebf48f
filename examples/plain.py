"""Plain use. In one terminal ``pyqueue worker -A plain.py``, in another ``python plain.py``."""

from pathlib import Path

from pyqueue import PyQueue

app = PyQueue("jobs.db")


@app.task(autoretry_for=(OSError,), retry_backoff=True)
def count_words(path: str) -> int:
    return len(Path(path).read_text().split())


if __name__ == "__main__":
    one = count_words.delay(__file__)
    print("this file has", one.get(timeout=10), "words")

    many = app.enqueue_many(count_words.s(__file__) for _ in range(100))
    print("a hundred times that is", sum(each.get(timeout=10) for each in many))

    later = count_words.apply_async((__file__,), countdown=3600, priority=5)
    print("in an hour:", later.state, "- and now:", "revoked" if later.revoke() else "too late")
