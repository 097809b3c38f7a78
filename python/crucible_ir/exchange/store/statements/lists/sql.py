"""Parts of SQL statements with their values, for both databases.

Lists are built from many small parts, which vary with each query. As text, they cost a fraction of
what expression objects cost, which would be most of the time of a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Sql(NamedTuple):
    """A part of a statement, with a question mark for each of its values."""

    text: str
    values: tuple[Any, ...] = ()


#: The sign of a column whose index SQLite does not use.
_UNSOUGHT: Final = "+"

#: The condition that is always satisfied.
TRUE: Final = Sql("TRUE")


def joined(separator: str, parts: Iterable[Sql]) -> Sql:
    """Return parts with a text between them.

    >>> joined(" OR ", [Sql("a = ?", (1,)), Sql("b = ?", (2,))])
    Sql(text='a = ? OR b = ?', values=(1, 2))
    """
    found = list(parts)
    values = tuple(value for part in found for value in part.values)
    return Sql(separator.join(part.text for part in found), values)


def all_of(*conditions: Sql) -> Sql:
    """Return the condition that all conditions are satisfied."""
    return joined(" AND ", [each for each in conditions if each != TRUE] or [TRUE])


def any_of(conditions: Iterable[Sql]) -> Sql:
    """Return the condition that one of several conditions is satisfied.

    They are nested as a balanced tree, since SQLite limits the depth of an expression.

    >>> any_of([Sql("a"), Sql("b"), Sql("c")]).text
    '(a OR (b OR c))'
    """
    found = list(conditions)
    if len(found) == 1:
        return found[0]
    middle = len(found) // 2
    inner = joined(" OR ", [any_of(found[:middle]), any_of(found[middle:])])
    return Sql(f"({inner.text})", inner.values)


def unsought(column: str) -> str:
    """Return a column whose condition is only checked: SQLite would seek and then sort.

    >>> unsought("entries.id")
    '+entries.id'
    """
    return f"{_UNSOUGHT}{column}"


def rows(connection: Connection, statement: Sql) -> Sequence[Any]:
    """Return the rows of a statement; the types of the values are those of the driver."""
    text = statement.text
    if connection.dialect.name == "postgresql":
        text = text.replace("?", "%s").replace(f"{_UNSOUGHT}entries.", "entries.")
    return connection.exec_driver_sql(text, statement.values).all()
