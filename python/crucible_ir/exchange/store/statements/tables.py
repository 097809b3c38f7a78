"""The tables of a store, as the latest migration leaves them.

Ids and values are bytes: every database compares them byte for byte, and they may contain NUL,
which PostgreSQL's text cannot.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
)

METADATA = MetaData()

#: An auto-incremented number: SQLite supports that for INTEGER only.
_Position = BigInteger().with_variant(Integer(), "sqlite")

#: The version of the schema, in one row.
schema_version = Table("schema_version", METADATA, Column("version", Integer, nullable=False))

#: Counters: the sequence numbers of the latest change and of the latest compaction; the numbers of
#: commits, of purges, and of changes of `feedback_configs`; the version of `id_prefixes`, a random
#: number, or 0 if there are none; the id of the epoch, which is repeated here so that one page of
#: the file has them; the last event that the roll-ups of feedback count, and how often they were
#: edited otherwise.
counters = Table(
    "counters",
    METADATA,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

#: Random keys, which only the servers of the store know; and a keyed hash of the patterns that the
#: last server masks.
secrets = Table(
    "secrets",
    METADATA,
    Column("name", String(32), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

#: The epochs, in order. Between two of them, the changes after ``lost_after`` were lost, up to
#: ``lost_through``; ``last_event`` is the position of the last event before the epoch.
epochs = Table(
    "epochs",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", BigInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("reason", String(32)),
    Column("lost_after", BigInteger, nullable=False),
    Column("lost_through", BigInteger, nullable=False),
    Column("last_event", BigInteger, nullable=False),
)

#: The sequence numbers of purged changes, in ranges that do not touch: those after
#: ``missing_after``, up to ``missing_through``. Ranges within the compacted history are removed.
purged_changes = Table(
    "purged_changes",
    METADATA,
    Column("missing_through", BigInteger, primary_key=True, autoincrement=False),
    Column("missing_after", BigInteger, nullable=False),
)

#: Each document with its latest revision. ``created_sequence`` is its latest creation, and
#: ``requires`` is that of the revision. The index has all that a list checks.
documents = Table(
    "documents",
    METADATA,
    Column("type", String(64), primary_key=True),
    Column("id", LargeBinary, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("created_sequence", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("requires", Integer),
    Index("documents_by_creation", "type", "created_sequence", "id", "deleted", "requires"),
)

#: All revisions. The changes are the revisions in the order of ``sequence``. ``requires`` is the
#: number from `rows.release_code`, which compares as releases do. A training run that was appended
#: to has the number of its snapshots, which are in `run_chunks`, and that of the transactions that
#: appended to it.
revisions = Table(
    "revisions",
    METADATA,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("type", String(64), nullable=False),
    Column("id", LargeBinary, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("etag", String(64), nullable=False),
    Column("digest", String(71)),
    Column("create_time", BigInteger, nullable=False),
    Column("update_time", BigInteger, nullable=False),
    Column("publisher", LargeBinary),
    Column("deleted", Boolean, nullable=False),
    Column("requires", Integer),
    Column("content_hash", LargeBinary),
    Column("document", LargeBinary),
    Column("snapshot_count", BigInteger),
    Column("appends", Integer),
    Index("revisions_by_document", "type", "id", "revision", unique=True),
)

#: The snapshots of the training runs that were appended to: see `chunks`. ``first`` is the position
#: of the first snapshot.
run_chunks = Table(
    "run_chunks",
    METADATA,
    Column("id", LargeBinary, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

#: The values by which the latest revisions can be found. The ``created_sequence`` of the document
#: is repeated here, so that the matches have an index in either order of a list.
field_values = Table(
    "field_values",
    METADATA,
    Column("type", String(64), primary_key=True),
    Column("field", String(64), primary_key=True),
    Column("value", LargeBinary, primary_key=True),
    Column("id", LargeBinary, primary_key=True),
    Column("created_sequence", BigInteger, nullable=False),
    ForeignKeyConstraint(["type", "id"], ["documents.type", "documents.id"]),
    Index("field_values_by_creation", "type", "field", "value", "created_sequence", "id"),
    Index("field_values_by_document", "type", "id", "field", "value"),
)

#: The numbers by which the latest revisions can be found and ordered. The indexes have all that a
#: list checks.
number_values = Table(
    "number_values",
    METADATA,
    Column("type", String(64), primary_key=True),
    Column("field", LargeBinary, primary_key=True),
    Column("value", Float, primary_key=True),
    Column("id", LargeBinary, primary_key=True),
    Column("created_sequence", BigInteger, nullable=False),
    ForeignKeyConstraint(["type", "id"], ["documents.type", "documents.id"]),
    Index("number_values_by_creation", "type", "field", "created_sequence", "value", "id"),
    Index("number_values_by_document", "type", "id", "field", "value"),
)

#: The prefixes of ids by which documents can be found in the order of creation, as the field
#: `prefixes.FIELD`. Those of a new prefix are added in steps; then it is complete.
id_prefixes = Table(
    "id_prefixes",
    METADATA,
    Column("prefix", LargeBinary, primary_key=True),
    Column("complete", Boolean, nullable=False),
)

#: The references of the latest revisions; the holder is the document or an embedded copy. A
#: reference that may name a version has the other way to find it, and the model or deployment.
document_references = Table(
    "document_references",
    METADATA,
    Column("number", _Position, Identity(always=True), primary_key=True),
    Column("document_type", String(64), nullable=False),
    Column("document_id", LargeBinary, nullable=False),
    Column("holder_type", String(64), nullable=False),
    Column("holder_id", LargeBinary, nullable=False),
    Column("field", String(64), nullable=False),
    Column("target_type", String(64), nullable=False),
    Column("target_id", LargeBinary, nullable=False),
    Column("embedded", Boolean, nullable=False),
    Column("resolution", String(64)),
    Column("context", LargeBinary),
    Index("references_by_document", "document_type", "document_id", "number"),
    Index("references_by_holder", "holder_type", "holder_id", "number"),
    Index("references_by_target", "target_type", "target_id", "holder_type", "number"),
)

# Few references may name a version, or are to a copy.
for _name, _columns, _condition in (
    (
        "references_by_context",
        ("target_type", "target_id", "context"),
        document_references.c.context.is_not(None),
    ),
    ("references_to_copies", ("target_type", "target_id"), document_references.c.embedded),
):
    Index(
        _name,
        *(document_references.c[_column] for _column in _columns),
        sqlite_where=_condition,
        postgresql_where=_condition,
    )

#: The audit log. ``content`` is a JSON list of the counts and the details, if there are any.
audit_entries = Table(
    "audit_entries",
    METADATA,
    Column("number", _Position, Identity(always=True), primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("action", String(32), nullable=False),
    Column("caller", LargeBinary),
    Column("authentication", String(32), nullable=False),
    Column("type", String(64)),
    Column("id", LargeBinary),
    Column("revision", Integer),
    Column("request_id", LargeBinary),
    Column("content", LargeBinary),
    Index("audit_entries_by_time", "time", "number"),
    Index("audit_entries_by_document", "type", "id", "time", "number"),
)

#: The results of requests with an id.
requests = Table(
    "requests",
    METADATA,
    Column("publisher", LargeBinary, primary_key=True),
    Column("request_id", LargeBinary, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("type", String(64), nullable=False),
    Column("id", LargeBinary, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("etag", String(64), nullable=False),
    Column("digest", String(71)),
    Column("create_time", BigInteger, nullable=False),
    Column("update_time", BigInteger, nullable=False),
    Column("record_publisher", LargeBinary),
    Column("deleted", Boolean, nullable=False),
    Column("requires", Integer),
    Column("created", Boolean, nullable=False),
    Column("unchanged", Boolean, nullable=False),
    Column("snapshot_count", BigInteger),
    Index("requests_by_time", "time"),
)

#: Names that many feedback events share, with the numbers that stand for them in other tables. They
#: are found by their SHA-256 hashes, since an index of PostgreSQL has no long values. A name is
#: never removed, so every server can remember its number.
feedback_names = Table(
    "feedback_names",
    METADATA,
    Column("number", _Position, Identity(always=True), primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    Column("name", LargeBinary, nullable=False),
    Index("feedback_names_by_hash", "hash", unique=True),
)

#: The configurations of feedback, by deployment; an empty one is for all deployments.
feedback_configs = Table(
    "feedback_configs",
    METADATA,
    Column("deployment_id", LargeBinary, primary_key=True),
    Column("config", LargeBinary, nullable=False),
    Column("update_time", BigInteger, nullable=False),
)

#: The feedback events, in the order of arrival; a position is never used again. The deployment, the
#: model version, the type and the publisher are numbers of `feedback_names`; 0 if there is none.
#: The id is not repeated in the event's bytes, see `feedback.id_field`. ``redacted`` is 0 or 1.
feedback_events = Table(
    "feedback_events",
    METADATA,
    Column("position", _Position, Identity(always=True), primary_key=True),
    Column("id", LargeBinary, nullable=False),
    Column("deployment", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("type", Integer, nullable=False),
    Column("publisher", Integer, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("latency_ms", Integer),
    Column("event", LargeBinary, nullable=False),
    Column("request_id", LargeBinary),
    Column("response_id", LargeBinary),
    Column("supersedes", LargeBinary),
    Column("redacted", SmallInteger, nullable=False, server_default="0"),
    Index("feedback_events_by_id", "id", unique=True),
    Index("feedback_events_by_time", "time"),
    Index("feedback_events_by_deployment", "deployment", "position"),
    Index("feedback_events_by_version", "version", "position"),
    sqlite_autoincrement=True,
)

#: Counts of events, see `summaries`: for a span in hours, the number of its start since 1970 in
#: spans, and the numbers of names.
feedback_roll_ups = Table(
    "feedback_roll_ups",
    METADATA,
    Column("span", Integer, primary_key=True, autoincrement=False),
    Column("start", Integer, primary_key=True, autoincrement=False),
    Column("deployment", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("type", Integer, primary_key=True, autoincrement=False),
    Column("name", Integer, primary_key=True, autoincrement=False),
    Column("tally", LargeBinary, nullable=False),
)

# Few events have these references: an index of only those costs the others nothing.
for _column in ("request_id", "response_id", "supersedes"):
    _has_one = feedback_events.c[_column].is_not(None)
    Index(
        f"feedback_events_by_{_column}",
        feedback_events.c[_column],
        feedback_events.c.position,
        sqlite_where=_has_one,
        postgresql_where=_has_one,
    )
