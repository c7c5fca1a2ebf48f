"""A run as tables in Markdown: goals, rivals, settings, and what is missing."""

from typing import Any

from bench.contenders import OURS
from bench.goals import GOALS, RATIOS, Goal, Ratio
from bench.summary import Spread, Summary
from pyqueue.bench.figures import Figures
from pyqueue.bench.rows import ROWS
from pyqueue.bench.wording import UNITS, number

_TITLES = {row.name: row for row in ROWS}
_SHORT = {"drain": ("rate",), "delay": ("rate",), "many": ("rate",), "inserts": ("rate",)}


def shown(row: str, figures: Figures) -> str:
    """The figures of one step that are worth a line."""
    wanted = _SHORT.get(row) or (
        _TITLES[row].shown if row in _TITLES else ("p50_ms", "p99_ms", "cpu_percent", "pss_mb")
    )
    return ", ".join(f"{number(figures[name])}{UNITS.get(name, '')}" for name in wanted if name in figures)


def tables(content: dict[str, Any]) -> str:
    """All of them."""
    summary = Summary(content)
    parts = [
        _head(content),
        _floors(summary),
        _goals(summary),
        _rivals(summary),
        _settings(content),
        _left_out(content),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(content: dict[str, Any]) -> str:
    machine = content["machine"]
    state = f"ended {content['finished']}" if content["finished"] else "NOT FINISHED"
    scale = content["settings"]["scale"]
    trial = "" if scale >= 0.25 else f" At scale {scale:g} it was a trial: its figures mean nothing."
    return (
        f"Run of {content['began']} ({content['kind']}, {state}), commit {content['commit']}: {machine['cpus']} cores "
        f"({machine['cpu']}), {machine['memory_gb']} GB, {machine['file_system']}, Linux {machine['kernel']}, CPython "
        f"{machine['python']}, SQLite {machine['sqlite']}.{trial} Medians; in brackets lowest and highest of the rounds."
    )


def _floors(summary: Summary) -> str:
    rows = [
        ("one-row inserts, `normal`, our own SQLite", "60,000", summary.floor("inserts")),
        ("4 KiB append + fdatasync", "10,000", summary.floor("sync")),
    ]
    lines = [f"| {name} | {then} | {_spread(found)} |" for name, then, found in rows]
    return "\n".join(["| floor, a second | when the goals were set | now |", "|---|---|---|", *lines])


def _goals(summary: Summary) -> str:
    lines = [
        "| measure | durability | codec | goal | goal here | pyqueue | best rival | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_goal(summary, goal) for goal in GOALS]
    lines += [_ratio(summary, ratio) for ratio in RATIOS]
    asked = {goal.row for goal in GOALS} | {ratio.row for ratio in RATIOS} | {"sync"}
    for row in ROWS:
        if row.name not in asked:
            for figure in row.shown:
                found = _spread(summary.spread(row.name, OURS, figure))
                codec = summary.codec(row.name) or ""
                lines.append(f"| {_title(row.name, figure)} | {row.durability} | {codec} | | | {found} | | |")
    return "\n".join(lines)


def _goal(summary: Summary, goal: Goal) -> str:
    found = summary.spread(goal.row, OURS, goal.figure)
    bound, why = summary.bound(goal)
    sign = "≥" if goal.least else "≤"
    best = summary.best_rival(goal.row, goal.figure, goal.least)
    met = "" if found is None else _verdict(found.median >= bound if goal.least else found.median <= bound)
    cells = (
        _title(goal.row, goal.figure),
        _TITLES[goal.row].durability,
        summary.codec(goal.row) or "",
        f"{sign} {number(goal.bound)}",
        f"{sign} {number(bound)}{f' ({why})' if why else ''}",
        _spread(found),
        "" if best is None else f"{_spread(best[1])} {best[0]}",
        met,
    )
    return f"| {' | '.join(cells)} |"


def _ratio(summary: Summary, ratio: Ratio) -> str:
    found = summary.reached(ratio)
    than = {"celery": "over Celery on Redis", "all": "over every rival", "empty": "over nothing else in line"}
    met = "" if found is None else _verdict(found.median >= ratio.bound)
    row = _TITLES[ratio.row]
    bound = f"≥ {number(ratio.bound)}x"
    reached = "not measured" if found is None else f"{_spread(found)}x"
    codec = summary.codec(row.name) or ""
    return f"| {row.title}, {than[ratio.than]} | {row.durability} | {codec} | {bound} | {bound} | {reached} | | {met} |"


def _rivals(summary: Summary) -> str:
    columns = (
        ("drain", "rate"),
        ("delay", "rate"),
        ("many", "rate"),
        ("pickup", "p50_ms"),
        ("pickup", "p99_ms"),
        ("round-trip", "p50_ms"),
        ("round-trip", "p99_ms"),
        ("idle", "cpu_percent"),
        ("idle", "pss_mb"),
    )
    lines = [
        f"| rival | {' | '.join(f'{row} {_unit(figure)}' for row, figure in columns)} |",
        "|---" * 10 + "|",
    ]
    for name in summary.contenders("drain"):
        cells = [_spread(summary.spread(row, name, figure), missing="-") for row, figure in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _settings(content: dict[str, Any]) -> str:
    seen: dict[str, str] = {}
    for name, said in content["rivals"].items():
        rival = name.partition("/")[0]
        version = said["versions"].get(rival.partition("_")[0], "")
        seen.setdefault(rival, f"* **{rival}** {version}: {said['settings']}.")
    return "\n".join(seen.values())


def _left_out(content: dict[str, Any]) -> str:
    lines = [f"* **{name}**: {' '.join(why.split())[:300]}" for name, why in content["left_out"].items()]
    return "\n".join(["Not measured:", "", *lines]) if lines else ""


def _title(row: str, figure: str) -> str:
    return f"{_TITLES[row].title}, {_unit(figure)}"


def _unit(figure: str) -> str:
    return {"rate": "/s"}.get(figure, figure.replace("_", " "))


def _verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def _spread(found: Spread | None, missing: str = "not measured") -> str:
    if found is None:
        return missing
    if found.rounds == 1:
        return number(found.median)
    return f"{number(found.median)} ({number(found.lowest)}..{number(found.highest)})"
