"""The page about workflows shows what works."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue import chord

PAGE = (Path(__file__).parents[2] / "docs" / "workflows.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_pages_workflows_work(
    project: Callable[[str], Any], worker: Callable[..., Any], eventually: Callable[..., None], tmp_path: Path
) -> None:
    made = project("\n".join(BLOCKS))
    module = made.load()
    worker("-A", str(made.file), "-c", "2")
    for number in range(3):
        (tmp_path / str(number)).write_text("one word " * number)
    assert module.send([str(tmp_path / str(number)) for number in range(3)]).get(timeout=20) == "6 words"
    assert module.fetch_all.delay(["a", "bc", "def"]).get(timeout=20) == 6
    pages = {"name": "a", "links": [{"name": "b", "links": [{"name": "c"}]}]}
    assert chord([module.crawl.s(pages)], module.text.s()).delay().get(timeout=20) == "['a', 'b', 'c'] words"
    found = module.order(7)
    assert found.get(timeout=20)["thanks"] == "thank you"
    assert "sorry" not in found.get(timeout=20)
    lost = module.order(-1)
    with pytest.raises(ValueError, match="no such order"):
        lost.get(timeout=20)
    assert lost["sorry"].get(timeout=20) == "sorry"
    eventually(lambda: lost.state == "failed")
