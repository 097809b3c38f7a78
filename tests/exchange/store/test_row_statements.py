"""A statement with many rows of parameters stores each of their values as it is."""

from __future__ import annotations

import math
from typing import Any

import pytest
from exchange.store.test_migrations import engine_of
from sqlalchemy import text

from crucible_ir.exchange.store.engine import row_statements
from crucible_ir.exchange.store.engine.row_statements import RowStatement

CREATE = """
CREATE TABLE things (
    {key}, name VARCHAR(64), size BIGINT, code INTEGER, share FLOAT, flag BOOLEAN, content {bytes}
)
"""
KEY = {
    "sqlite": ("number INTEGER PRIMARY KEY", "BLOB"),
    "postgresql": ("number BIGINT GENERATED ALWAYS AS IDENTITY", "BYTEA"),
}
COLUMNS = {
    "name": "text",
    "size": "bigint",
    "code": "integer",
    "share": "double precision",
    "flag": "boolean",
    "content": "bytea",
}
INSERT = RowStatement(
    "INSERT INTO things (name, size, code, share, flag, content)"
    " SELECT name, size, code, share, flag, content FROM {rows}",
    **COLUMNS,
)
UPDATE = RowStatement(
    "UPDATE things SET name = rows.name FROM {rows} WHERE things.size = rows.size",
    name="text",
    size="bigint",
)

ROWS: list[tuple[Any, ...]] = [
    ("a", 1, 3000, 0.1, True, b"a"),
    ("", 2**63 - 1, -(2**31), math.inf, False, b""),
    ('{NULL,"\\\\x00"}', -(2**63), 0, 5e-324, None, b"\x00\\x41,{}"),
    ("null", 0, None, -0.0, True, bytes(range(256))),
    ("%s :name \U0001f600 '", 127, 32768, None, False, None),
    (None, 128, 1, 1.0, True, b"z"),
]


@pytest.mark.parametrize("rows_in_a_statement", [4, 10_000])
def test_values_are_stored_as_they_are_and_in_order(
    address: str, rows_in_a_statement: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_statements, "ROWS_IN_A_STATEMENT", rows_in_a_statement)
    engine = engine_of(address)
    key, type_ = KEY[engine.dialect.name]
    nulls = [(None,) * len(COLUMNS)] * rows_in_a_statement
    with engine.begin() as connection:
        connection.execute(text(CREATE.replace("{key}", key).replace("{bytes}", type_)))
        INSERT.execute(connection, [])
        for rows in (ROWS, nulls):
            INSERT.execute(connection, [dict(zip(COLUMNS, row, strict=True)) for row in rows])
        UPDATE.execute(connection, [{"name": f"new{n}", "size": n} for n in (1, 128, 999)])
        found = connection.execute(text("SELECT * FROM things ORDER BY number")).all()
    engine.dispose()
    names = ["new1", *[row[0] for row in ROWS[1:-1]], "new128"]
    changed = [(name, *row[1:]) for name, row in zip(names, ROWS, strict=True)]
    assert [tuple(row[1:]) for row in found] == changed + nulls
