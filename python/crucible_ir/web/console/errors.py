"""Errors as pages: what happened, what is safe, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from crucible_ir.errors import Error, near_miss
from crucible_ir.exchange.client.errors import (
    DeadlineExceededError,
    EtagMismatchError,
    ExchangeError,
    ImmutableFieldError,
    InsecureChannelError,
    InvalidDocumentError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    QuotaExceededError,
    TlsError,
    UnauthenticatedError,
    UnavailableError,
)
from crucible_ir.schema.types import document_members


@dataclass(frozen=True, slots=True)
class Problem:
    """An error for people.

    Attributes:
        status: The status of the response.
        headline: What happened, in a few words.
        reason: What happened, in the words of the exchange.
        advice: What is safe, and what to do.
        command: A command that helps; empty for none.
        code: The name of the gRPC status; empty if there was no call.
        kind: The reason of the exchange for programs, such as ``ETAG_MISMATCH``.
        details: Further details, by name.
        link: The address of a page that helps; empty for none.
    """

    status: int
    headline: str
    reason: str
    advice: str
    command: str = ""
    code: str = ""
    kind: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    link: str = ""

    @classmethod
    def bad_request(cls, reason: str, status: int = 400) -> Self:
        """Return the problem of a request that the console does not understand."""
        advice = "Correct the address or the form, and try again. Nothing was changed."
        return cls(status, "The request cannot be understood", reason, advice)

    @classmethod
    def unknown_type(cls, name: str, link: str) -> Self:
        """Return the problem of a type that does not exist."""
        guess = near_miss(name, document_members())
        reason = f'there is no document type "{name[:100]}"{guess}'
        return cls(404, "No such type", reason, "The schema has the types of the list.", link=link)


class ProblemError(Error):
    """A page cannot be shown; the problem says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


#: The status, headline, advice and command of each error of a call, the most specific first.
_TABLE: Final[tuple[tuple[type[ExchangeError], int, str, str, str], ...]] = (
    (
        InsecureChannelError,
        502,
        "The token would travel in plain text",
        "The console has not sent it. Start the console with --ca, so that it reaches the exchange"
        " with TLS.",
        "crucible-ir console --server ADDRESS --ca ca.pem",
    ),
    (
        UnauthenticatedError,
        401,
        "Sign in first",
        "The exchange requires a token. Sign in with one; an admin makes it.",
        "crucible-ir tokens create NAME --role reader",
    ),
    (
        PermissionDeniedError,
        403,
        "Your token does not permit this",
        "Nothing was changed. An admin can make a token with another role, or for more types and"
        " ids; then sign in with that one.",
        "crucible-ir tokens create NAME --role publisher",
    ),
    (
        NotFoundError,
        404,
        "Not found",
        "It was never published, or it was deleted, or your token does not include it. A deleted"
        " document still has its history.",
        "",
    ),
    (
        EtagMismatchError,
        409,
        "Another publisher was faster",
        "Nothing was stored. Open the document again, and make your change to the latest revision.",
        "",
    ),
    (
        ImmutableFieldError,
        409,
        "The document changes a field that keeps its value",
        "Nothing was stored. Publish the change as a new document with an id of its own.",
        "",
    ),
    (
        PreconditionError,
        409,
        "The exchange is in another state than the request expects",
        "Nothing was stored. Load the page again, and repeat the change if it still applies.",
        "",
    ),
    (
        InvalidDocumentError,
        400,
        "The exchange rejects the request",
        "Nothing was stored. Correct what the reason names, and try again.",
        "",
    ),
    (
        QuotaExceededError,
        429,
        "A limit of the exchange is reached",
        "Nothing was lost. Wait a little and load the page again. If this lasts, the operator can"
        " raise the limit or free space.",
        "",
    ),
    (
        DeadlineExceededError,
        504,
        "The exchange did not answer in time",
        "Nothing that was acknowledged is lost; a change that was under way may or may not have"
        " been stored. Load the page again.",
        "",
    ),
    (
        TlsError,
        502,
        "The certificates do not fit",
        "The console and the exchange do not trust each other. Check --ca, --certificate and --key"
        " of the console.",
        "",
    ),
    (
        UnavailableError,
        503,
        "The exchange does not answer",
        "Nothing that was acknowledged is lost. What is published now is rejected, not kept. Start"
        " the exchange, or wait and load the page again.",
        "crucible-ir serve",
    ),
    (
        ExchangeError,
        502,
        "The exchange answered with an error",
        "Load the page again. If this lasts, the operator finds the reason in the log of the"
        " exchange.",
        "",
    ),
)


def problem_of(error: BaseException) -> Problem | None:
    """Return what a page says about an error; ``None`` if it is a bug of the console.

    >>> problem_of(UnavailableError("refused", code="UNAVAILABLE")).status
    503
    """
    if isinstance(error, ProblemError):
        return error.problem
    if isinstance(error, TimeoutError):
        error = DeadlineExceededError("the page took too long", code="DEADLINE_EXCEEDED")
    if not isinstance(error, ExchangeError):
        return None
    _, status, headline, advice, command = next(row for row in _TABLE if isinstance(error, row[0]))
    return Problem(
        status, headline, str(error), advice, command, error.code, error.reason, error.metadata
    )
