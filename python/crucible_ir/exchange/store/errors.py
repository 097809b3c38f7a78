"""The reasons for which a store refuses or fails."""

from __future__ import annotations

from crucible_ir.errors import Error, shorten


class StoreError(Error):
    """Base of every error that a store raises on purpose."""


class StoreRejection(StoreError):
    """The store is well, and what was asked for cannot be done; nothing was changed."""


class DocumentNotFoundError(StoreRejection, LookupError):
    """There is no such document or revision.

    Attributes:
        type: The short name of the document's message.
        id: The document's id.
    """

    def __init__(self, type_: str, id_: str, reason: str = "was never published") -> None:
        super().__init__(f"{type_} {shorten(id_)} {reason}")
        self.type = type_
        self.id = id_


class StaleEtagError(StoreRejection):
    """The latest revision is not the one that the caller expects.

    Attributes:
        type: The short name of the document's message.
        id: The document's id.
        latest: The latest revision's etag; empty when the document does not exist.
    """

    def __init__(self, type_: str, id_: str, expected: str, latest: str) -> None:
        if not expected:
            reason = "exists already"
        elif not latest:
            reason = "does not exist, so that no etag is its own"
        else:
            reason = f"has changed: its etag is {shorten(latest)}, not {shorten(expected)}"
        super().__init__(f"{type_} {shorten(id_)} {reason}")
        self.type = type_
        self.id = id_
        self.latest = latest


class RequestIdReusedError(StoreRejection):
    """The request id was used for another request.

    Attributes:
        request_id: The id.
    """

    def __init__(self, request_id: str) -> None:
        super().__init__(f"request id {shorten(request_id)} was used for another request")
        self.request_id = request_id


class ResultTooLargeError(StoreRejection):
    """The answer would be larger than the caller allows."""


class StoreFailure(StoreError):
    """The store could not do what it was asked for, though nothing is wrong with that."""


class StoreUnavailableError(StoreFailure):
    """The database cannot be reached now; whether a change was made may be unknown."""


class StoreFullError(StoreFailure):
    """There is no room left for the database."""


class StoreReadOnlyError(StoreFailure):
    """The database can be read but not be written."""


class StoreVersionError(StoreFailure):
    """The database was made by a newer release than this one."""
