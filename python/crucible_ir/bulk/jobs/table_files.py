"""Files with the rows of a table, Parquet or Arrow, which are written in groups of rows."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final, Self

from crucible_ir.bulk.contents import pa
from crucible_ir.extras import optional_module

if TYPE_CHECKING:
    from types import TracebackType

#: A group of rows also ends when its input has so many bytes, which bounds the memory: 32 MiB.
_GROUP_BYTES: Final = 32 * 1024 * 1024
_COMPRESSION: Final = "zstd"


class TableWriter:
    """Writes record batches to a file; a context manager that completes the file.

    Args:
        file: The file.
        schema: The schema of the batches.
        table_format: ``parquet`` or ``arrow``.
        group_rows: The most rows of a group.
    """

    def __init__(self, file: IO[bytes], schema: Any, table_format: str, group_rows: int) -> None:
        self.rows = 0
        self._schema = schema
        self._group_rows = group_rows
        self._waiting: list[Any] = []
        self._waiting_rows = 0
        self._waiting_bytes = 0
        # The dictionaries so far, as a batch without rows.
        self._known: Any = None
        self._is_parquet = table_format == "parquet"
        if self._is_parquet:
            parquet = optional_module("pyarrow.parquet", "arrow")
            self._writer = parquet.ParquetWriter(file, schema, compression=_COMPRESSION)
        else:
            options = pa.ipc.IpcWriteOptions(compression=_COMPRESSION, emit_dictionary_deltas=True)
            self._writer = pa.ipc.new_file(file, schema, options=options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self._waiting_rows:
                self._write(self._waiting_rows)
        finally:
            self._writer.close()

    def add(self, batch: Any, input_bytes: int) -> None:
        """Add rows.

        Args:
            batch: The rows.
            input_bytes: The number of bytes of the input that they come from.
        """
        self.rows += len(batch)
        self._waiting.append(batch)
        self._waiting_rows += len(batch)
        self._waiting_bytes += input_bytes
        while self._waiting_rows >= self._group_rows:
            self._write(self._group_rows)
        if self._waiting_bytes >= _GROUP_BYTES and self._waiting_rows:
            self._write(self._waiting_rows)

    def _write(self, rows: int) -> None:
        """Write the first rows as a group."""
        table = pa.Table.from_batches(self._waiting, self._schema)
        group, rest = table.slice(0, rows), table.slice(rows)
        self._waiting = rest.to_batches() if len(rest) else []
        self._waiting_rows = len(rest)
        self._waiting_bytes = 0
        if self._is_parquet:
            # A column whose batches have other dictionaries would be written without one.
            self._writer.write_table(group.unify_dictionaries(), row_group_size=rows)
            return
        batches = group.to_batches()
        if self._known is not None:
            # The file can only extend its dictionaries.
            batches.insert(0, self._known)
        unified = pa.Table.from_batches(batches, self._schema).unify_dictionaries()
        for batch in unified.combine_chunks().to_batches():
            self._writer.write_batch(batch)
            self._known = batch.slice(0, 0)
