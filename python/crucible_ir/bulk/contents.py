"""The types of the values of columns: what a value becomes in an Arrow array, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import orjson

from crucible_ir.errors import DecodeError
from crucible_ir.extras import optional_module
from crucible_ir.schema.fields import Field, Kind
from crucible_ir.schema.vocabulary import names
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.serialization.json.parsing import parse
from crucible_ir.serialization.json.protojson import PROTOJSON
from crucible_ir.serialization.json.timestamps import MAX_SECONDS, MIN_SECONDS, NANOS_PER_SECOND
from crucible_ir.serialization.json.writing import write_text

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

pa: Any = optional_module("pyarrow", "arrow")

#: The values of a field in several messages; ``None`` where it is unset.
Values: TypeAlias = Sequence[Any]

STRINGS: Final = pa.dictionary(pa.int32(), pa.string())
SCALARS: Final[Mapping[Kind, Any]] = {
    Kind.BOOL: pa.bool_(),
    Kind.INT32: pa.int32(),
    Kind.INT64: pa.int64(),
    Kind.UINT32: pa.uint32(),
    Kind.UINT64: pa.uint64(),
    Kind.FLOAT: pa.float32(),
    Kind.DOUBLE: pa.float64(),
    Kind.STRING: pa.string(),
    Kind.BYTES: pa.binary(),
}


class Cells(NamedTuple):
    """The cells of a column, and of the columns beside it by their names' patterns."""

    main: Any
    beside: dict[str, Any]


NUMBER: Final = "{}_number"
NANOS: Final = "{}_nanos"
CUSTOM: Final = "custom_{}"

#: The columns beside an open vocabulary.
OPEN_BESIDE: Final[Mapping[str, Any]] = MappingProxyType({NUMBER: pa.int32(), CUSTOM: pa.string()})


class Content(ABC):
    """The type of the values of a column.

    Attributes:
        type: The Arrow type.
        beside: The types of the columns that may be beside it, by the patterns of their names.
    """

    type: Any
    beside: Mapping[str, Any] = MappingProxyType({})

    @property
    def complete_type(self) -> Any:
        """The Arrow type with all columns that may be beside those inside it."""
        return self.type

    @abstractmethod
    def cells(self, values: Values) -> Cells:
        """Return the cells of values.

        Raises:
            ConversionError: A value has no cell; its path begins with its index.
        """


class ValueContent(Content):
    """Values that are no messages."""

    @abstractmethod
    def read(self, cell: Any, beside: Mapping[str, Any]) -> Any:
        """Return the value of a cell.

        Args:
            cell: The cell; null only if there is a cell beside it.
            beside: The cells beside it by the patterns of their names; null for none.

        Raises:
            ConversionError: The cells do not contain a value of the type.
        """


class MessageContent(Content):
    """Values that are messages."""

    @abstractmethod
    def fill(self, cell: Any, beside: Mapping[str, Any], message: Any) -> None:
        """Fill a message from a cell; the arguments and errors are those of `ValueContent.read`."""


class ScalarContent(ValueContent):
    """Values that Arrow has a type for."""

    def __init__(self, kind: Kind) -> None:
        self.type = SCALARS[kind]

    def cells(self, values: Values) -> Cells:
        """Return the cells of values."""
        return Cells(pa.array(values, self.type), {})

    def read(self, cell: Any, beside: Mapping[str, Any]) -> Any:
        """Return the value of a cell."""
        return cell


def text_of(cell: Any) -> str:
    """Return the text of a cell, which may have its bytes; for text, protobuf takes both too.

    Raises:
        TypeError, ValueError: It has no text.
    """
    text = cell.decode() if isinstance(cell, bytes) else cell
    if not isinstance(text, str):
        raise TypeError
    return text


