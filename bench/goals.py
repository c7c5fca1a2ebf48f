"""What each row is to reach, and which figure of the rivals it stands beside.

When the goals were set, the floors were 60,000 one-row inserts and 10,000 synced appends a second. A goal that names
a floor scales with it; ratios don't scale. The goals of rows that encode calls are for the faster codec (msgspec);
with the standard library's json half is asked.
"""

from typing import Final, NamedTuple

FLOORS: Final = {"inserts": 60_000.0, "sync": 10_000.0}
"""What the goals were set at, by the row that measures the floor."""


class Goal(NamedTuple):
    """A figure of a row and its bound: ``least`` says that more is better."""

    row: str
    figure: str
    bound: float
    least: bool
    floor: str | None = None
    encodes: bool = False


class Ratio(NamedTuple):
    """A figure of one row over that of another row, or over a contender's; ``than`` is a row, "celery" or "all"."""

    row: str
    than: str
    bound: float


class Beside(NamedTuple):
    """Which figures of rivals a row stands beside: their row, the modes of Redis, and whether those on SQLite count."""

    row: str
    modes: tuple[str, ...]
    sqlite: bool


GOALS: Final = (
    Goal("drain-normal", "rate", 100_000, True, "inserts", encodes=True),
    # A worker's claims and acks wait for no sync, so it is the inserts that bound it.
    Goal("drain-full", "rate", 80_000, True, "inserts", encodes=True),
    Goal("one-by-one", "rate", 10_000, True, "inserts"),
    # Each waits for a sync of its own, whatever the file's durability is.
    Goal("transactional-normal", "rate", 5_000, True, "sync", encodes=True),
    Goal("mixed", "rate", 15_000, True, "inserts", encodes=True),
    Goal("mixed", "p99_ms", 20, False, "inserts"),
    Goal("beside-long", "free_ms", 50, False),
    Goal("chord", "ratio", 1.5, False),
    Goal("chain", "rate", 2_000, True, encodes=True),
    Goal("group", "seconds", 2, False, encodes=True),
    Goal("group", "memory_mb", 100, False),
    Goal("delay-normal", "rate", 20_000, True, "inserts", encodes=True),
    Goal("delay-full", "rate", 7_000, True, "sync", encodes=True),
    Goal("delay-threads", "rate", 35_000, True, "sync", encodes=True),
    Goal("many", "rate", 150_000, True, "inserts", encodes=True),
    Goal("pickup", "p50_ms", 0.25, False, "inserts"),
    Goal("pickup", "p99_ms", 1, False, "inserts"),
    Goal("control", "p99_ms", 100, False),
    Goal("control", "changing_p99_ms", 100, False),
    Goal("round-trip", "p50_ms", 0.5, False, "inserts"),
    Goal("round-trip", "p99_ms", 2, False, "inserts"),
    Goal("idle", "cpu_percent", 0.1, False),
    Goal("idle", "pss_mb", 40, False),
    Goal("waiting-1m", "file_bytes_a_job", 300, False),
    Goal("waiting-10m", "file_bytes_a_job", 300, False),
    Goal("inspect", "p99_ms", 20, False),
    Goal("writers", "p99.9_ms", 20, False, "inserts"),
    Goal("writers", "least_to_most", 1 / 3, True),
    Goal("life", "file_to_live", 2, False),
    Goal("life", "wal_mb", 64, False),
    Goal("starting", "import_to_bare", 3, False),
    Goal("starting", "status_cpu_s", 0.15, False),
)

RATIOS: Final = (
    Ratio("drain-normal", "celery", 100),
    Ratio("drain-normal", "all", 25),
    Ratio("waiting-1m", "empty", 0.7),
    Ratio("waiting-10m", "empty", 0.7),
    Ratio("delayed-1m", "empty", 0.7),
)

_LASTING: Final = ("always",)
_LOOSE: Final = ("none", "everysec")

BESIDE: Final = {
    "drain-normal": Beside("drain", _LOOSE, sqlite=True),
    "drain-full": Beside("drain", _LASTING, sqlite=False),
    "delay-normal": Beside("delay", _LOOSE, sqlite=True),
    "delay-full": Beside("delay", _LASTING, sqlite=False),
    "many": Beside("many", _LOOSE, sqlite=True),
    "pickup": Beside("pickup", _LOOSE, sqlite=True),
    "round-trip": Beside("round-trip", _LOOSE, sqlite=True),
    "idle": Beside("idle", _LOOSE, sqlite=True),
}
