"""The exchange: a gRPC server for documents and feedback of the IR, and its clients.

Requires the extra ``crucible-ir[exchange]``; ``import crucible_ir`` does not import it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from crucible_ir.extras import MissingExtraError as MissingExtraError

if TYPE_CHECKING:
    from crucible_ir.exchange import v1 as v1
    from crucible_ir.exchange.client.async_client import AsyncExchangeClient as AsyncExchangeClient
    from crucible_ir.exchange.client.async_client import AsyncIngestion as AsyncIngestion
    from crucible_ir.exchange.client.async_client import AsyncWatch as AsyncWatch
    from crucible_ir.exchange.client.audit import AuditEntry as AuditEntry
    from crucible_ir.exchange.client.blocking_client import ExchangeClient as ExchangeClient
    from crucible_ir.exchange.client.blocking_client import Ingestion as Ingestion
    from crucible_ir.exchange.client.blocking_client import Watch as Watch
    from crucible_ir.exchange.client.errors import ClosedError as ClosedError
    from crucible_ir.exchange.client.errors import DeadlineExceededError as DeadlineExceededError
    from crucible_ir.exchange.client.errors import EtagMismatchError as EtagMismatchError
    from crucible_ir.exchange.client.errors import ExchangeError as ExchangeError
    from crucible_ir.exchange.client.errors import ImmutableFieldError as ImmutableFieldError
    from crucible_ir.exchange.client.errors import InsecureChannelError as InsecureChannelError
    from crucible_ir.exchange.client.errors import InvalidDocumentError as InvalidDocumentError
    from crucible_ir.exchange.client.errors import NotFoundError as NotFoundError
    from crucible_ir.exchange.client.errors import PermissionDeniedError as PermissionDeniedError
    from crucible_ir.exchange.client.errors import PreconditionError as PreconditionError
    from crucible_ir.exchange.client.errors import QuotaExceededError as QuotaExceededError
    from crucible_ir.exchange.client.errors import RequestReusedError as RequestReusedError
    from crucible_ir.exchange.client.errors import SnapshotCountError as SnapshotCountError
    from crucible_ir.exchange.client.errors import TlsError as TlsError
    from crucible_ir.exchange.client.errors import UnauthenticatedError as UnauthenticatedError
    from crucible_ir.exchange.client.errors import UnavailableError as UnavailableError
    from crucible_ir.exchange.client.requests import EventFilter as EventFilter
    from crucible_ir.exchange.client.requests import Publication as Publication
    from crucible_ir.exchange.client.results import Appended as Appended
    from crucible_ir.exchange.client.results import Change as Change
    from crucible_ir.exchange.client.results import ErasedFeedback as ErasedFeedback
    from crucible_ir.exchange.client.results import ExportedBatch as ExportedBatch
    from crucible_ir.exchange.client.results import ExportedEvent as ExportedEvent
    from crucible_ir.exchange.client.results import FeedbackPolicy as FeedbackPolicy
    from crucible_ir.exchange.client.results import Gap as Gap
    from crucible_ir.exchange.client.results import IngestReport as IngestReport
    from crucible_ir.exchange.client.results import Lineage as Lineage
    from crucible_ir.exchange.client.results import ListPage as ListPage
    from crucible_ir.exchange.client.results import MetricsPoint as MetricsPoint
    from crucible_ir.exchange.client.results import Outcome as Outcome
    from crucible_ir.exchange.client.results import Published as Published
    from crucible_ir.exchange.client.results import Purged as Purged
    from crucible_ir.exchange.client.results import Record as Record
    from crucible_ir.exchange.client.results import RunMetrics as RunMetrics
    from crucible_ir.exchange.client.results import Stored as Stored
    from crucible_ir.exchange.client.results import StoredFeedbackConfig as StoredFeedbackConfig
    from crucible_ir.exchange.client.results import Summary as Summary
    from crucible_ir.exchange.client.results import Verdict as Verdict
    from crucible_ir.exchange.client.retrying import RetryPolicy as RetryPolicy
    from crucible_ir.exchange.client.tls import Tls as Tls

#: The public names of each module; a test compares them with the imports above.
_NAMES = {
    "async_client": ("AsyncExchangeClient", "AsyncIngestion", "AsyncWatch"),
    "audit": ("AuditEntry",),
    "blocking_client": ("ExchangeClient", "Ingestion", "Watch"),
    "errors": (
        "ClosedError",
        "DeadlineExceededError",
        "EtagMismatchError",
        "ExchangeError",
        "ImmutableFieldError",
        "InsecureChannelError",
        "InvalidDocumentError",
        "NotFoundError",
        "PermissionDeniedError",
        "PreconditionError",
        "QuotaExceededError",
        "RequestReusedError",
        "SnapshotCountError",
        "TlsError",
        "UnauthenticatedError",
        "UnavailableError",
    ),
    "requests": ("EventFilter", "Publication"),
    "results": (
        "Appended",
        "Change",
        "ErasedFeedback",
        "ExportedBatch",
        "ExportedEvent",
        "FeedbackPolicy",
        "Gap",
        "IngestReport",
        "Lineage",
        "ListPage",
        "MetricsPoint",
        "Outcome",
        "Published",
        "Purged",
        "Record",
        "RunMetrics",
        "Stored",
        "StoredFeedbackConfig",
        "Summary",
        "Verdict",
    ),
    "retrying": ("RetryPolicy",),
    "tls": ("Tls",),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

#: The prefixes of the modules that the extra installs.
_EXTRA = ("grpc", "google.rpc", "sqlalchemy")

# Hidden from type checkers, to which it would mean that every name exists.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name on first use."""
        module = _MODULE_OF.get(name)
        if module is None:
            reason = f"module 'crucible_ir.exchange' has no attribute {name!r}"
            raise AttributeError(reason, name=name, obj=sys.modules[__name__])
        try:
            value = getattr(import_module(f"crucible_ir.exchange.client.{module}"), name)
        except ModuleNotFoundError as error:
            raise _import_failure(error) from error
        globals()[name] = value
        return value


def _import_failure(error: ModuleNotFoundError) -> ImportError:
    """Return the error for a failed import, with the extra to install if it is missing."""
    name = error.name or ""
    if not name.startswith(_EXTRA):
        return error
    return MissingExtraError(
        f'the exchange requires the package "{name}": pip install crucible-ir[exchange]'
    )


def __dir__() -> list[str]:
    """List the public names, including those not yet imported."""
    return sorted({*_MODULE_OF, "MissingExtraError", "v1"})
