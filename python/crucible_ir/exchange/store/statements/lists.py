"""The statement that lists documents, at a cost that does not depend on their number.

It scans an index in the order of the list, and stops when the page is full. The conditions decide
which index. If few documents satisfy one of them, these are found first and then sorted. If many
documents satisfy each condition, a scan in the order of the list checks the conditions, and soon
finds enough documents. Two conditions have no index, since nearly all documents satisfy them: the
release that reads a document, and whether it is deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, exists, func, literal_column, null, or_, select

from crucible_ir.exchange.store.records import Comparison, Condition, ListQuery
from crucible_ir.exchange.store.statements.rows import (
    IS_LATEST,
    RECORD_COLUMNS,
    begins_with,
    release_code,
    within,
)
from crucible_ir.exchange.store.statements.tables import documents, field_values, revisions

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, FromClause, Select

#: The limit of few documents: finding and sorting so many takes about as long as reading a page.
FEW: Final = 1000

#: The name of the document's own key in conditions.
_ID: Final = "id"


def list_statement(connection: Connection, query: ListQuery) -> Select[Any]:
    """Return the statement for a list from the start of a page.

    Args:
        connection: Counts the documents that satisfy a condition, if necessary.
        query: The query, whose type is in its scope.
    """
    leading = _leading(connection, query)
    source: FromClause = documents
    key: ColumnElement[Any] = documents.c.created_sequence if query.newest_first else documents.c.id
    conditions = list(query.conditions)
    wanted: list[ColumnElement[bool]] = [documents.c.type == query.type]
    if leading is not None and leading.comparison is Comparison.EQUALS and leading.field != _ID:
        conditions.remove(leading)
        values = field_values.alias("leading")
        same = and_(documents.c.type == values.c.type, documents.c.id == values.c.id)
        source = values.join(documents, same)
        key = values.c.created_sequence if query.newest_first else values.c.id
        wanted = [_is_value(values, query.type, leading)]
    elif leading is not None:
        conditions.remove(leading)
        wanted.append(_is_among(query.type, leading))
        # An expression has no index, so the planner cannot prefer its order.
        key = key + literal_column("0") if query.newest_first else key
    wanted += [_matches(query.type, condition) for condition in conditions]
    if query.after is not None:
        after = query.after if isinstance(query.after, int) else query.after.encode()
        wanted.append(key < after if query.newest_first else key > after)
    if not query.include_deleted:
        wanted.append(documents.c.deleted.is_(False))
    if query.readable_by is not None:
        # For an expression, the planner does not expect that few match, and keeps to the indexes.
        code = revisions.c.requires + literal_column("0")
        wanted.append(or_(revisions.c.deleted, code <= release_code(query.readable_by)))
    document = revisions.c.document if query.include_documents else null()
    return (
        select(*RECORD_COLUMNS, document, documents.c.created_sequence)
        .select_from(source.join(revisions, IS_LATEST))
        .where(*wanted, within(query.scope, documents.c.id))
        .order_by(key.desc() if query.newest_first else key)
    )


def _leading(connection: Connection, query: ListQuery) -> Condition | None:
    """Return the condition to begin with: the one that the fewest documents satisfy.

    If many documents satisfy each of them, it is one whose index has the order of the list;
    ``None`` to begin with all documents of the type.
    """
    equalities = [each for each in query.conditions if each.comparison is Comparison.EQUALS]
    if len(query.conditions) == 1 and equalities:
        return equalities[0]
    counts = [(_count(connection, query.type, each), each) for each in query.conditions]
    fewest, condition = min(counts, key=lambda counted: counted[0], default=(FEW, None))
    if fewest < FEW:
        return condition
    return next((each for each in equalities if each.field != _ID), None)


def _count(connection: Connection, type_: str, condition: Condition) -> int:
    """Return the number of documents that satisfy a condition, at most `FEW`."""
    found = _ids(type_, condition).limit(FEW).subquery()
    return int(connection.execute(select(func.count()).select_from(found)).scalar_one())


def _ids(type_: str, condition: Condition) -> Select[Any]:
    """Select the ids of the documents that satisfy a condition."""
    if condition.field == _ID:
        return select(documents.c.id).where(
            documents.c.type == type_, _compared(documents.c.id, condition)
        )
    return select(field_values.c.id).where(_is_value(field_values, type_, condition))


def _is_among(type_: str, condition: Condition) -> ColumnElement[bool]:
    """Return a condition that is checked first, and that few documents satisfy."""
    if condition.field == _ID:
        return _compared(documents.c.id, condition)
    return documents.c.id.in_(_ids(type_, condition))


def _matches(type_: str, condition: Condition) -> ColumnElement[bool]:
    """Return a condition that is checked for one document after another."""
    if condition.field == _ID:
        return _compared(documents.c.id, condition)
    values = field_values.alias()
    return exists().where(values.c.id == documents.c.id, _is_value(values, type_, condition))


def _is_value(values: Any, type_: str, condition: Condition) -> ColumnElement[bool]:
    return and_(
        values.c.type == type_,
        values.c.field == condition.field,
        _compared(values.c.value, condition),
    )


def _compared(column: ColumnElement[bytes], condition: Condition) -> ColumnElement[bool]:
    wanted = condition.value.encode()
    if condition.comparison is Comparison.EQUALS:
        return column == wanted
    return begins_with(column, wanted)
