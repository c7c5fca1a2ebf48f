"""The tests here use the processes of the proofs and the checker of the chaos."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pyqueue.cli.main import main

sys.path.insert(0, str(Path(__file__).parent.parent / "crash"))


@pytest.fixture
def refused(tasks: Any, capsys: pytest.CaptureFixture[str]) -> Callable[[Sequence[str]], str]:
    """The last line of what ``pyqueue worker`` says to options that it does not take."""

    def said(options: Sequence[str]) -> str:
        try:
            code = main(["worker", "-A", tasks.__project__.file.name, *options])
        except SystemExit as ended:
            code = int(ended.code or 0)
        assert code == 64
        return capsys.readouterr().err.strip().splitlines()[-1]

    return said
