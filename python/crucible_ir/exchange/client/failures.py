"""What calls to the exchange raise; nothing here needs gRPC to be installed."""

from __future__ import annotations

from collections.abc import Sequence

from crucible_ir.errors import Error, Violation


class ExchangeError(Error):
    """A call to the exchange failed.

    Attributes:
        code: The name of the gRPC status, such as ``UNAVAILABLE``; empty where the client refused
            to call.
        message: What is wrong, in the server's words.
        reason: What kind of failure it is, for programs, such as ``ETAG_MISMATCH``; empty where the
            code says it all.
        metadata: Further facts about the failure, by name.
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
    """The server refused a document or a request for what is in it.

    Attributes:
        violations: The rules that it breaks; empty when it is refused for another reason.
    """

    violations: tuple[Violation, ...] = ()

    def __str__(self) -> str:
        # A server may name the first violation in its message, too.
        more = [text for text in map(str, self.violations) if text not in self.message]
        return "\n  ".join([self.message, *more])

    @classmethod
    def of(cls, error: ExchangeError, violations: Sequence[Violation]) -> InvalidDocumentError:
        """Return the error with the rules that are broken."""
        made = cls(error.message, code=error.code, reason=error.reason, metadata=error.metadata)
        made.violations = tuple(violations)
        return made


class NotFoundError(ExchangeError, LookupError):
    """There is no such document or revision."""


class PreconditionError(ExchangeError):
    """The exchange is not in the state that the request asks for."""


class EtagMismatchError(PreconditionError):
    """The document was changed by somebody else since its etag was read.

    Attributes:
        latest: The etag of the latest revision; empty when the document does not exist.
    """

    @property
    def latest(self) -> str:
        """The etag of the latest revision; empty when the document does not exist."""
        return self.metadata.get("latest", "")


class RequestReusedError(PreconditionError):
    """The request id was used for another request."""


class QuotaExceededError(ExchangeError):
    """The server has no room, or allows no more."""


class UnauthenticatedError(ExchangeError):
    """The server does not know who is calling: the token is missing, wrong or expired."""


class PermissionDeniedError(ExchangeError):
    """The caller may not do this, or not with this document."""


class UnavailableError(ExchangeError):
    """The server cannot be reached, or cannot answer now."""


class DeadlineExceededError(UnavailableError):
    """The answer did not come in time; whether something was changed is unknown."""


class TlsError(ExchangeError):
    """The certificates cannot be used, or those of the other side are not accepted."""


class InsecureChannelError(ExchangeError):
    """A token would be sent where others can read it."""


class ClosedError(ExchangeError):
    """The client was closed, or belongs to another process."""
