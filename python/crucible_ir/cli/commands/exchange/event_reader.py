"""Reading of feedback events from streams and documents; what cannot be read is reported."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, cast

from crucible_ir.bulk.table_formats import table_format_of
from crucible_ir.cli.checking.bad_records import BadRecords
from crucible_ir.cli.files.inputs import (
    InputFile,
    ReadOptions,
    any_format_for,
    input_files,
    read_document,
    unreadable,
)
from crucible_ir.cli.files.stream_reader import open_records, print_file_error
from crucible_ir.cli.files.table_input import table_files
from crucible_ir.cli.session import COULD_NOT_RUN, GOOD, INVALID, CannotRunError, Session
from crucible_ir.errors import DecodeError, ValidationError
from crucible_ir.serialization.streams.formats import StreamFormat
from crucible_ir.serialization.streams.records import StreamError

if TYPE_CHECKING:
    from crucible_ir.v1 import FeedbackEvent


def event_files(arguments: Iterable[str], read_options: ReadOptions) -> Iterator[InputFile]:
    """Yield the files of events that a command line names, as `input_files` does.

    In a folder, these are also tables; names that begin with ``_`` are left out, such as those of
    records that could not be converted.

    Raises:
        CannotRunError: A folder has a table that is not complete, or a file cannot be found.
    """
    for argument in arguments:
        if not os.path.isdir(argument):
            yield from input_files([argument], read_options)
            continue
        # An incomplete folder of parts is an error.
        table_files(argument)
        tables = (
            os.path.normpath(os.path.join(parent, name))
            for parent, _, names in os.walk(argument)
            for name in names
            if table_format_of(name) is not None
        )
        found = {source.name for source in input_files([argument], read_options)}
        for name in sorted(found.union(tables)):
            below = os.path.relpath(name, argument).split(os.sep)
            if not any(part.startswith(("_", ".")) for part in below):
                yield InputFile(name)


class EventReader:
    """Reads events from files; errors about files and records are printed.

    Args:
        session: The options of this run.
        read_options: How to read the files; their type is that of events.
        validate: Whether an event that breaks a rule of the schema is bad.

    Attributes:
        status: The exit status for what was read so far.
        unreadable: The number of bad records and documents.
    """

    def __init__(self, session: Session, read_options: ReadOptions, *, validate: bool) -> None:
        self.session = session
        self.read_options = read_options
        self.status = GOOD
        self.unreadable = 0
        self._validate = validate
        self._bad = BadRecords()

    def events(self, found: Iterable[InputFile]) -> Iterator[FeedbackEvent]:
        """Yield the good events of files."""
        for source in found:
            self._bad = BadRecords()
            try:
                yield from self._of_file(source)
            except StreamError as error:
                self._skip(error)
            except ValidationError as error:
                for violation in error.violations:
                    at = f":{violation.position}" if violation.position else ""
                    self.session.print_error(f"{source.name}{at}: {violation}")
                self.unreadable += 1
                self.status = max(self.status, INVALID)
            except (CannotRunError, DecodeError) as error:
                status = print_file_error(self.session, source.name, error)
                self.unreadable += status == INVALID
                self.status = max(self.status, status)
            finally:
                for line in self._bad.lines(source.name):
                    self.session.print_error(line)

    def add_table(self, source: InputFile, add: Callable[[str], None]) -> None:
        """Add a table with a function that raises `DecodeError` or `OSError`."""
        try:
            add(source.name)
        except OSError as error:
            self.session.print_error(f"{source.name}: {unreadable(source.name, error)}")
            self.status = COULD_NOT_RUN
        except DecodeError as error:
            self.unreadable += 1
            self.status = max(self.status, print_file_error(self.session, source.name, error))

    def _of_file(self, source: InputFile) -> Iterator[FeedbackEvent]:
        format_ = any_format_for(source, self.read_options)
        if isinstance(format_, StreamFormat):
            with open_records(source, format_, self.read_options) as records:
                for message in records.messages(validate=self._validate, on_bad=self._skip):
                    yield cast("FeedbackEvent", message)
            return
        message = read_document(source, format_, self.read_options, validate=self._validate)
        yield cast("FeedbackEvent", message)

    def _skip(self, bad: StreamError) -> None:
        self.unreadable += 1
        self.status = max(self.status, INVALID)
        self._bad.add(bad)
