"""A run as a picture: what everybody gets through, and how soon an idle worker has begun."""

from pathlib import Path

from bench.contenders import OURS
from bench.saved import Saved
from bench.summary import Spread, Summary

_PANELS = (
    ("no-op tasks a second, 2 processes", "drain", {"drain-normal": "normal", "drain-full": "full"}, "rate"),
    ("calls a second, one by one", "delay", {"delay-normal": "normal", "delay-full": "full"}, "rate"),
    ("idle pickup p50 (ms), less is better", "pickup", {"pickup": "normal"}, "p50_ms"),
)


def plot(saved: Saved) -> Path:
    """Draws it as SVG beside the JSON. Raises ImportError without matplotlib."""
    from matplotlib.figure import Figure  # needed for nothing else

    summary = Summary(saved.content)
    figure = Figure(figsize=(9, 15), layout="constrained")
    for at, (title, row, ours, name) in enumerate(_PANELS):
        bars = [(f"pyqueue ({how})", summary.spread(mine, OURS, name)) for mine, how in ours.items()]
        bars += [
            (rival, summary.spread(row, rival, name)) for rival in summary.contenders(row) if rival != OURS
        ]
        found = [(label, spread) for label, spread in bars if spread is not None]
        found.sort(key=lambda bar: bar[1].median, reverse=name != "rate")
        axes = figure.add_subplot(len(_PANELS), 1, at + 1)
        axes.set_title(title)
        axes.set_xscale("log")
        axes.barh(
            [label for label, _ in found],
            [spread.median for _, spread in found],
            xerr=_errors([spread for _, spread in found]),
            color=["#b5432a" if label.startswith("pyqueue") else "#8a9ba8" for label, _ in found],
        )
        axes.grid(axis="x", alpha=0.3)
    figure.suptitle(f"{saved.content['began'][:10]}, lines: lowest and highest of the rounds")
    path = saved.path.with_suffix(".svg")
    figure.savefig(path, metadata={"Date": None})
    return path


def _errors(spreads: list[Spread]) -> list[list[float]]:
    return [[each.median - each.lowest for each in spreads], [each.highest - each.median for each in spreads]]
