"""How figures are written."""

from __future__ import annotations

from typing import Final

UNITS: Final = {
    "rate": "/s",
    "p50_ms": " ms (p50)",
    "p99_ms": " ms (p99)",
    "p99.9_ms": " ms (p99.9)",
    "free_ms": " ms",
    "cpu_percent": " % CPU",
    "pss_mb": " MB (PSS)",
    "file_bytes_a_job": " bytes a job",
    "file_to_live": "x the live rows",
    "wal_mb": " MB of log",
    "least_to_most": " least to most",
    "import_to_bare": " bare interpreters",
    "status_cpu_s": " s of CPU",
    "seconds": " s",
    "memory_mb": " MB",
}


def number(value: float) -> str:
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
