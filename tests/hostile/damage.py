"""Damage by number: the same number does the same harm to the same file."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import NamedTuple

from hostile.good_file import Good

HEADER = 100


class Damaged(NamedTuple):
    what: str
    db: bytes
    wal: bytes


def page_size(db: bytes) -> int:
    return int.from_bytes(db[16:18], "big")


def flip(data: bytearray, dice: random.Random, low: int, high: int, count: int = 1) -> str:
    places = sorted(dice.randrange(low, high) for _ in range(count))
    for place in places:
        data[place] ^= 1 << dice.randrange(8)
    return ",".join(map(str, places))


def header(db: bytearray, wal: bytearray, dice: random.Random) -> str:
    return f"header {flip(db, dice, 0, HEADER)}"


def schema(db: bytearray, wal: bytearray, dice: random.Random) -> str:
    return f"schema {flip(db, dice, HEADER, page_size(db), dice.choice([1, 1, 4]))}"


def page(db: bytearray, wal: bytearray, dice: random.Random) -> str:
    """Bits of one page, whichever kind it is."""
    size = page_size(db)
    start = size * dice.randrange(1, len(db) // size)
    return f"page {flip(db, dice, start, start + size, dice.choice([1, 1, 1, 8, 64]))}"


def page_head(db: bytearray, wal: bytearray, dice: random.Random) -> str:
    """Its kind, its counts and its first cell pointers."""
    size = page_size(db)
    start = size * dice.randrange(1, len(db) // size)
    return f"page head {flip(db, dice, start, start + 24, dice.choice([1, 1, 3]))}"


def numbers(db: bytearray, wal: bytearray, dice: random.Random) -> str:
    """Eight bytes become an extreme integer, where a cell's content lies."""
    size = page_size(db)
    start = size * dice.randrange(1, len(db) // size)
    place = dice.randrange(start + size // 2, start + size - 8)
    db[place : place + 8] = dice.choice([b"\x7f" + b"\xff" * 7, b"\x80" + b"\0" * 7, b"\xff" * 8, b"\0" * 8])
    return f"numbers {place}"


def log(db: bytearray, wal: bytearray, dice: random.Random) -> str:
    if not wal:
        return page(db, wal, dice)
    return f"wal {flip(wal, dice, 0, dice.choice([32, len(wal)]), dice.choice([1, 1, 16]))}"


def cut(db: bytearray, wal: bytearray, dice: random.Random) -> str:
    data = wal if wal and dice.random() < 0.3 else db
    end = dice.choice([dice.randrange(len(data)), dice.randrange(1, 1 + len(data) // 512) * 512])
    del data[end:]
    return f"{'wal' if data is wal else 'db'} cut at {end}"


def zeroed(db: bytearray, wal: bytearray, dice: random.Random) -> str:
    size = page_size(db)
    number = dice.randrange(len(db) // size)
    db[number * size : (number + 1) * size] = bytes(size)
    return f"page {number} zeroed"


def noise(db: bytearray, wal: bytearray, dice: random.Random) -> str:
    size = page_size(db)
    number = dice.randrange(1, len(db) // size)
    db[number * size : (number + 1) * size] = dice.randbytes(size)
    return f"page {number} is noise"


def swapped(db: bytearray, wal: bytearray, dice: random.Random) -> str:
    """A page in another's place: sound by itself, wrong there."""
    size = page_size(db)
    one, two = (dice.randrange(1, len(db) // size) * size for _ in range(2))
    db[one : one + size], db[two : two + size] = db[two : two + size], db[one : one + size]
    return f"pages at {one} and {two} swapped"


def sizes(db: bytearray, wal: bytearray, dice: random.Random) -> str:
    """The page size, reserved bytes, page count or text encoding is another."""
    place, length = dice.choice([(16, 2), (20, 1), (28, 4), (18, 2), (56, 4), (44, 4), (36, 4), (32, 4)])
    db[place : place + length] = dice.randbytes(length)
    return f"header field {place}"


EXTREMES = ["-9223372036854775808", "-1", "0", "1", "127", "4294967296", "9223372036854775807", "NULL"]
TEXTS = [
    "''",
    "CAST(x'ff41' AS TEXT)",
    "'a' || char(0) || 'b'",
    "char(27) || '[2J'",
    "hex(zeroblob(2000))",
    "NULL",
]


@contextmanager
def rewritten(db: bytearray) -> Iterator[sqlite3.Connection]:
    """For statements that may break the CHECKs: their pages take the place of those in ``db``."""
    version, db[18:20] = db[18:20], b"\1\1"
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(bytes(db))
        connection.execute("PRAGMA ignore_check_constraints = ON")
        yield connection
        connection.commit()
        db[:] = connection.serialize()
    db[18:20] = version


def values(db: bytearray, wal: bytearray, dice: random.Random) -> str:
    """Values that no CHECK of ours would let in, in whole and sound pages."""
    del wal[:]
    told = []
    with rewritten(db) as connection:
        for _ in range(dice.choice([1, 3, 10])):
            statement = update(connection, dice)
            # A NULL in a NOT NULL column, or one value twice in a unique one.
            with suppress(sqlite3.Error):
                connection.execute(statement)
                told.append(statement)
    return "; ".join(told)


def update(connection: sqlite3.Connection, dice: random.Random) -> str:
    tables = "SELECT name FROM sqlite_schema WHERE type='table' AND name LIKE 'pyqueue%' ORDER BY name"
    table = dice.choice([name for (name,) in connection.execute(tables).fetchall()])
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    _, column, kind, *_ = dice.choice(columns)
    if kind == "BLOB":
        value = dice.choice(["x''", "NULL", "zeroblob(100000)"])
    else:
        value = dice.choice(TEXTS if kind == "TEXT" else EXTREMES)
    count = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    row = f"SELECT {column} FROM {table} LIMIT 1 OFFSET {dice.randrange(count or 1)}"
    everywhere = dice.random() < 0.3
    return f"UPDATE {table} SET {column}={value}" + ("" if everywhere else f" WHERE {column} IS ({row})")


KINDS: list[Callable[[bytearray, bytearray, random.Random], str]] = [
    header, schema, schema, page, page, page, page_head, page_head, numbers, numbers, log, cut, zeroed, noise,
    swapped, sizes, values, values, values,
]  # fmt: skip


def damaged(good: Good, number: int) -> Damaged:
    dice = random.Random(number)
    db, wal = bytearray(good.db), bytearray(good.wal)
    what = dice.choice(KINDS)(db, wal, dice)
    return Damaged(what, bytes(db), bytes(wal))
