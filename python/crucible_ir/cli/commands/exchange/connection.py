"""The options of commands that call an exchange, and the JSON of its responses."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import click

from crucible_ir.cli.options import FiniteRange
from crucible_ir.cli.progress import ERASE_LINE
from crucible_ir.cli.session import CannotRunError, reason_of
from crucible_ir.errors import printable

if TYPE_CHECKING:
    from crucible_ir.exchange import AsyncExchangeClient, ExchangeError
    from crucible_ir.exchange.client.blocking_client import ExchangeClient
    from crucible_ir.exchange.client.connection import Connection
    from crucible_ir.exchange.client.results import Record

#: The environment variables that have the effect of options.
SERVER_VARIABLE: Final = "CRUCIBLE_IR_SERVER"
TOKEN_VARIABLE: Final = "CRUCIBLE_IR_TOKEN"

_DEFAULT_SERVER: Final = "127.0.0.1:7551"
_MAX_TOKEN_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """The exchange that a command calls.

    Attributes:
        target: The address.
        token_file: The file with the token; ``None`` for the token of the environment, if any.
        ca: The file with the certificates that signed the server's; ``None`` to connect without
            TLS.
        certificate: The file with the client's certificate.
        key: The file with the key of the certificate.
        timeout: The time for a call, in seconds.
        quiet: Whether to print no summary, and no line about a success or a retry.
    """

    target: str
    token_file: str | None
    ca: str | None
    certificate: str | None
    key: str | None
    timeout: float
    quiet: bool

    @contextmanager
    def connect(self) -> Iterator[ExchangeClient]:
        """Open a client.

        Raises:
            CannotRunError: The server cannot be reached, or rejects the caller.
            MissingExtraError: gRPC is not installed.
        """
        silence_grpc()
        from crucible_ir.exchange import ExchangeClient
        from crucible_ir.exchange.client.errors import (
            DeadlineExceededError,
            PermissionDeniedError,
            UnauthenticatedError,
            UnavailableError,
        )

        retries = logging.getLogger("crucible_ir.exchange.client")
        handler = _RetryHandler()
        if sys.stderr.isatty() and not self.quiet:
            retries.addHandler(handler)
            retries.setLevel(logging.INFO)
        try:
            with ExchangeClient(
                self.target,
                token=self.token(),
                tls=self._tls(),
                timeout=self.timeout,
                wait_for_server=False,
            ) as client:
                yield client
        except DeadlineExceededError as error:
            raise CannotRunError(f"{self.target} did not answer in time: {error}") from None
        except UnavailableError as error:
            # The message of a failed connection has the address.
            where = "" if self.target in error.message else f"{self.target} cannot be reached: "
            raise CannotRunError(f"{where}{error}") from None
        except UnauthenticatedError as error:
            raise CannotRunError(self._token_problem(error)) from None
        except PermissionDeniedError as error:
            raise CannotRunError(f"{self.target}: {error}") from None
        finally:
            retries.removeHandler(handler)

    def _token_problem(self, error: ExchangeError) -> str:
        """Return why the server rejects the token, and which option or variable is concerned."""
        if error.reason == "TOKEN_MISSING":
            return f"{self.target} requires a token: use --token-file or set {TOKEN_VARIABLE}"
        source = TOKEN_VARIABLE if self.token_file is None else f"--token-file {self.token_file}"
        return f"{self.target} rejects the token of {source}: {error}"

    def client(self, token: str | None) -> AsyncExchangeClient:
        """Return a client on the running event loop; without a token, it has that of the options.

        Raises:
            CannotRunError: The token cannot be read.
            InsecureChannelError: The token would be sent to another machine in plain text.
        """
        from crucible_ir.exchange import AsyncExchangeClient

        return AsyncExchangeClient(
            self.target,
            token=self.token() if token is None else token,
            tls=self._tls(),
            timeout=self.timeout,
            wait_for_server=False,
        )

    def connection(self) -> Connection:
        """Return the address and the certificates, without a token."""
        from crucible_ir.exchange.client.connection import Connection

        return Connection(self.target, tls=self._tls())

    def token(self) -> str | None:
        """Return the token of the options or the environment; ``None`` if there is none.

        Raises:
            CannotRunError: It cannot be read.
        """
        if self.token_file is None:
            return os.environ.get(TOKEN_VARIABLE) or None
        try:
            with open(self.token_file, encoding="ascii") as file:
                return file.read(_MAX_TOKEN_BYTES).strip()
        except OSError as error:
            reason = reason_of(error)
        except ValueError:
            reason = "it has characters that no token has"
        raise CannotRunError(f"{self.token_file}: the token cannot be read: {reason}")

    def _tls(self) -> Any:
        from crucible_ir.exchange import Tls

        if self.ca is None:
            if self.certificate or self.key:
                raise click.UsageError("--certificate and --key require --ca")
            return None
        return Tls.from_files(self.ca, self.certificate, self.key)


def silence_grpc() -> None:
    """Keep gRPC from logging to standard error; this has an effect only before its import.

    The commands report what it logs themselves.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


class _RetryHandler(logging.Handler):
    """Prints a line on a terminal when a call is retried, in place of a line with progress."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        print(f"{ERASE_LINE}crucible-ir: {printable(record.getMessage())}", file=sys.stderr)


def server_options(command: Any) -> Any:
    """Add the options of the connection, which the command receives as ``server``."""

    @wraps(command)
    def with_server(
        *arguments: Any,
        target: str,
        token_file: str | None,
        ca: str | None,
        certificate: str | None,
        key: str | None,
        timeout: float,
        quiet: bool,
        **options: Any,
    ) -> Any:
        server = Server(target, token_file, ca, certificate, key, timeout, quiet)
        return command(*arguments, server=server, **options)

    decorated: Any = with_server
    for option in (
        click.option(
            "--quiet",
            "-q",
            is_flag=True,
            help="Print no summary, and no line about a success or a retry.",
        ),
        click.option(
            "--timeout",
            type=FiniteRange(min=0.001),
            default=30.0,
            show_default=True,
            metavar="SECONDS",
            help="The longest time for each call, in seconds.",
        ),
        click.option("--key", metavar="FILE", help="The key of the certificate."),
        click.option(
            "--certificate", metavar="FILE", help="The client certificate, for mutual TLS."
        ),
        click.option(
            "--ca",
            metavar="FILE",
            help="Connect with TLS and trust these certificates.",
        ),
        click.option(
            "--token-file",
            metavar="FILE",
            help=f"The file with the bearer token; by default the value of {TOKEN_VARIABLE}.",
        ),
        click.option(
            "--server",
            "target",
            envvar=SERVER_VARIABLE,
            default=_DEFAULT_SERVER,
            show_default=True,
            metavar="ADDRESS",
            help=f"The address of the exchange (or set {SERVER_VARIABLE}).",
        ),
    ):
        decorated = option(decorated)
    return decorated


def record_json(record: Record) -> dict[str, object]:
    """Return the JSON value of a record."""
    return {
        "type": record.type,
        "id": record.id,
        "revision": record.revision,
        "sequence": record.sequence,
        "etag": record.etag,
        "digest": record.digest,
        "create_time": record.create_time.isoformat(),
        "update_time": record.update_time.isoformat(),
        "publisher": record.publisher,
        "deleted": record.deleted,
        "requires": record.requires,
        "snapshot_count": record.snapshot_count,
    }


def json_text(content: object, *, indent: int | None = 2) -> str:
    """Return JSON in ASCII, since an id may have characters that a terminal cannot show."""
    return json.dumps(content, indent=indent)
