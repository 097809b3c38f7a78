"""The errors of calls to the exchange; nothing here needs gRPC to be installed."""

from __future__ import annotations

from collections.abc import Sequence

from crucible_ir.errors import Error, Violation


class ExchangeError(Error):
    """A call to the exchange failed.

    Attributes:
        code: The name of the gRPC status, such as ``UNAVAILABLE``; empty if the client made no
            call.
        message: The message of the server or the client.
        reason: The kind of failure for programs, such as ``ETAG_MISMATCH``; empty if the code
            identifies it.
        metadata: Further details of the failure, by name.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        reason: str = "",
        metadata: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.metadata = dict(metadata or {})

    def __str__(self) -> str:
        return self.message


class InvalidDocumentError(ExchangeError, ValueError):
    """The server rejected the content of a document or a request.

    Attributes:
        violations: The rules that it breaks; empty if it was rejected for another reason.
    """

    violations: tuple[Violation, ...] = ()

    def __str__(self) -> str:
        # The server's message may already contain the first violation.
        more = [text for text in map(str, self.violations) if text not in self.message]
        return "\n  ".join([self.message, *more])

    @classmethod
    def of(cls, error: ExchangeError, violations: Sequence[Violation]) -> InvalidDocumentError:
        """Return a copy of an error with the violations."""
        invalid = cls(error.message, code=error.code, reason=error.reason, metadata=error.metadata)
        invalid.violations = tuple(violations)
        return invalid


class NotFoundError(ExchangeError, LookupError):
    """The document or revision does not exist."""


class PreconditionError(ExchangeError):
    """The state of the exchange does not meet the precondition of the request."""


class EtagMismatchError(PreconditionError):
    """The document has changed since its etag was read.

    Attributes:
        latest: The etag of the latest revision; empty if the document does not exist.
    """

    @property
    def latest(self) -> str:
        """The etag of the latest revision; empty if the document does not exist."""
        return self.metadata.get("latest", "")


class SnapshotCountError(PreconditionError):
    """A training run has another number of snapshots than the append expects."""

    @property
    def count(self) -> int:
        """The number of snapshots that the run has."""
        return int(self.metadata.get("count", "0"))


class ImmutableFieldError(PreconditionError):
    """The document changes fields that keep their values once it is stored.

    Attributes:
        paths: The fields, such as ``model_id``.
    """

    @property
    def paths(self) -> tuple[str, ...]:
        """The fields, such as ``model_id``."""
        return tuple(filter(None, self.metadata.get("paths", "").split(",")))


class RequestReusedError(PreconditionError):
    """The request id was used for a different request."""


class QuotaExceededError(ExchangeError):
    """A limit of the server is exceeded, or its storage is full."""


class UnauthenticatedError(ExchangeError):
    """The caller is not authenticated: the token is missing, wrong or expired."""


class PermissionDeniedError(ExchangeError):
    """The caller lacks the permission for the call or for the document."""


class UnavailableError(ExchangeError):
    """The server cannot be reached, or cannot answer at present."""


class DeadlineExceededError(UnavailableError):
    """The call timed out; it may or may not have taken effect."""


class TlsError(ExchangeError):
    """The client's certificates cannot be used, or one side does not trust the other's."""


class InsecureChannelError(ExchangeError):
    """A token would be sent to another machine in plain text."""


class ClosedError(ExchangeError):
    """The client was closed, or was made in another process."""
