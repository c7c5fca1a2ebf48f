"""Runs the core's tests and the tests over the built module, and closes with one line for both."""

import re
import subprocess
import sys

COUNTS = re.compile(r"(\d+) (passed|failed|ignored|skipped|errors?)")


def run(command: list[str], closing: re.Pattern[str]) -> tuple[int, dict[str, int]]:
    """Runs a command, passes its output on, and adds up the counts of its closing lines."""
    total = {"passed": 0, "failed": 0, "skipped": 0}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if closing.search(line):
                for count, kind in COUNTS.findall(line):
                    name = {"ignored": "skipped", "error": "failed", "errors": "failed"}.get(kind, kind)
                    total[name] += int(count)
    return process.returncode, total


def main() -> int:
    torture = "--torture" in sys.argv
    marks = ["-m", "slow"] if torture else ["-m", "not slow"]
    core = ["cargo", "test", "--release", "--quiet", "--", *(["--ignored"] if torture else [])]
    face = [sys.executable, "-m", "pytest", *marks]
    codes, total = [], {"passed": 0, "failed": 0, "skipped": 0}
    for command, closing in ((core, r"^test result:"), (face, r" in \d+(\.\d+)?s")):
        code, counts = run(command, re.compile(closing))
        codes.append(code)
        for kind, count in counts.items():
            total[kind] += count
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return int(any(codes) or total["failed"] > 0 or total["passed"] == 0)


if __name__ == "__main__":
    sys.exit(main())
