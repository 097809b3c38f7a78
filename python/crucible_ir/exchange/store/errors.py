"""The errors of a store: rejections of a request, and failures of the database."""

from __future__ import annotations

from collections.abc import Sequence

from crucible_ir.errors import Error, plural, shorten


class StoreError(Error):
    """The base class of a store's errors."""


class StoreRejection(StoreError):
    """The store works, but cannot do what was requested; nothing was changed."""


class DocumentNotFoundError(StoreRejection, LookupError):
    """The document or the revision does not exist.

    Attributes:
        type: The short name of the document's message.
        id: The document's id.
    """

    def __init__(self, type_: str, id_: str, reason: str = "was never published") -> None:
        super().__init__(f"{type_} {shorten(id_)} {reason}")
        self.type = type_
        self.id = id_


class NotDeletedError(StoreRejection):
    """Only a deleted document can be purged, and this one is not deleted.

    Attributes:
        type: The short name of the document's message.
        id: The document's id.
    """

    def __init__(self, type_: str, id_: str) -> None:
        super().__init__(f"{type_} {shorten(id_)} is not deleted: delete it first, then purge it")
        self.type = type_
        self.id = id_


class StaleEtagError(StoreRejection):
    """The latest revision is not the one that the caller expects.

    Attributes:
        type: The short name of the document's message.
        id: The document's id.
        latest: The latest revision's etag; empty if the document does not exist.
    """

    def __init__(self, type_: str, id_: str, expected: str, latest: str) -> None:
        if not expected:
            reason = "already exists"
        elif not latest:
            reason = "does not exist, so it has no etag"
        else:
            reason = f"has changed: its etag is {shorten(latest)}, not {shorten(expected)}"
        super().__init__(f"{type_} {shorten(id_)} {reason}")
        self.type = type_
        self.id = id_
        self.latest = latest


class AppendedToError(StaleEtagError):
    """A publication would replace what was appended to a training run, and has no etag."""

    def __init__(self, type_: str, id_: str, latest: str, *, snapshots: int) -> None:
        super().__init__(type_, id_, "", latest)
        self.args = (
            f"{type_} {shorten(id_)} was appended to, and has {plural(snapshots, 'snapshot')} that"
            f" a publication replaces: give its etag {shorten(latest)}",
        )


class SnapshotCountError(StoreRejection):
    """A training run does not have the number of snapshots that the caller expects.

    Attributes:
        id: The id of the run.
        count: The number that it has.
    """

    def __init__(self, id_: str, expected: int, count: int) -> None:
        super().__init__(
            f"TrainingRun {shorten(id_)} has {plural(count, 'snapshot')}, not {expected}; read them"
            f" with ReadMetrics, and append what is missing"
        )
        self.id = id_
        self.count = count


class RunFullError(StoreRejection):
    """A training run cannot have more snapshots or checkpoints."""

    def __init__(self, id_: str, what: str, most: int) -> None:
        super().__init__(f"TrainingRun {shorten(id_)} would have more than {most} {what}")


class ImmutableFieldsError(StoreRejection):
    """A document would change fields that keep their values once it is stored.

    Attributes:
        type: The short name of the document's message.
        id: The document's id.
        paths: The fields.
    """

    def __init__(self, type_: str, id_: str, paths: Sequence[str]) -> None:
        super().__init__(
            f"{type_} {shorten(id_)} is stored with other values of immutable fields:"
            f" {', '.join(paths)}; publish the document with another id, or have an admin override"
            " this"
        )
        self.type = type_
        self.id = id_
        self.paths = tuple(paths)


class RequestIdReusedError(StoreRejection):
    """The request id was used for another request.

    Attributes:
        request_id: The id.
    """

    def __init__(self, request_id: str) -> None:
        super().__init__(f"request id {shorten(request_id)} was already used for another request")
        self.request_id = request_id


class FeedbackConfigsChangedError(StoreRejection):
    """The configurations of feedback are not the ones that the caller expects."""


class ResultTooLargeError(StoreRejection):
    """The result would be larger than the caller allows."""


class RunTooLongError(ResultTooLargeError):
    """A training run is too large for a message."""

    def __init__(self, id_: str, snapshots: int) -> None:
        super().__init__(
            f"TrainingRun {shorten(id_)} has {plural(snapshots, 'snapshot')}, too many for one"
            " message: read them with ReadMetrics"
        )


class StoreFailure(StoreError):
    """The database failed; the request itself is valid."""


class StoreUnavailableError(StoreFailure):
    """The database is unavailable; whether a change was made may be unknown."""


class SummariesBehindError(StoreUnavailableError):
    """Too many events have arrived since those that summaries count."""


class StoreFullError(StoreFailure):
    """The database has no space left."""


class StoreReadOnlyError(StoreFailure):
    """The database is read-only."""


class StoreDamagedError(StoreFailure):
    """The database lost acknowledged changes."""


class StoreVersionError(StoreFailure):
    """The database was created by a newer release than this one."""
