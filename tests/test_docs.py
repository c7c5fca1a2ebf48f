"""What the documents show is run."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def block(language: str, containing: str) -> str:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return next(text for name, text in blocks if name == language and containing in text)


def test_the_ten_lines_work_as_pasted(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(block("python", "PyQueue"))
    shell = block("", "pyqueue worker")
    assert shell.split("\n")[0].endswith(" &")
    bin_folder = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    # Output goes to files: the worker in the background would hold a pipe open.
    with (tmp_path / "out").open("w") as out:
        shell_process = subprocess.Popen(
            ["bash", "-c", shell], cwd=tmp_path, env=env, stdout=out, stderr=out, start_new_session=True
        )
        try:
            assert shell_process.wait(30) == 0, (tmp_path / "out").read_text()
        finally:
            os.killpg(shell_process.pid, signal.SIGTERM)
    assert "5" in (tmp_path / "out").read_text().splitlines()


def test_the_readme_names_only_what_make_knows() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make (\w+)", README, re.MULTILINE)) <= targets
    assert "pip install pyqueue" not in README


def test_the_map_names_files_that_exist() -> None:
    journey = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(r"\b((?:src|pyqueue)/[\w/]+\.(?:rs|py|pyi))\b", journey)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).is_file()] == []
