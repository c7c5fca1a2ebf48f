"""Who is measured beside pyqueue, and on which Redis."""

from typing import Final, NamedTuple


class Rival(NamedTuple):
    """A queue of others: the module of ``bench.rivals``, what is installed for it, and how many jobs it is given."""

    name: str
    requirements: tuple[str, ...]
    on_redis: bool
    backlog: int
    """A few seconds' work, or what it takes some seconds to make."""


RIVALS: Final = (
    Rival("celery", ("celery[redis]==5.7.0",), True, 3_000),
    Rival("rq", ("rq==3.0.0",), True, 3_000),
    Rival("dramatiq", ("dramatiq[redis]==2.2.1",), True, 4_000),
    Rival("huey", ("huey[redis]==3.5.4",), True, 12_000),
    Rival("arq", ("arq==0.28.0",), True, 6_000),
    Rival("taskiq", ("taskiq==0.13.0", "taskiq-redis==1.2.4"), True, 6_000),
    Rival("huey_sqlite", ("huey==3.5.4",), False, 10_000),
    Rival("potatoq", ("potatoq==26.1a8",), False, 8_000),
    Rival("flexiq", ("flexiq==2.1.0",), False, 8_000),
    Rival("honker", ("honker==0.2.4",), False, 2_000),
    Rival("litequeue", ("litequeue==0.9",), False, 10_000),
    Rival("localqueue", ("localqueue==1.4.1",), False, 10_000),
)

MODES: Final = {
    "none": ("--save", "", "--appendonly", "no"),
    "everysec": ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec"),
    "always": ("--save", "", "--appendonly", "yes", "--appendfsync", "always"),
}
"""What Redis makes durable: nothing, its log once a second, its log before each answer."""

OURS: Final = "pyqueue"
FLOOR: Final = "floor"


class Contender(NamedTuple):
    """A rival on one mode of Redis; ``mode`` is None for those on SQLite."""

    rival: Rival
    mode: str | None

    @property
    def name(self) -> str:
        """As it stands in results and tables."""
        return self.rival.name if self.mode is None else f"{self.rival.name}/{self.mode}"


def contenders(names: set[str] | None, modes: tuple[str, ...]) -> list[Contender]:
    """Those of the given rivals (None: all), each on each of the modes if it is on Redis."""
    return [
        Contender(rival, mode)
        for rival in RIVALS
        if names is None or rival.name in names
        for mode in (modes if rival.on_redis else (None,))
    ]
