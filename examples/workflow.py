"""A workflow. In one terminal ``pyqueue worker -A workflow.py``, in another ``python workflow.py``."""

from pathlib import Path

from pyqueue import PyQueue, group

app = PyQueue("jobs.db")


@app.task
def count_words(path: str) -> int:
    return len(Path(path).read_text().split())


@app.task
def total(counts: list[int]) -> int:
    return sum(counts)


@app.task
def told(words: int, folder: str) -> str:
    return f"the files in {folder} have {words} words"


if __name__ == "__main__":
    files = sorted(str(path) for path in Path().glob("*.py"))
    counted = group(count_words.s(path) for path in files) | total.s() | told.s("this folder")
    sent = counted.delay()
    print(sent.get(timeout=10))
    print("each:", sent.parent.parent.get())
