"""What the commands share that talk to an exchange: where it is, and how its answers are shown."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import click

from crucible_ir.cli.session import CannotRunError, reason_of

if TYPE_CHECKING:
    from crucible_ir.cli.options import Decorator
    from crucible_ir.exchange.client.blocking_client import ExchangeClient
    from crucible_ir.exchange.client.results import Record

#: The environment variables that say what the options say.
SERVER_VARIABLE: Final = "CRUCIBLE_IR_SERVER"
TOKEN_VARIABLE: Final = "CRUCIBLE_IR_TOKEN"

_DEFAULT_SERVER: Final = "127.0.0.1:50551"
_MAX_TOKEN_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """The exchange that a command talks to.

    Attributes:
        target: Its address.
        token_file: The file that holds the token; ``None`` for the environment's token, if any.
        ca: The file of certificates that the server's is signed by; ``None`` for plain text.
        certificate: The file of the client's certificate.
        key: The file of its key.
        timeout: The seconds that a call may take.
    """

    target: str
    token_file: str | None
    ca: str | None
    certificate: str | None
    key: str | None
    timeout: float

    @contextmanager
    def connect(self) -> Iterator[ExchangeClient]:
        """Open a client.

        Raises:
            CannotRunError: The server cannot be reached, or does not let the caller in.
            MissingExtraError: gRPC is not installed.
        """
        from crucible_ir.exchange import ExchangeClient
        from crucible_ir.exchange.client.errors import (
            DeadlineExceededError,
            PermissionDeniedError,
            UnauthenticatedError,
            UnavailableError,
        )

        # gRPC writes to standard error what the caller is told anyway.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        try:
            with ExchangeClient(
                self.target, token=self._token(), tls=self._tls(), timeout=self.timeout
            ) as client:
                yield client
        except DeadlineExceededError as error:
            raise CannotRunError(f"{self.target} did not answer in time: {error}") from None
        except UnavailableError as error:
            raise CannotRunError(f"{self.target} cannot be reached: {error}") from None
        except (UnauthenticatedError, PermissionDeniedError) as error:
            raise CannotRunError(f"{self.target}: {error}") from None

    def _token(self) -> str | None:
        if self.token_file is None:
            return os.environ.get(TOKEN_VARIABLE) or None
        try:
            with open(self.token_file, encoding="ascii") as file:
                return file.read(_MAX_TOKEN_BYTES).strip()
        except OSError as error:
            reason = reason_of(error)
        except ValueError:
            reason = "it holds what no token can hold"
        raise CannotRunError(f"{self.token_file}: the token cannot be read: {reason}")

    def _tls(self) -> Any:
        from crucible_ir.exchange import Tls

        if self.ca is None:
            if self.certificate or self.key:
                raise click.UsageError("--certificate and --key go with --ca")
            return None
        return Tls.from_files(self.ca, self.certificate, self.key)


def server_options(command: Any) -> Any:
    """Add the options that say where the exchange is, which become one: ``server``."""

    @wraps(command)
    def gathered(
        *arguments: Any,
        target: str,
        token_file: str | None,
        ca: str | None,
        certificate: str | None,
        key: str | None,
        timeout: float,
        **options: Any,
    ) -> Any:
        server = Server(target, token_file, ca, certificate, key, timeout)
        return command(*arguments, server=server, **options)

    made: Any = gathered
    for option in (
        click.option(
            "--timeout",
            type=click.FloatRange(min=0.001),
            default=30.0,
            show_default=True,
            metavar="SECONDS",
            help="How long to try each call.",
        ),
        click.option("--key", metavar="FILE", help="The key of --certificate."),
        click.option(
            "--certificate", metavar="FILE", help="This client's certificate, for mutual TLS."
        ),
        click.option(
            "--ca",
            metavar="FILE",
            help="Connect with TLS to a server whose certificate these have signed.",
        ),
        click.option(
            "--token-file",
            metavar="FILE",
            help=f"Read the bearer token here; by default from {TOKEN_VARIABLE}.",
        ),
        click.option(
            "--server",
            "target",
            envvar=SERVER_VARIABLE,
            default=_DEFAULT_SERVER,
            show_default=True,
            metavar="ADDRESS",
            help=f"Address of the exchange (or set {SERVER_VARIABLE}).",
        ),
    ):
        made = option(made)
    return made


def format_option(help_: str) -> Decorator:
    """Return ``--format``."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help=help_,
    )


def record_json(record: Record) -> dict[str, object]:
    """Return a record for JSON."""
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
    }


def json_text(content: object, *, indent: int | None = 2) -> str:
    """Return JSON in ASCII: an id may hold what a terminal cannot show."""
    return json.dumps(content, indent=indent)
