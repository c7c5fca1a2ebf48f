"""What a fresh process finds in a file: nothing of the process that wrote it can hide a fault."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from pathlib import Path

from processes import Started

_CHECK = """
import json, sys
import apsw
path, ids_file = sys.argv[1:]
asked = json.load(open(ids_file))
report = {"lost": [], "rows_lost": []}
try:
    connection = apsw.Connection(path)
    report["integrity"] = connection.execute("PRAGMA integrity_check").get
    if asked["rows"]:
        rows = {row for row, in connection.execute("SELECT n FROM own")}
        report["rows_lost"] = [row for row in asked["rows"] if row not in rows]
    connection.close()
    from pyqueue._core import Store
    store = Store(path, embed=True)
    report["unsound"] = store.examine()
    report["lost"] = [id for id in asked["ids"] if store.view(id).state == "unknown"]
except Exception as error:
    report["error"] = f"{type(error).__name__}: {error}"
print(json.dumps(report))
"""


def faults(db: Path, ids: Sequence[str], rows: Sequence[int] = ()) -> list[str]:
    """What a fresh process finds wrong with a file: its structure, acknowledged jobs and rows of table ``own``."""
    asked = db.with_name(f"asked-{uuid.uuid4().hex[:8]}.json")
    asked.write_text(json.dumps({"ids": list(ids), "rows": list(rows)}))
    with Started(db.parent, "-c", _CHECK, str(db), str(asked), name="check") as check:
        if check.wait(60) != 0:
            return [f"the check ended with {check.process.returncode}: {check.log.read_text()}"]
        report = json.loads(check.out.read_text())
    found = [report["error"]] if "error" in report else []
    found += report.get("unsound", [])
    if report.get("integrity", "ok") != "ok":
        found.append(f"integrity_check: {report['integrity']}")
    for kind, what in (("lost", "jobs"), ("rows_lost", "rows of its own")):
        if report[kind]:
            found.append(f"{len(report[kind])} acknowledged {what} are not in the file")
    return found
