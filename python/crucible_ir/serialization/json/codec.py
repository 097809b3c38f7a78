"""The JSON codec: a table of rows for each message type, and one loop that reads or writes them.

`Dialect` is the base of ProtoJSON (`protojson.py`), which YAML extends (`yaml_dialect.py`), and of
Crucible JSON (`crucible.py`). A value that is the same in JSON, such as a string or a boolean, is
set directly; other values are converted by the function of their row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from crucible_ir.errors import near_miss, shorten_name
from crucible_ir.paths import MapKey, Part
from crucible_ir.schema.fields import Field, Kind, describe_field, fields_of
from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.unknown_fields import show_entries
from crucible_ir.serialization.conversion_error import (
    ConversionError,
    add_error,
    describe,
    too_deep,
)
from crucible_ir.serialization.json import scalars
from crucible_ir.serialization.json.opaque import Reader, Writer, invalid_key, unpaired_surrogate
from crucible_ir.serialization.json.writing import MAX_ITEMS_AT_ONCE, LargeList, write_text
from crucible_ir.serialization.limits import MAX_DEPTH

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
    from google.protobuf.message import Message


#: The exact Python type of the JSON values that are set without conversion, by the field's kind.
_DIRECT = {Kind.STRING: str, Kind.BOOL: bool, Kind.INT32: int, Kind.UINT32: int}

#: The types of the items of a list of strings.
_STRINGS_ONLY = {str}


class WriteRow(NamedTuple):
    """How a field is written.

    Attributes:
        key: The key of its value.
        write: Converts the field's value to a JSON value; ``None`` if it needs no conversion.
    """

    key: str
    write: Writer | None


class Conditions(NamedTuple):
    """The checks before the value of a key is read.

    Attributes:
        alias: The other key of the same field, which must not be present.
        siblings: The keys of the other members of its oneof, none of which may have a value.
        reads_null: Whether ``null`` is a value and does not leave the field unset.
    """

    alias: str | None = None
    siblings: frozenset[str] = frozenset()
    reads_null: bool = False


class ReadRow(NamedTuple):
    """How the value of a key is read.

    Attributes:
        field: The name of the field.
        read: Sets the field from a value, given the message and its depth.
        direct: The exact type of the values that are set without conversion; ``None`` for none.
        conditions: The checks before the value is read; ``None`` for most fields.
    """

    field: str
    read: Reader
    direct: type | None = None
    conditions: Conditions | None = None


_KeyT = TypeVar("_KeyT")
_ItemT = TypeVar("_ItemT")


class _Table(dict[_KeyT, Any], Generic[_KeyT]):
    """Rows that are made when they are first needed, since message types contain each other.

    They are stored as plain tuples, which Python unpacks faster than named tuples.
    """

    def __init__(self, make: Callable[[_KeyT], tuple[Any, ...]]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: _KeyT) -> tuple[Any, ...]:
        row = tuple(tuple(part) if isinstance(part, tuple) else part for part in self._make(key))
        self[key] = row
        return row


class Dialect(ABC):
    """A JSON dialect: how it writes and reads the messages of each type.

    Attributes:
        writers: The writers of the message types that are not written as an object with a key for
            each field, by the full name of the type.
        readers: The readers of the same message types.
        in_pieces: Whether long lists of messages are written as `LargeList`.
    """

    writers: Mapping[str, Writer]
    readers: Mapping[str, Reader]
    in_pieces: bool = False

    def __init__(self) -> None:
        self._writers: dict[Descriptor, Writer] = {}
        self._readers: dict[Descriptor, Reader] = {}

    # The decisions of a dialect

    @abstractmethod
    def key(self, field: Field) -> str:
        """Return the key under which a field is written."""

    @abstractmethod
    def fields_by_key(self, message: Descriptor) -> Mapping[str, Field]:
        """Return the fields of a message type, by each key that is read."""

    @abstractmethod
    def scalar_writer(self, field: Field) -> Writer | None:
        """Return the writer of a scalar or enum value; ``None`` if it needs no conversion."""

    @abstractmethod
    def scalar_reader(self, field: Field) -> scalars.ScalarReader:
        """Return the reader of a scalar or enum value."""

    @abstractmethod
    def enum_numbers(self, enum: EnumDescriptor) -> Mapping[str, int]:
        """Return the numbers of an enum, by the names that are read."""

    @abstractmethod
    def document_path(
        self, message: Descriptor, path: tuple[Part, ...], document: object = None
    ) -> list[list[Part]]:
        """Return the possible keys in a document for each step of a path of field names.

        Args:
            message: The type of the message.
            path: The path.
            document: The JSON value of the document, if it decides between keys.
        """

    def path_step(self, field: Field) -> str:
        """Return the step for a field in the path of an `EncodeError`."""
        return field.name

    def reads_null(self, field: Field) -> bool:
        """Return whether ``null`` is a value of a field, or of an item of its list or map."""
        if field.message is not None:
            return field.message.full_name == "google.protobuf.Value"
        return field.enum is not None and field.enum.full_name == "google.protobuf.NullValue"

    def unset_values(self, message: Descriptor) -> dict[str, object]:
        """Return the keys and values that are written for unset fields."""
        return {}

    def finish_writing(self, message: Descriptor) -> Callable[[dict[str, Any]], None] | None:
        """Return a function that changes an object after its fields have been written."""
        return None

    def finish_reading(
        self, message: Descriptor
    ) -> Callable[[dict[str, object], Any], None] | None:
        """Return a function that changes a message after its object has been read."""
        return None

    # Messages

    def to_json_value(self, message: Message) -> object:
        """Return a message as a JSON value.

        Raises:
            ConversionError: The dialect cannot write a value of the message.
        """
        return self.writer(descriptor_of(message))(message, -1)

    def encode(self, message: Message) -> object:
        """Return a message as a JSON value.

        Raises:
            EncodeError: The dialect cannot write a value of the message.
        """
        try:
            return self.to_json_value(message)
        except ConversionError as error:
            raise error.encode_error() from None
        except RecursionError:
            raise too_deep().encode_error() from None

    def fill(self, value: object, message: Message) -> None:
        """Fill an empty message from a JSON value.

        Raises:
            ConversionError: The value does not describe such a message.
        """
        self.reader(descriptor_of(message))(value, message, 0)

    def writer(self, message: Descriptor) -> Writer:
        """Return the writer of the messages of a type."""
        found = self._writers.get(message)
        if found is None:
            found = self.writers.get(message.full_name) or self.object_writer(message)
            self._writers[message] = found
        return found

    def reader(self, message: Descriptor) -> Reader:
        """Return the reader of the messages of a type."""
        found = self._readers.get(message)
        if found is None:
            found = self.readers.get(message.full_name) or self.object_reader(message)
            self._readers[message] = found
        return found

    # Writing

    def double_map_writer(self, values: Any, depth: int) -> dict[str, object]:
        """Write a map from strings to doubles."""
        numbers = {key: values[key] for key in sorted(values)}
        total = sum(numbers.values())
        # If the sum is finite, every number is finite.
        if total - total == 0.0:
            return numbers
        return {key: scalars.write_double(number) for key, number in numbers.items()}

    def object_writer(self, descriptor: Descriptor) -> Writer:
        """Return the writer of messages as objects with a key for each field."""
        rows = _Table(self._write_row)
        unset = self.unset_values(descriptor)
        finish = self.finish_writing(descriptor)
        has_maps = any(describe_field(field).is_map for field in descriptor.fields)

        def write(message: Message, depth: int) -> dict[str, object]:
            depth += 1
            if depth > MAX_DEPTH:
                raise too_deep()
            if has_maps:
                message = show_entries(message)
            result = unset.copy()
            field: Any = None
            try:
                for field, value in message.ListFields():
                    key, write_value = rows[field]
                    result[key] = value if write_value is None else write_value(value, depth)
            except ConversionError as error:
                raise error.under(self.path_step(describe_field(field))) from None
            if finish is not None:
                finish(result)
            return result

        return write

    def _write_row(self, descriptor: FieldDescriptor) -> WriteRow:
        field = describe_field(descriptor)
        if field.message is not None:
            item: Writer | None = self.writer(field.message)
        else:
            item = self.scalar_writer(field)
        if field.is_map:
            is_double_map = field.kind is Kind.DOUBLE and field.key is Kind.STRING
            item = self.double_map_writer if is_double_map else _map_writer(field, item)
        elif field.is_list:
            item = self._list_writer(field, item)
        return WriteRow(self.key(field), item)

    def _list_writer(self, field: Field, write_item: Writer | None) -> Writer:
        in_pieces = self.in_pieces and field.kind is Kind.MESSAGE

        def write_list(values: Any, depth: int) -> object:
            if write_item is None:
                return values[:]
            if in_pieces and len(values) > MAX_ITEMS_AT_ONCE:
                return LargeList(values, write_item, depth)
            result: list[object] = []
            try:
                for value in values:
                    result.append(write_item(value, depth))
            except ConversionError as error:
                raise error.under(len(result)) from None
            return result

        return write_list

    # Reading

    def object_reader(self, descriptor: Descriptor) -> Reader:
        """Return the reader of messages from objects with a key for each field."""
        fields = self.fields_by_key(descriptor)
        rows = _Table[str](lambda key: self._row_of_key(descriptor, fields, key))
        finish = self.finish_reading(descriptor)

        def read(value: object, message: Message, depth: int) -> None:
            if type(value) is not dict:
                raise ConversionError(f"expected an object, got {describe(value)}")
            first_error: ConversionError | None = None
            for key, item in value.items():
                try:
                    name, read_item, direct, conditions = rows[key]
                    if type(item) is direct:
                        try:
                            setattr(message, name, item)
                        except (TypeError, ValueError):
                            # The number is out of range, or the string has an unpaired surrogate.
                            read_item(item, message, depth)
                    elif conditions is None:
                        if item is not None:
                            read_item(item, message, depth)
                    else:
                        alias, siblings, reads_null = conditions
                        if alias is not None and alias in value:
                            first, key = (each for each in value if each in (key, alias))
                            raise ConversionError(
                                f'duplicate field, given as "{first}" and as "{key}"'
                            )
                        if item is not None or reads_null:
                            if not siblings.isdisjoint(value):
                                _check_first_member(descriptor, name, message, value, siblings)
                            read_item(item, message, depth)
                except ConversionError as error:
                    known = error.under(key) if isinstance(key, str) else error
                    first_error = add_error(first_error, known)
            if first_error is not None:
                raise first_error
            if finish is not None:
                finish(value, message)

        return read

    def _row_of_key(self, message: Descriptor, fields: Mapping[str, Field], key: str) -> ReadRow:
        field = fields.get(key)
        if field is None:
            members = dict.fromkeys(m.name for m in fields.values() if m.oneof == key)
            if members:
                raise ConversionError(
                    f'{message.name} has no field "{key}"; give one of {", ".join(members)}',
                    at_key=True,
                )
            raise unknown_key(key, message.name, fields)
        row = self.read_row(field)
        alias = field.json_name if fields.get(field.json_name) is field else key
        siblings = frozenset(
            other
            for other, member in fields.items()
            if field.oneof is not None and member.oneof == field.oneof and member is not field
        )
        reads_null = self.reads_null(field) and not (field.is_list or field.is_map)
        conditions = Conditions(alias if alias != key else None, siblings, reads_null)
        if conditions != Conditions():
            row = row._replace(direct=None, conditions=conditions)
        return row

    def read_row(self, field: Field) -> ReadRow:
        """Return how a field is read, without the checks that depend on its key."""
        if field.is_map:
            return ReadRow(field.name, self._map_reader(field))
        if field.is_list:
            make = self._list_reader if field.message is None else self._message_list_reader
            return ReadRow(field.name, make(field))
        if field.message is not None:
            return ReadRow(field.name, self._message_reader(field, field.message))
        convert = self.scalar_reader(field)
        if field.enum is not None:
            return ReadRow(field.name, _enum_setter(field, convert, self.enum_numbers(field.enum)))
        read = _scalar_setter(field, convert)
        return ReadRow(field.name, read, _DIRECT.get(field.kind))

    def _message_reader(self, field: Field, message_type: Descriptor) -> Reader:
        name = field.name
        read_inside = self.reader(message_type)
        # Readers of a dialect mark an empty message as present themselves.
        is_object = message_type.full_name not in self.readers

        def read(value: object, message: Message, depth: int) -> None:
            depth += 1
            if depth > MAX_DEPTH:
                raise too_deep()
            read_inside(value, getattr(message, name), depth)
            if is_object and name not in message:
                getattr(message, name).SetInParent()

        return read

    def _list_reader(self, field: Field) -> Reader:
        name = field.name
        convert = self.scalar_reader(field)
        is_text = field.kind is Kind.STRING

        def read(value: object, message: Message, depth: int) -> None:
            try:
                if is_text and type(value) is list and {*map(type, value)} == _STRINGS_ONLY:
                    getattr(message, name).extend(value)
                else:
                    getattr(message, name).extend(read_items(value, convert))
            except ValueError:
                raise unpaired_surrogate() from None

        return read

    def _message_list_reader(self, field: Field) -> Reader:
        name = field.name
        read_inside = self.reader(_message_of(field))
        reads_null = self.reads_null(field)

        def read(value: object, message: Message, depth: int) -> None:
            if type(value) is not list:
                raise ConversionError(f"expected a list, got {describe(value)}")
            items = getattr(message, name)
            first_error: ConversionError | None = None
            for index, item in enumerate(value):
                try:
                    if item is None and not reads_null:
                        raise ConversionError("null is not allowed in a list")
                    if depth >= MAX_DEPTH:
                        raise too_deep()
                    read_inside(item, items.add(), depth + 1)
                except ConversionError as error:
                    first_error = add_error(first_error, error.under(index))
            if first_error is not None:
                raise first_error

        return read

    def _map_reader(self, field: Field) -> Reader:
        name = field.name
        read_key = _key_reader(field)
        convert = self.scalar_reader(field) if field.message is None else None
        read_inside = self.reader(field.message) if field.message is not None else None
        reads_null = self.reads_null(field)

        def read(value: object, message: Message, depth: int) -> None:
            if type(value) is not dict:
                raise ConversionError(f"expected an object, got {describe(value)}")
            target = getattr(message, name)
            first_error: ConversionError | None = None
            for key, item in value.items():
                try:
                    map_key: Any = read_key(key)
                    if map_key in target:
                        raise ConversionError(f'duplicate key: "{key}" equals an earlier key')
                    if item is None and not reads_null:
                        raise ConversionError("null is not allowed in a map")
                    if convert is not None:
                        target[map_key] = convert(item)
                    elif depth + 2 > MAX_DEPTH:
                        raise too_deep()
                    elif read_inside is not None:
                        read_inside(item, target[map_key], depth + 2)
                except ConversionError as error:
                    first_error = add_error(first_error, error.under(MapKey(key)))
                except ValueError:
                    first_error = add_error(first_error, unpaired_surrogate())
            if first_error is not None:
                raise first_error

        return read


def write_message(
    message: Message, dialect: Dialect, in_pieces: Dialect, indent: int | None
) -> str:
    """Write a message as JSON text.

    Args:
        message: The message.
        dialect: The dialect.
        in_pieces: The same dialect, writing long lists in pieces.
        indent: The number of spaces of each level; ``None`` writes one line.

    Raises:
        EncodeError: The dialect cannot write a value of the message.
    """
    if indent in (None, 2):
        try:
            return write_text(in_pieces.to_json_value(message), indent=indent)
        except (ConversionError, RecursionError):
            # An error in a piece of a list lacks the path of the list.
            pass
    return write_text(dialect.encode(message), indent=indent)


def _message_of(field: Field) -> Descriptor:
    assert field.message is not None
    return field.message


def _map_writer(field: Field, write_item: Writer | None) -> Writer:
    def write(values: Any, depth: int) -> dict[str, object]:
        result: dict[str, object] = {}
        for key in sorted(values):
            text = ("true" if key else "false") if field.key is Kind.BOOL else str(key)
            value = values[key]
            try:
                # The entry of a map is a message, and counts as a level.
                result[text] = value if write_item is None else write_item(value, depth + 1)
            except ConversionError as error:
                raise error.under(MapKey(text)) from None
        return result

    return write


def _scalar_setter(field: Field, convert: scalars.ScalarReader) -> Reader:
    name = field.name

    def read(value: object, message: Message, depth: int) -> None:
        converted = convert(value)
        try:
            setattr(message, name, converted)
        except ValueError:
            raise unpaired_surrogate() from None

    return read


def _enum_setter(field: Field, convert: scalars.ScalarReader, numbers: Mapping[str, int]) -> Reader:
    name = field.name

    def read(value: object, message: Message, depth: int) -> None:
        number = numbers.get(value) if type(value) is str else None
        setattr(message, name, convert(value) if number is None else number)

    return read


def read_items(value: object, convert: Callable[[object], _ItemT]) -> list[_ItemT]:
    """Convert each item of a JSON list; errors have the index of their item."""
    if type(value) is not list:
        raise ConversionError(f"expected a list, got {describe(value)}")
    result: list[_ItemT] = []
    first_error: ConversionError | None = None
    for index, item in enumerate(value):
        try:
            result.append(convert(item))
        except ConversionError as error:
            first_error = add_error(first_error, error.under(index))
    if first_error is not None:
        raise first_error
    return result


def _key_reader(field: Field) -> scalars.ScalarReader:
    if field.key is Kind.STRING:
        return scalars.read_string
    if field.key is Kind.BOOL:
        return _read_bool_key
    assert field.key is not None
    return scalars.integer_reader(field.key)


def _read_bool_key(key: object) -> bool:
    if key not in ("true", "false"):
        raise ConversionError(f'expected the key "true" or "false", got {describe(key)}')
    return key == "true"


def _check_first_member(
    message_type: Descriptor,
    name: str,
    message: Message,
    value: Mapping[str, object],
    siblings: frozenset[str],
) -> None:
    """Raise if another member of a field's oneof is set; the error names the key of that member."""
    oneof = fields_of(message_type)[name].oneof
    assert oneof is not None
    if message.WhichOneof(oneof) is not None:
        keys = [key for key in value if key in siblings]
        first = next((key for key in keys if value[key] is not None), keys[0])
        raise ConversionError(
            f'"{first}" is already set; only one member of {message_type.name}.{oneof} may be set'
        )


def unknown_key(key: object, owner: str, known: Mapping[str, object]) -> ConversionError:
    """Return the error for a key that is not a field; the caller adds the key to the path."""
    if not isinstance(key, str):
        return invalid_key(key)

    def reason() -> str:
        return f'{owner} has no field "{shorten_name(key)}"{near_miss(key, known)}'

    return ConversionError(reason, at_key=True)
