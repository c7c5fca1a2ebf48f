"""Figures of many observations."""

from __future__ import annotations

import math
from collections.abc import Sequence

Figures = dict[str, float]
"""What one run of one row has found, by name; the names end in their unit."""


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that ``percent`` of all do not exceed. Raises ValueError for none."""
    if not values:
        raise ValueError("nothing was observed")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def milliseconds(nanoseconds: Sequence[int], *percents: float) -> Figures:
    """Percentiles as ``p50_ms`` and the like."""
    return {f"p{percent:g}_ms": percentile(nanoseconds, percent) / 1e6 for percent in percents}
