"""Writes the metrics of training runs as a long table, from files and an exchange."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, Final

import click

from crucible_ir.cli.commands.exchange.connection import Server
from crucible_ir.cli.files.inputs import InputFile, ReadOptions, input_files, names_files
from crucible_ir.cli.files.outputs import check_overwriting, open_output
from crucible_ir.cli.files.stream_reader import print_file_error, read_messages
from crucible_ir.cli.session import GOOD, INVALID, CannotRunError, Session
from crucible_ir.errors import DecodeError, EncodeError, plural, printable
from crucible_ir.schema.types import content_of
from crucible_ir.v1 import Document, TrainingRun

if TYPE_CHECKING:
    from crucible_ir.bulk.metrics import Histories, Snapshot
    from crucible_ir.exchange.client.blocking_client import ExchangeClient

#: The file extensions of the table.
EXTENSIONS: Final = (".parquet", ".arrow", ".csv")
#: The most messages of a file that are printed for their type.
_MAX_PRINTED: Final = 20


class MetricsTable:
    """The metrics of runs, as a table in a file.

    Args:
        session: The options of this run.
        read_options: How to read files.
        server: The exchange.
        keys: The names of the metrics; all if there are none.
        revision: The revision of runs in the exchange; ``None`` for the latest.

    Attributes:
        status: The exit status for what was read so far.
    """

    def __init__(
        self,
        session: Session,
        read_options: ReadOptions,
        server: Server,
        keys: Sequence[str],
        revision: int | None,
    ) -> None:
        self.status = GOOD
        self._session = session
        self._read_options = read_options
        self._server = server
        self._keys = keys
        self._revision = revision
        self._histories: Histories

    def write(self, sources: Sequence[str], output: str, *, force: bool) -> int:
        """Write the metrics of files and of runs in the exchange; return the exit status.

        Raises:
            UsageError: The name of the output has no extension of a table.
            CannotRunError: A file or the exchange cannot be read, or the output not be written.
        """
        from crucible_ir.bulk.metrics import Histories, metrics_batches

        self._histories = Histories()
        extension = os.path.splitext(output)[1].lower()
        if extension not in EXTENSIONS:
            raise click.UsageError(
                f'--output "{output}": expected a file that ends in {" or ".join(EXTENSIONS)}'
            )
        check_overwriting([output], force=force)
        rows = 0
        try:
            with open_output(output, force=force) as target, _writer(target, extension) as write:
                for batch in metrics_batches(self._snapshots(sources), self._keys):
                    write(batch)
                    rows += len(batch)
        except EncodeError as error:
            self._session.print_error(str(error))
            return INVALID
        if not rows:
            self._session.print_error(f"no metrics in {', '.join(sources[:8])}")
            self.status = max(self.status, INVALID)
        if not self._server.quiet:
            words = f"{printable(output)}: {plural(rows, 'value')}"
            self._session.out().print(words, style="good" if self.status == GOOD else "warn")
        return self.status

    def _snapshots(self, sources: Sequence[str]) -> Iterator[Snapshot]:
        with ExitStack() as stack:
            client: ExchangeClient | None = None
            for source in sources:
                if names_files(source, self._read_options):
                    for file in input_files([source], self._read_options):
                        yield from self._of_file(file)
                    continue
                client = client or stack.enter_context(self._server.connect())
                yield from self._of_exchange(client, source)

    def _of_file(self, file: InputFile) -> Iterator[Snapshot]:
        others = 0
        try:
            for name, message in read_messages(file, self._read_options):
                content = content_of(message) if isinstance(message, Document) else message
                if isinstance(content, TrainingRun):
                    yield from self._histories.add(content)
                else:
                    others += 1
                    found = message if content is None else content
                    if others <= _MAX_PRINTED:
                        self._session.print_error(
                            f"{name}: expected a TrainingRun, got a {found.DESCRIPTOR.name}"
                        )
                    self.status = max(self.status, INVALID)
        except (CannotRunError, DecodeError) as error:
            # What came before a bad record is written.
            self.status = max(self.status, print_file_error(self._session, file.name, error))
        if others > _MAX_PRINTED:
            self._session.print_error(
                f"{file.name}: {others - _MAX_PRINTED} others are not printed"
            )

    def _of_exchange(self, client: ExchangeClient, id_: str) -> Iterator[Snapshot]:
        from crucible_ir.bulk.metrics import Snapshot
        from crucible_ir.exchange import NotFoundError

        try:
            metrics = client.read_metrics(id_, keys=self._keys, revision=self._revision)
        except NotFoundError as error:
            self._session.print_error(str(error))
            self.status = INVALID
            return
        for point in metrics.points:
            yield Snapshot(id_, point.position, point.snapshot)


@contextmanager
def _writer(target: IO[bytes], extension: str) -> Iterator[Callable[[Any], None]]:
    """Yield a function that writes a record batch to a file."""
    from crucible_ir.bulk.metrics import METRICS

    if extension == ".csv":
        text = io.TextIOWrapper(target, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(METRICS.names)
        yield lambda batch: writer.writerows(map(_csv_row, batch.to_pylist()))
        text.detach()
        return
    if extension == ".parquet":
        parquet = import_module("pyarrow.parquet")
        with parquet.ParquetWriter(target, METRICS, compression="zstd") as table:
            yield table.write_batch
        return
    ipc = import_module("pyarrow.ipc")
    with ipc.new_file(target, METRICS) as table:
        yield table.write_batch


def _csv_row(row: dict[str, Any]) -> list[object]:
    """Return the cells of a row, with times as in RFC 3339."""
    time = row["time"]
    text = None if time is None else f"{time:%Y-%m-%dT%H:%M:%S.%f}Z"
    return [text if name == "time" else value for name, value in row.items()]
