"""The exchange: documents and feedback of the IR handed on over gRPC, by a server and its clients.

Needs the extra ``crucible-ir[exchange]``; ``import crucible_ir`` does not import it.
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
    from crucible_ir.exchange.client.blocking_client import ExchangeClient as ExchangeClient
    from crucible_ir.exchange.client.blocking_client import Ingestion as Ingestion
    from crucible_ir.exchange.client.blocking_client import Watch as Watch
    from crucible_ir.exchange.client.errors import ClosedError as ClosedError
    from crucible_ir.exchange.client.errors import DeadlineExceededError as DeadlineExceededError
    from crucible_ir.exchange.client.errors import EtagMismatchError as EtagMismatchError
    from crucible_ir.exchange.client.errors import ExchangeError as ExchangeError
    from crucible_ir.exchange.client.errors import InsecureChannelError as InsecureChannelError
    from crucible_ir.exchange.client.errors import InvalidDocumentError as InvalidDocumentError
    from crucible_ir.exchange.client.errors import NotFoundError as NotFoundError
    from crucible_ir.exchange.client.errors import PermissionDeniedError as PermissionDeniedError
    from crucible_ir.exchange.client.errors import PreconditionError as PreconditionError
    from crucible_ir.exchange.client.errors import QuotaExceededError as QuotaExceededError
    from crucible_ir.exchange.client.errors import RequestReusedError as RequestReusedError
    from crucible_ir.exchange.client.errors import TlsError as TlsError
    from crucible_ir.exchange.client.errors import UnauthenticatedError as UnauthenticatedError
    from crucible_ir.exchange.client.errors import UnavailableError as UnavailableError
    from crucible_ir.exchange.client.requests import EventFilter as EventFilter
    from crucible_ir.exchange.client.requests import Publication as Publication
    from crucible_ir.exchange.client.results import Change as Change
    from crucible_ir.exchange.client.results import Gap as Gap
    from crucible_ir.exchange.client.results import IngestReport as IngestReport
    from crucible_ir.exchange.client.results import Lineage as Lineage
    from crucible_ir.exchange.client.results import Outcome as Outcome
    from crucible_ir.exchange.client.results import Published as Published
    from crucible_ir.exchange.client.results import Record as Record
    from crucible_ir.exchange.client.results import Stored as Stored
    from crucible_ir.exchange.client.results import Summary as Summary
    from crucible_ir.exchange.client.results import Verdict as Verdict
    from crucible_ir.exchange.client.retrying import RetryPolicy as RetryPolicy
    from crucible_ir.exchange.client.tls import Tls as Tls

#: Where each name lives; `make test` holds it to the imports above.
_HOMES = {
    "async_client": ("AsyncExchangeClient", "AsyncIngestion", "AsyncWatch"),
    "blocking_client": ("ExchangeClient", "Ingestion", "Watch"),
    "errors": (
        "ClosedError",
        "DeadlineExceededError",
        "EtagMismatchError",
        "ExchangeError",
        "InsecureChannelError",
        "InvalidDocumentError",
        "NotFoundError",
        "PermissionDeniedError",
        "PreconditionError",
        "QuotaExceededError",
        "RequestReusedError",
        "TlsError",
        "UnauthenticatedError",
        "UnavailableError",
    ),
    "requests": ("EventFilter", "Publication"),
    "results": (
        "Change",
        "Gap",
        "IngestReport",
        "Lineage",
        "Outcome",
        "Published",
        "Record",
        "Stored",
        "Summary",
        "Verdict",
    ),
    "retrying": ("RetryPolicy",),
    "tls": ("Tls",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

#: The modules that the extra brings, by the first part of their names.
_EXTRA = ("grpc", "google.rpc", "sqlalchemy")

# Hidden from type checkers, which would take it to mean that every name exists.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for."""
        home = _HOME_OF.get(name)
        if home is None:
            reason = f"module 'crucible_ir.exchange' has no attribute {name!r}"
            raise AttributeError(reason, name=name, obj=sys.modules[__name__])
        try:
            value = getattr(import_module(f"crucible_ir.exchange.client.{home}"), name)
        except ModuleNotFoundError as error:
            raise missing_extra(error) from error
        globals()[name] = value
        return value


def missing_extra(error: ModuleNotFoundError) -> ImportError:
    """Return what to raise where an import failed: what to install, if that is what it takes."""
    name = error.name or ""
    if not name.startswith(_EXTRA):
        return error
    return MissingExtraError(
        f'the exchange needs the package "{name}": pip install crucible-ir[exchange]'
    )


def __dir__() -> list[str]:
    """List the public names, those not yet imported included."""
    return sorted({*_HOME_OF, "MissingExtraError", "v1"})