class EnumContent(ValueContent):
    """Enum values, as their short names."""

    type = STRINGS
    beside = MappingProxyType({NUMBER: pa.int32()})

    def __init__(self, field: Field) -> None:
        assert field.enum is not None
        self.names = names(field.enum)
        self.numbers = field.short_names
        #: The value that means that a field without presence is unset.
        self._unset = (
            0 if not field.has_presence and not field.is_list and not field.is_map else None
        )

    def cells(self, values: Values) -> Cells:
        """Return the cells of values."""
        texts = list(map(self.names.get, values))
        beside = {}
        unnamed = [
            value if text is None and value != self._unset else None
            for value, text in zip(values, texts, strict=True)
        ]
        if unnamed.count(None) < len(unnamed):
            beside[NUMBER] = pa.array(unnamed, self.beside[NUMBER])
        return Cells(pa.array(texts, self.type), beside)

    def read(self, cell: Any, beside: Mapping[str, Any]) -> Any:
        """Return the value of a cell."""
        number = beside.get(NUMBER)
        if number is not None:
            return number
        cell = text_of(cell)
        if cell not in self.numbers:
            known = ", ".join(self.numbers)
            raise ConversionError(f"expected one of {known}, got {cell!r}")
        return self.numbers[cell]


class TimestampContent(MessageContent):
    """Timestamps in microseconds and UTC."""

    type = pa.timestamp("us", tz="UTC")
    beside = MappingProxyType({NANOS: pa.int16()})

    def cells(self, values: Values) -> Cells:
        """Return the cells of values."""
        micros: list[int | None] = []
        nanos: list[int | None] = []
        for index, value in enumerate(values):
            if value is None:
                micros.append(None)
                nanos.append(None)
                continue
            if not (
                MIN_SECONDS <= value.seconds <= MAX_SECONDS and 0 <= value.nanos < NANOS_PER_SECOND
            ):
                raise ConversionError("a timestamp outside the years 1 to 9999", index)
            whole, rest = divmod(value.nanos, 1000)
            micros.append(value.seconds * 1_000_000 + whole)
            nanos.append(rest or None)
        beside = {}
        if nanos.count(None) < len(nanos):
            beside[NANOS] = pa.array(nanos, self.beside[NANOS])
        return Cells(pa.array(micros, pa.int64()).view(self.type), beside)

    def fill(self, cell: Any, beside: Mapping[str, Any], message: Any) -> None:
        """Fill a Timestamp from nanoseconds, and from those beside them that are less than 1000."""
        rest = beside.get(NANOS)
        if rest is not None:
            if cell is None or cell % 1000 or not 0 <= rest < 1000:
                raise ConversionError(
                    "expected from 0 to 999 nanoseconds beside whole microseconds, got"
                    f" {rest!r:.80}"
                )
            cell += rest
        seconds, nanos = divmod(cell, NANOS_PER_SECOND)
        if not MIN_SECONDS <= seconds <= MAX_SECONDS:
            raise ConversionError("a timestamp outside the years 1 to 9999")
        message.seconds, message.nanos = seconds, nanos


class JsonContent(MessageContent):
    """Opaque JSON, and messages inside a message of the same type, as ProtoJSON."""

    type = pa.json_(pa.string())

    def __init__(self, message: Descriptor) -> None:
        self._write = PROTOJSON.writer(message)
        self._read = PROTOJSON.reader(message)

    def cells(self, values: Values) -> Cells:
        """Return the cells of values."""
        write = self._write
        try:
            texts = [
                None if value is None else orjson.dumps(write(value, -1)).decode()
                for value in values
            ]
        except (ConversionError, orjson.JSONEncodeError):
            texts = list(map(self._text, values, range(len(values))))
        storage = pa.array(texts, pa.string())
        return Cells(pa.ExtensionArray.from_storage(self.type, storage), {})

    def _text(self, value: Any, index: int) -> str | None:
        """Return the ProtoJSON of a value, which may be a large list; errors as in `cells`."""
        try:
            return None if value is None else write_text(self._write(value, -1))
        except ConversionError as error:
            raise error.under(index) from None

    def fill(self, cell: Any, beside: Mapping[str, Any], message: Any) -> None:
        """Fill a message from its ProtoJSON."""
        try:
            value = parse(cell)
        except DecodeError as error:
            raise ConversionError(error.reason) from None
        self._read(value, message, 0)
