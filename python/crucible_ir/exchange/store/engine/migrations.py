"""Migrations: the steps from each older version of a store's tables to the current one.

A released step never changes: a change of the tables is a new step. Each step is written in SQL, so
that later changes of `tables` do not affect it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import inspect, select, text

from crucible_ir.exchange.store.errors import StoreVersionError
from crucible_ir.exchange.store.statements.tables import schema_version

if TYPE_CHECKING:
    from sqlalchemy import Connection


def _statements(dialect: str, script: str) -> list[str]:
    """Split a script into statements, with the type names of a database."""
    names = {
        "sqlite": {"{bytes}": "BLOB", "{position}": "INTEGER NOT NULL"},
        "postgresql": {
            "{bytes}": "BYTEA",
            "{position}": "BIGINT GENERATED ALWAYS AS IDENTITY",
        },
    }[dialect]
    for placeholder, name in names.items():
        script = script.replace(placeholder, name)
    return [statement.strip() for statement in script.split(";") if statement.strip()]


_DOCUMENTS = """
CREATE TABLE counters (name VARCHAR(32) NOT NULL PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO counters (name, value) VALUES ('sequence', 0), ('compacted', 0);
CREATE TABLE documents (
    type VARCHAR(64) NOT NULL,
    id {bytes} NOT NULL,
    revision INTEGER NOT NULL,
    created_sequence BIGINT NOT NULL,
    deleted BOOLEAN NOT NULL,
    PRIMARY KEY (type, id)
);
CREATE INDEX documents_by_creation ON documents (type, created_sequence);
CREATE TABLE revisions (
    sequence BIGINT NOT NULL PRIMARY KEY,
    type VARCHAR(64) NOT NULL,
    id {bytes} NOT NULL,
    revision INTEGER NOT NULL,
    etag VARCHAR(64) NOT NULL,
    digest VARCHAR(71),
    create_time BIGINT NOT NULL,
    update_time BIGINT NOT NULL,
    publisher {bytes},
    deleted BOOLEAN NOT NULL,
    content_hash {bytes},
    document {bytes}
);
CREATE UNIQUE INDEX revisions_by_document ON revisions (type, id, revision);
CREATE TABLE field_values (
    type VARCHAR(64) NOT NULL,
    field VARCHAR(64) NOT NULL,
    value {bytes} NOT NULL,
    id {bytes} NOT NULL,
    PRIMARY KEY (type, field, value, id),
    FOREIGN KEY (type, id) REFERENCES documents (type, id)
);
CREATE INDEX field_values_by_document ON field_values (type, id);
CREATE TABLE document_references (
    number {position} PRIMARY KEY,
    document_type VARCHAR(64) NOT NULL,
    document_id {bytes} NOT NULL,
    holder_type VARCHAR(64) NOT NULL,
    holder_id {bytes} NOT NULL,
    field VARCHAR(64) NOT NULL,
    target_type VARCHAR(64) NOT NULL,
    target_id {bytes} NOT NULL,
    embedded BOOLEAN NOT NULL
);
CREATE INDEX references_by_document ON document_references (document_type, document_id);
CREATE INDEX references_by_holder ON document_references (holder_type, holder_id);
CREATE INDEX references_by_target ON document_references (target_type, target_id);
CREATE TABLE requests (
    publisher {bytes} NOT NULL,
    request_id {bytes} NOT NULL,
    fingerprint {bytes} NOT NULL,
    time BIGINT NOT NULL,
    type VARCHAR(64) NOT NULL,
    id {bytes} NOT NULL,
    revision INTEGER NOT NULL,
    sequence BIGINT NOT NULL,
    etag VARCHAR(64) NOT NULL,
    digest VARCHAR(71),
    create_time BIGINT NOT NULL,
    update_time BIGINT NOT NULL,
    record_publisher {bytes},
    deleted BOOLEAN NOT NULL,
    created BOOLEAN NOT NULL,
    unchanged BOOLEAN NOT NULL,
    PRIMARY KEY (publisher, request_id)
);
CREATE INDEX requests_by_time ON requests (time)
"""

_FEEDBACK = """
CREATE TABLE feedback_events (
    position {position} PRIMARY KEY,
    id {bytes} NOT NULL,
    deployment_id {bytes},
    feedback_type {bytes},
    model_version {bytes},
    time BIGINT NOT NULL,
    latency_ms INTEGER,
    event {bytes} NOT NULL
);
CREATE UNIQUE INDEX feedback_events_by_id ON feedback_events (id);
CREATE INDEX feedback_events_by_deployment ON feedback_events (deployment_id, position);
CREATE INDEX feedback_events_by_model_version ON feedback_events (model_version, position)
"""

_LISTS = """
ALTER TABLE field_values ADD COLUMN created_sequence BIGINT DEFAULT 0 NOT NULL;
UPDATE field_values SET created_sequence = (
    SELECT documents.created_sequence FROM documents
    WHERE documents.type = field_values.type AND documents.id = field_values.id
);
CREATE INDEX field_values_by_creation ON field_values (type, field, value, created_sequence);
DROP INDEX field_values_by_document;
CREATE INDEX field_values_by_document ON field_values (type, id, field, value)
"""


def _run(script: str) -> Callable[[Connection], None]:
    def step(connection: Connection) -> None:
        for statement in _statements(connection.dialect.name, script):
            connection.execute(text(statement))

    return step


#: The steps, by the version that they produce from the previous one.
MIGRATIONS: dict[int, Callable[[Connection], None]] = {
    1: _run(_DOCUMENTS),
    2: _run(_FEEDBACK),
    3: _run(_LISTS),
}

#: The version that this release reads and writes.
CURRENT_VERSION = max(MIGRATIONS)


def migrate(connection: Connection, through: int = CURRENT_VERSION) -> None:
    """Migrate the tables to a version, in the transaction of a connection.

    Args:
        connection: A connection whose transaction locks out other writers.
        through: The version to stop at.

    Raises:
        StoreVersionError: The tables are newer than this release.
    """
    version = version_of(connection)
    if version > CURRENT_VERSION:
        raise StoreVersionError(
            f"the database has schema version {version}, and this release of crucible-ir supports"
            f" versions up to {CURRENT_VERSION}; upgrade crucible-ir"
        )
    if version == 0:
        connection.execute(text("CREATE TABLE schema_version (version INTEGER NOT NULL)"))
        connection.execute(schema_version.insert().values(version=0))
    for step in range(version + 1, through + 1):
        MIGRATIONS[step](connection)
        connection.execute(schema_version.update().values(version=step))


def version_of(connection: Connection) -> int:
    """Return the version of a database's tables; 0 if it has none."""
    if not inspect(connection).has_table("schema_version"):
        return 0
    return int(connection.execute(select(schema_version.c.version)).scalar_one())
