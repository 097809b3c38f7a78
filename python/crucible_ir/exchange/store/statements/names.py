"""The numbers that stand for the names that many feedback events share."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import select

from crucible_ir.exchange.store.statements.tables import feedback_names

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, ScalarSelect

T = TypeVar("T")

#: The number of an absent name.
NO_NAME: Final = 0

#: The most values in one condition.
VALUES_AT_A_TIME: Final = 500


def parts(values: Iterable[T]) -> Iterator[Sequence[T]]:
    """Yield values in parts of at most `VALUES_AT_A_TIME`.

    >>> [len(part) for part in parts(range(1100))]
    [500, 500, 100]
    """
    all_ = list(values)
    for start in range(0, len(all_), VALUES_AT_A_TIME):
        yield all_[start : start + VALUES_AT_A_TIME]


def name_hash(name: bytes) -> bytes:
    """Return the hash by which a name is found."""
    return hashlib.sha256(name).digest()


def numbers_of(connection: Connection, names: Iterable[bytes]) -> dict[bytes | None, int]:
    """Return the numbers of those names that the store has."""
    names_by_hash = {name_hash(name): name for name in names}
    found: dict[bytes | None, int] = {}
    columns = feedback_names.c
    for hashes in parts(names_by_hash):
        statement = select(columns.hash, columns.number).where(columns.hash.in_(hashes))
        for hash_, number in connection.execute(statement):
            found[names_by_hash[bytes(hash_)]] = int(number)
    return found


def add(connection: Connection, names: Collection[bytes]) -> dict[bytes | None, int]:
    """Return the numbers of names; those that the store does not have get one."""
    found = numbers_of(connection, names)
    new = [name for name in names if name not in found]
    if new:
        rows = [{"hash": name_hash(name), "name": name} for name in new]
        connection.execute(feedback_names.insert(), rows)
        found.update(numbers_of(connection, new))
    return found


def names_of(connection: Connection, numbers: Collection[int]) -> dict[int, str]:
    """Return the names of numbers."""
    found = {}
    columns = feedback_names.c
    for part in parts(numbers):
        statement = select(columns.number, columns.name).where(columns.number.in_(part))
        for number, name in connection.execute(statement):
            found[int(number)] = bytes(name).decode()
    return found


def number_of(name: bytes) -> ScalarSelect[int]:
    """Return the number of a name, as an expression; null if the store does not have it."""
    columns = feedback_names.c
    return select(columns.number).where(columns.hash == name_hash(name)).scalar_subquery()


def name_of(number: ColumnElement[int]) -> ScalarSelect[bytes]:
    """Return the name of a number, as an expression; null if there is none."""
    columns = feedback_names.c
    return select(columns.name).where(columns.number == number).scalar_subquery()
