"""Migrations: from each older version of a store's tables to the next, up to the current one.

A released migration never changes: a change of the tables is a new one. Each is written in SQL, so
that later changes of `tables` do not affect it. Whatever takes long with many rows is a `Backfill`.
When the schema of the documents gains a reference, a new migration derives the references of the
stored documents again.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from sqlalchemy import text

from crucible_ir import v1
from crucible_ir.exchange.content import field_values, number_values
from crucible_ir.exchange.store.engine.row_statements import RowStatement
from crucible_ir.exchange.store.engine.upgrading import (
    Backfill,
    Migration,
    check_version,
    script,
    set_version,
    version_of,
)
from crucible_ir.exchange.store.statements.rows import release_code
from crucible_ir.schema.references import references_of
from crucible_ir.schema.releases import requires

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from sqlalchemy import Connection


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


_LINEAGE = """
ALTER TABLE document_references ADD COLUMN resolution VARCHAR(64);
ALTER TABLE document_references ADD COLUMN context {bytes};
ALTER TABLE feedback_events ADD COLUMN request_id {bytes};
ALTER TABLE feedback_events ADD COLUMN response_id {bytes};
ALTER TABLE feedback_events ADD COLUMN supersedes {bytes};
CREATE INDEX feedback_events_by_request_id ON feedback_events (request_id, position)
    WHERE request_id IS NOT NULL;
CREATE INDEX feedback_events_by_response_id ON feedback_events (response_id, position)
    WHERE response_id IS NOT NULL;
CREATE INDEX feedback_events_by_supersedes ON feedback_events (supersedes, position)
    WHERE supersedes IS NOT NULL
"""

#: Rows are inserted faster without indexes, and indexes are made faster from many rows.
_FORGET_REFERENCES = """
DROP INDEX references_by_document;
DROP INDEX references_by_holder;
DROP INDEX references_by_target;
DELETE FROM document_references
"""

_REFERENCE_INDEXES = """
CREATE INDEX references_by_document ON document_references (document_type, document_id);
CREATE INDEX references_by_holder ON document_references (holder_type, holder_id);
CREATE INDEX references_by_target ON document_references (target_type, target_id, context)
"""

_REQUIRES = """
ALTER TABLE revisions ADD COLUMN requires INTEGER;
ALTER TABLE requests ADD COLUMN requires INTEGER
"""

_SECRETS = """
CREATE TABLE secrets (name VARCHAR(32) NOT NULL PRIMARY KEY, value {bytes} NOT NULL)
"""

_EVENT_NAMES = """
CREATE TABLE feedback_names (
    number {position} PRIMARY KEY,
    hash {bytes} NOT NULL,
    name {bytes} NOT NULL
);
CREATE UNIQUE INDEX feedback_names_by_hash ON feedback_names (hash);
ALTER TABLE feedback_events RENAME TO old_feedback_events;
CREATE TABLE feedback_events (
    position {new position},
    id {bytes} NOT NULL,
    deployment INTEGER NOT NULL,
    version INTEGER NOT NULL,
    type INTEGER NOT NULL,
    publisher INTEGER NOT NULL,
    time BIGINT NOT NULL,
    latency_ms INTEGER,
    event {bytes} NOT NULL,
    request_id {bytes},
    response_id {bytes},
    supersedes {bytes}
)
"""

_EVENT_INDEXES = """
DROP TABLE old_feedback_events;
CREATE UNIQUE INDEX feedback_events_by_id ON feedback_events (id);
CREATE INDEX feedback_events_by_time ON feedback_events (time);
CREATE INDEX feedback_events_by_deployment ON feedback_events (deployment, position);
CREATE INDEX feedback_events_by_version ON feedback_events (version, position);
CREATE INDEX feedback_events_by_request_id ON feedback_events (request_id, position)
    WHERE request_id IS NOT NULL;
CREATE INDEX feedback_events_by_response_id ON feedback_events (response_id, position)
    WHERE response_id IS NOT NULL;
CREATE INDEX feedback_events_by_supersedes ON feedback_events (supersedes, position)
    WHERE supersedes IS NOT NULL
