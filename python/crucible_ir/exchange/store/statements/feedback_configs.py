"""The statements that set and read the configurations of feedback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from crucible_ir.exchange.store.audit_records import Actor, AuditAction, AuditEntry
from crucible_ir.exchange.store.records import (
    FeedbackConfigRow,
    FeedbackConfigRows,
    Microseconds,
)
from crucible_ir.exchange.store.statements import audit
from crucible_ir.exchange.store.statements.changes import counter
from crucible_ir.exchange.store.statements.rows import PAGE_BYTES
from crucible_ir.exchange.store.statements.tables import counters, feedback_configs

if TYPE_CHECKING:
    from sqlalchemy import Connection

_COUNTER = "feedback_configs"


def put(
    connection: Connection,
    deployment_id: str | None,
    config: bytes | None,
    now: Microseconds,
    actor: Actor,
) -> bool:
    """Set or remove a configuration, as described in `Store.set_feedback_config`."""
    key = (deployment_id or "").encode()
    table = feedback_configs.c
    before = connection.execute(
        select(table.config).where(table.deployment_id == key)
    ).scalar_one_or_none()
    if config == (None if before is None else bytes(before)):
        return False
    connection.execute(delete(feedback_configs).where(table.deployment_id == key))
    if config is not None:
        connection.execute(
            insert(feedback_configs).values(deployment_id=key, config=config, update_time=now)
        )
    connection.execute(
        update(counters).where(counters.c.name == _COUNTER).values(value=counters.c.value + 1)
    )
    details = {"config": "feedback", "change": "removed" if config is None else "set"}
    entry = AuditEntry(AuditAction.CONFIGURED, actor, now, id=deployment_id, details=details)
    audit.add(connection, entry)
    return True


def every(connection: Connection) -> FeedbackConfigRows:
    """Return all configurations."""
    rows = connection.execute(select(feedback_configs)).all()
    return FeedbackConfigRows(counter(connection, _COUNTER), list(map(_row, rows)))


def page(
    connection: Connection, after: str | None, limit: int
) -> tuple[list[FeedbackConfigRow], str | None]:
    """Return a page of configurations, as described in `Store.list_feedback_configs`."""
    statement = select(feedback_configs).order_by(feedback_configs.c.deployment_id)
    if after is not None:
        statement = statement.where(feedback_configs.c.deployment_id > after.encode())
    found: list[FeedbackConfigRow] = []
    size = 0
    options = {"stream_results": True, "max_row_buffer": 50}
    with connection.execute(statement.limit(limit + 1), execution_options=options) as rows:
        for row in rows:
            if len(found) == limit or size >= PAGE_BYTES:
                return found, found[-1].deployment_id or ""
            found.append(_row(row))
            size += len(found[-1].config)
    return found, None


def _row(row: Any) -> FeedbackConfigRow:
    deployment_id, config, update_time = row
    return FeedbackConfigRow(bytes(deployment_id).decode() or None, bytes(config), update_time)