"""

#: The server fills them in the background, from the first event on.
_ROLL_UPS = """
INSERT INTO counters (name, value) VALUES ('rolled', 0), ('roll_up_edits', 0);
CREATE TABLE feedback_roll_ups (
    span INTEGER NOT NULL,
    start INTEGER NOT NULL,
    deployment INTEGER NOT NULL,
    version INTEGER NOT NULL,
    type INTEGER NOT NULL,
    name INTEGER NOT NULL,
    tally {bytes} NOT NULL,
    PRIMARY KEY (span, start, deployment, version, type, name)
)
"""

#: Without this, new positions would begin with 1 again.
_CONTINUE_POSITIONS = """
SELECT setval(pg_get_serial_sequence('feedback_events', 'position'), max(position))
FROM feedback_events HAVING max(position) IS NOT NULL
"""

_APPENDS = """
ALTER TABLE revisions ADD COLUMN snapshot_count BIGINT;
ALTER TABLE revisions ADD COLUMN appends INTEGER;
ALTER TABLE requests ADD COLUMN snapshot_count BIGINT;
CREATE TABLE run_chunks (
    id {bytes} NOT NULL,
    revision INTEGER NOT NULL,
    first BIGINT NOT NULL,
    data {bytes} NOT NULL,
    PRIMARY KEY (id, revision, first)
)
"""

_EPOCHS = """
CREATE TABLE epochs (
    number INTEGER NOT NULL PRIMARY KEY,
    id BIGINT NOT NULL,
    time BIGINT NOT NULL,
    reason VARCHAR(32),
    lost_after BIGINT NOT NULL,
    lost_through BIGINT NOT NULL,
    last_event BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('commits', 0)
"""

_INSERT_EPOCH = """
INSERT INTO epochs (number, id, time, lost_after, lost_through, last_event)
VALUES (1, :id, :time, 0, 0, 0)
"""

_INSERT_EPOCH_COUNTER = "INSERT INTO counters (name, value) VALUES ('epoch', :id)"

_AUDIT = """
CREATE TABLE audit_entries (
    number {position} PRIMARY KEY,
    time BIGINT NOT NULL,
    action VARCHAR(32) NOT NULL,
    caller {bytes},
    authentication VARCHAR(32) NOT NULL,
    type VARCHAR(64),
    id {bytes},
    revision INTEGER,
    request_id {bytes},
    content {bytes}
);
CREATE INDEX audit_entries_by_time ON audit_entries (time, number);
CREATE INDEX audit_entries_by_document ON audit_entries (type, id, time, number)
"""

_FEEDBACK_CONFIGS = """
CREATE TABLE feedback_configs (
    deployment_id {bytes} NOT NULL PRIMARY KEY,
    config {bytes} NOT NULL,
    update_time BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('feedback_configs', 0);
ALTER TABLE feedback_events ADD COLUMN redacted SMALLINT DEFAULT 0 NOT NULL
"""

_COVERED_LISTS = """
ALTER TABLE documents ADD COLUMN requires INTEGER;
CREATE TABLE id_prefixes (prefix {bytes} NOT NULL PRIMARY KEY, complete BOOLEAN NOT NULL);
INSERT INTO counters (name, value) VALUES ('prefixes', 0)
"""

_COVERING_INDEXES = """
DROP INDEX documents_by_creation;
CREATE INDEX documents_by_creation
    ON documents (type, created_sequence, id, deleted, requires);
DROP INDEX field_values_by_creation;
CREATE INDEX field_values_by_creation ON field_values (type, field, value, created_sequence, id)
"""

_NUMBERS = """
CREATE TABLE number_values (
    type VARCHAR(64) NOT NULL,
    field {bytes} NOT NULL,
    value FLOAT NOT NULL,
    id {bytes} NOT NULL,
    created_sequence BIGINT NOT NULL,
    PRIMARY KEY (type, field, value, id),
    FOREIGN KEY (type, id) REFERENCES documents (type, id)
)
"""

_NUMBER_INDEXES = """
CREATE INDEX number_values_by_creation
    ON number_values (type, field, created_sequence, value, id);
CREATE INDEX number_values_by_document ON number_values (type, id, field, value)
"""

#: A document may have a million references to it, of which a trace reads the first.
_ORDERED_REFERENCES = """
DROP INDEX references_by_document;
CREATE INDEX references_by_document ON document_references (document_type, document_id, number);
DROP INDEX references_by_holder;
CREATE INDEX references_by_holder ON document_references (holder_type, holder_id, number);
DROP INDEX references_by_target;
CREATE INDEX references_by_target
    ON document_references (target_type, target_id, holder_type, number);
CREATE INDEX references_by_context ON document_references (target_type, target_id, context)
    WHERE context IS NOT NULL;
CREATE INDEX references_to_copies ON document_references (target_type, target_id) WHERE embedded
"""

_PURGES = """
CREATE TABLE purged_changes (
    missing_through BIGINT NOT NULL PRIMARY KEY,
    missing_after BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('purges', 0)
"""

_INSERT_NUMBERS = RowStatement(
    """
    INSERT INTO number_values (type, field, value, id, created_sequence)
    SELECT type, field, value, id, created_sequence FROM {rows}
    """,
    type="text",
    field="bytea",
    value="double precision",
    id="bytea",
    created_sequence="bigint",
)

_INSERT_SECRET = "INSERT INTO secrets (name, value) VALUES (:name, :value)"

_LATEST_DOCUMENTS = """
SELECT revisions.sequence, revisions.type, revisions.id, revisions.document,
    documents.created_sequence
FROM documents JOIN revisions ON revisions.type = documents.type
    AND revisions.id = documents.id AND revisions.revision = documents.revision
WHERE NOT documents.deleted AND revisions.sequence > :after
ORDER BY revisions.sequence LIMIT :limit
"""

_REVISIONS = """
SELECT sequence, document FROM revisions
WHERE document IS NOT NULL AND sequence > :after
ORDER BY sequence LIMIT :limit
"""

_UPDATE_REVISIONS = RowStatement(
    """
    UPDATE revisions SET requires = rows.requires FROM {rows}
    WHERE revisions.sequence = rows.sequence
    """,
    sequence="bigint",
    requires="integer",
)

_UPDATE_REQUESTS = """
UPDATE requests SET requires = (
    SELECT revisions.requires FROM revisions WHERE revisions.sequence = requests.sequence
)
"""

_RELEASES = """
SELECT revisions.sequence, revisions.type, revisions.id, revisions.requires
FROM documents JOIN revisions ON revisions.type = documents.type
    AND revisions.id = documents.id AND revisions.revision = documents.revision
WHERE revisions.requires IS NOT NULL AND revisions.sequence > :after
ORDER BY revisions.sequence LIMIT :limit
"""

_UPDATE_RELEASES = RowStatement(
    """
    UPDATE documents SET requires = rows.requires FROM {rows}
    WHERE documents.type = rows.type AND documents.id = rows.id
    """,
    type="text",
    id="bytea",
    requires="integer",
)

_INSERT_REFERENCES = RowStatement(
    """
    INSERT INTO document_references (document_type, document_id, holder_type, holder_id, field,
        target_type, target_id, embedded, resolution, context)
    SELECT document_type, document_id, holder_type, holder_id, field,
        target_type, target_id, embedded, resolution, context
    FROM {rows}
    """,
    document_type="text",
    document_id="bytea",
    holder_type="text",
    holder_id="bytea",
    field="text",
    target_type="text",
    target_id="bytea",
    embedded="boolean",
    resolution="text",
    context="bytea",
)

# Without WHERE, SQLite would read ON CONFLICT as the condition of a join.
_INSERT_VALUES = RowStatement(
    """
    INSERT INTO field_values (type, field, value, id, created_sequence)
    SELECT type, field, value, id, created_sequence FROM {rows} WHERE true ON CONFLICT DO NOTHING
    """,
    type="text",
    field="text",
    value="bytea",
    id="bytea",
    created_sequence="bigint",
)

_EVENTS = """
SELECT position, event FROM feedback_events WHERE position > :after
ORDER BY position LIMIT :limit
"""

_NAMES_OF_EVENTS = """
SELECT position, deployment_id, model_version, feedback_type FROM old_feedback_events
WHERE position > :after ORDER BY position LIMIT :limit
"""

_INSERT_NAMES = RowStatement(
    """
    INSERT INTO feedback_names (hash, name)
    SELECT hash, name FROM {rows} WHERE true ON CONFLICT DO NOTHING
    """,
    hash="bytea",
    name="bytea",
)

_COPY_EVENTS = """
INSERT INTO feedback_events (position, id, deployment, version, type, publisher, time, latency_ms,
    event, request_id, response_id, supersedes)
{system value}
SELECT position, id, coalesce(deployments.number, 0), coalesce(versions.number, 0),
    coalesce(types.number, 0), 0, time, latency_ms,
    CASE WHEN length(id) < 128 AND substr(event, 1, 2) = {tag and size}
            AND substr(event, 3, length(id)) = id
        THEN substr(event, 3 + length(id)) ELSE event END,
    request_id, response_id, supersedes
FROM old_feedback_events
LEFT JOIN feedback_names AS deployments ON deployments.name = deployment_id
LEFT JOIN feedback_names AS versions ON versions.name = model_version
LEFT JOIN feedback_names AS types ON types.name = feedback_type
WHERE position BETWEEN :first AND :last ORDER BY position
"""

#: The expressions of each database in `_COPY_EVENTS`. The field of an event's id begins with its
#: tag, and its size in one byte if that is below 128.
_COPYING = {
    "sqlite": {
        "{system value}": "",
        "{tag and size}": "CAST(char(10, length(id)) AS BLOB)",
    },
    "postgresql": {
        "{system value}": "OVERRIDING SYSTEM VALUE",
        "{tag and size}": "set_byte(decode('0a00', 'hex'), 1, length(id))",
    },
}

_UPDATE_EVENTS = RowStatement(
    """
    UPDATE feedback_events SET request_id = rows.request_id, response_id = rows.response_id,
        supersedes = rows.supersedes
    FROM {rows} WHERE feedback_events.position = rows.position
    """,
    position="bigint",
    request_id="bytea",
    response_id="bytea",
    supersedes="bytea",
)


def _derive_lookups(connection: Connection, rows: Sequence[Any]) -> None:
    """Derive the references and indexed values of stored documents again."""
    references, values = [], []
    for _, type_, id_, document, created in rows:
        content = _content(bytes(document))
        if content is None:
            continue
        key = bytes(id_)
        for reference in dict.fromkeys(references_of(content, key.decode())):
            way = reference.resolution
            references.append(
                {
                    "document_type": type_,
                    "document_id": key,
                    "holder_type": reference.holder_type,
                    "holder_id": reference.holder_id.encode(),
                    "field": reference.field,
                    "target_type": reference.target_type,
                    "target_id": reference.target_id.encode(),
                    "embedded": reference.embedded,
                    "resolution": None if way is None else way.name,
                    "context": reference.context.encode() or None,
                }
            )
        values += [
            {
                "type": type_,
                "field": field,
                "value": value.encode(),
                "id": key,
                "created_sequence": created,
            }
            for field, value in dict.fromkeys(field_values(content))
        ]
    _INSERT_REFERENCES.execute(connection, references)
    _INSERT_VALUES.execute(connection, values)


def _content(document: bytes) -> Message | None:
    """Return the content of a stored document; ``None`` if this release cannot read it."""
    parsed = _document(document)
    member = None if parsed is None else parsed.WhichOneof("content")
    return None if member is None else getattr(parsed, member)


def _document(document: bytes) -> v1.Document | None:
    """Return a stored document; ``None`` if this release cannot read it."""
    try:
        return v1.Document.FromString(document)
    except DecodeError:
        return None


def _derive_requires(connection: Connection, rows: Sequence[Any]) -> None:
    """Set the release that stored revisions require."""
    changed = []
    for sequence, content in rows:
        document = _document(bytes(content))
        if document is not None and document.WhichOneof("content") is not None:
            code = release_code(requires(document, binary=True))
            changed.append({"sequence": sequence, "requires": code})
    _UPDATE_REVISIONS.execute(connection, changed)


def _derive_event_references(connection: Connection, rows: Sequence[Any]) -> None:
    """Set the references of stored feedback events that older releases did not know."""
    names = ("request_id", "response_id", "supersedes")
    changed = []
    for position, content in rows:
        try:
            event = v1.FeedbackEvent.FromString(bytes(content))
        except DecodeError:
            continue
        values = {name: getattr(event, name).encode() or None for name in names}
        if any(values.values()):
            changed.append({"position": position, **values})
    _UPDATE_EVENTS.execute(connection, changed)


def _copy_events(connection: Connection, rows: Sequence[Any]) -> None:
    """Copy events to the table with numbers for names."""
    names = {bytes(name) for _, *names in rows for name in names if name is not None}
    hashes = [{"hash": hashlib.sha256(name).digest(), "name": name} for name in names]
    _INSERT_NAMES.execute(connection, hashes)
    statement = _COPY_EVENTS
    for placeholder, expression in _COPYING[connection.dialect.name].items():
        statement = statement.replace(placeholder, expression)
    connection.execute(text(statement), {"first": rows[0][0], "last": rows[-1][0]})


def _continue_positions(connection: Connection) -> None:
    """Let the positions of new events follow those of the copied ones, as SQLite's do."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(_CONTINUE_POSITIONS))


def _derive_numbers(connection: Connection, rows: Sequence[Any]) -> None:
    """Derive the indexed numbers of stored documents."""
    numbers = [
        {
            "type": type_,
            "field": field.encode(),
            "value": value,
            "id": bytes(id_),
            "created_sequence": created,
        }
        for _, type_, id_, document, created in rows
        for content in (_content(bytes(document)),)
        if content is not None
        for field, value in number_values(content)
    ]
    _INSERT_NUMBERS.execute(connection, numbers)


def _copy_releases(connection: Connection, rows: Sequence[Any]) -> None:
    """Set the releases that the latest revisions of documents require."""
    changed = [{"type": row[1], "id": bytes(row[2]), "requires": row[3]} for row in rows]
    _UPDATE_RELEASES.execute(connection, changed)


def _make_key(name: str) -> Callable[[Connection], None]:
    """Return a step that makes a random key."""

    def step(connection: Connection) -> None:
        key = {"name": name, "value": secrets.token_bytes(32)}
        connection.execute(text(_INSERT_SECRET), key)

    return step


def _make_first_epoch(connection: Connection) -> None:
    """Begin the first epoch of a store."""
    id_ = secrets.randbelow(2**63)
    connection.execute(text(_INSERT_EPOCH), {"id": id_, "time": time.time_ns() // 1000})
    connection.execute(text(_INSERT_EPOCH_COUNTER), {"id": id_})


#: The migrations, by the version that they produce from the previous one.
MIGRATIONS: dict[int, Migration] = {
    1: script(_DOCUMENTS),
    2: script(_FEEDBACK),
    3: script(_LISTS),
    4: Migration(
        script(_LINEAGE),
        script(_FORGET_REFERENCES),
        Backfill("references of documents", _LATEST_DOCUMENTS, _derive_lookups),
        script(_REFERENCE_INDEXES),
        Backfill("references of events", _EVENTS, _derive_event_references),
    ),
    5: Migration(
        script(_REQUIRES),
        Backfill("releases of revisions", _REVISIONS, _derive_requires),
        script(_UPDATE_REQUESTS),
    ),
    6: Migration(script(_SECRETS), _make_key("page_tokens")),
    7: Migration(
        script(_EVENT_NAMES),
        Backfill("feedback events", _NAMES_OF_EVENTS, _copy_events),
        script(_EVENT_INDEXES),
        _continue_positions,
    ),
    8: script(_APPENDS),
    9: Migration(script(_EPOCHS), _make_first_epoch),
    10: script(_AUDIT),
    11: Migration(script(_FEEDBACK_CONFIGS), _make_key("redaction")),
    12: Migration(
        script(_COVERED_LISTS),
        Backfill("releases of documents", _RELEASES, _copy_releases),
        script(_COVERING_INDEXES),
    ),
    13: script(_ROLL_UPS),
    14: Migration(
        script(_NUMBERS),
        Backfill("numbers of documents", _LATEST_DOCUMENTS, _derive_numbers),
        script(_NUMBER_INDEXES),
    ),
    15: script(_ORDERED_REFERENCES),
    16: script(_PURGES),
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
    check_version(version, CURRENT_VERSION)
    for step in range(version + 1, through + 1):
        MIGRATIONS[step](connection)
        set_version(connection, step)
