"""The dialect of YAML: ProtoJSON as people write it, defined in proto/README.md, "YAML".

It writes names of the schema, short names of enum values, integers as numbers, and one key for both
members of an open vocabulary. It reads all of that and all of ProtoJSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from crucible_ir.schema import vocabulary
from crucible_ir.schema.fields import Field, Kind, fields_of
from crucible_ir.schema.spelling import respelled
from crucible_ir.serialization.conversion_error import ConversionError, NotFinite
from crucible_ir.serialization.json import scalars, timestamps
from crucible_ir.serialization.json.codec import ReadRow, read_items
from crucible_ir.serialization.json.enum_names import respelled_name, unknown_name
from crucible_ir.serialization.json.opaque import Reader, Writer, unpaired_surrogate
from crucible_ir.serialization.json.protojson import NULL_VALUE, ProtoJson

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor
    from google.protobuf.message import Message

    from crucible_ir.paths import Part


class YamlDialect(ProtoJson):
    """The dialect of YAML."""

    def __init__(self) -> None:
        super().__init__(original_names=True, read_timestamp=timestamps.read_timestamp)

    def scalar_writer(self, field: Field) -> Writer | None:
        """Return the writer of a scalar or enum value; ``None`` if it needs no conversion."""
        if field.kind in (Kind.INT64, Kind.UINT64):
            return None
        write = super().scalar_writer(field)
        if field.enum is None or write is None or field.enum.full_name == NULL_VALUE:
            return write
        names = _written_names(field.enum)
        return lambda number, depth: names.get(number) or write(number, depth)

    def scalar_reader(self, field: Field) -> scalars.ScalarReader:
        """Return the reader of a scalar or enum value."""
        read = super().scalar_reader(field)
        if field.kind not in (Kind.DOUBLE, Kind.FLOAT):
            return read

        def read_float(value: object) -> object:
            return float(value) if type(value) is NotFinite else read(value)

        return read_float

    def enum_numbers(self, enum: EnumDescriptor) -> Mapping[str, int]:
        """Return the numbers of an enum, by full and by short name."""
        return _read_names(enum)

    def unknown_enum_name(self, name: str, field: Field, enum: EnumDescriptor) -> str:
        """Return the error text for a name that an enum does not have."""
        if name.startswith(vocabulary.prefix(enum)):
            return unknown_name(name, enum, {value.name: value.number for value in enum.values})
        return unknown_name(name, enum, vocabulary.numbers(enum))

    def document_path(
        self, message: Descriptor, path: tuple[Part, ...], document: object = None
    ) -> list[list[Part]]:
        """Return the keys of each field on a path; a custom name may be under the enum's key."""
        steps = super().document_path(message, path)
        current: Descriptor | None = message
        for at, part in enumerate(path):
            fields = fields_of(current) if current is not None else {}
            field = fields.get(part) if type(part) is str else None
            if field is None:
                continue
            current = field.message
            if field.custom is not None or field.custom_of is not None:
                owner = _value_at(document, steps[:at])
                if isinstance(owner, dict):
                    self._find_name(owner, fields, field, steps[at:])
        return steps

    def _find_name(
        self,
        owner: Mapping[str, object],
        fields: Mapping[str, Field],
        field: Field,
        steps: list[list[Part]],
    ) -> None:
        """Replace the steps to a name of an open vocabulary by those in the document.

        Args:
            owner: The object that contains it.
            fields: The fields of the object.
            field: The enum field or the custom field.
            steps: The step to the field, and for a list the step to the name.
        """
        enum_field = fields[field.custom_of or field.name]
        assert enum_field.enum is not None
        shared = (enum_field.json_name, enum_field.name)
        known = (*shared, field.json_name, field.name)
        keys: list[Part] = [key for key, item in owner.items() if key in known and item is not None]
        if not field.is_list or len(steps) < 2:
            steps[0][:] = keys or steps[0]
            return
        names = self.enum_numbers(enum_field.enum)
        is_custom = field.custom_of is not None
        found = [
            (key, index)
            for key in keys
            for index, name in enumerate(_as_list(owner[str(key)]))
            if key not in shared or (isinstance(name, str) and name not in names) is is_custom
        ]
        wanted = steps[1][0]
        if isinstance(wanted, int) and wanted < len(found):
            key, index = found[wanted]
            steps[0][:], steps[1][:] = [key], [index]

    # Open vocabularies

    def finish_writing(self, message: Descriptor) -> Callable[[dict[str, Any]], None] | None:
        """Write the custom names of an open vocabulary under the key of its enum field.

        Names that would not be read back as custom names stay under the custom key.
        """
        enums = {
            field.custom: (field.name, field.enum)
            for field in fields_of(message).values()
            if field.custom is not None and field.enum is not None
        }
        if not enums:
            return None

        def finish(result: dict[str, Any]) -> None:
            if enums.keys().isdisjoint(result):
                return
            rows = list(result.items())
            result.clear()
            for key, value in rows:
                if key in enums:
                    name, enum = enums[key]
                    names = value if isinstance(value, list) else [value]
                    if not any(self.needs_custom_key(enum, each) for each in names):
                        key = name
                        value = result[name] + value if name in result else value
                result[key] = value

        return finish

    def needs_custom_key(self, enum: EnumDescriptor, name: str) -> bool:
        """Return whether a custom name would be read as a value of the enum or as a mistake."""
        return name.startswith(vocabulary.prefix(enum)) or respelled(enum, name) is not None

    def read_row(self, field: Field) -> ReadRow:
        """Return how a field is read; the key of an open vocabulary also takes custom names."""
        if field.custom is None:
            return super().read_row(field)
        return ReadRow(field.name, self._open_reader(field, field.custom))

    def _open_reader(self, field: Field, custom: str) -> Reader:
        """Return the reader of an open vocabulary, which sets the enum or the custom field."""
        assert field.enum is not None
        enum = field.enum
        numbers = self.enum_numbers(enum)
        read_number = self.scalar_reader(field)

        def convert(value: object) -> object:
            """Return the number of a value, or its text if it is a custom name."""
            if type(value) is not str:
                return read_number(value)
            number = numbers.get(value)
            if number is not None:
                return number
            if self.needs_custom_key(enum, value):
                raise ConversionError(respelled_name(value, field, glue=": "))
            return value

        def read(value: object, message: Message, depth: int) -> None:
            converted = convert(value)
            try:
                setattr(message, custom if type(converted) is str else field.name, converted)
            except ValueError:
                raise unpaired_surrogate() from None

        def read_list(value: object, message: Message, depth: int) -> None:
            converted = read_items(value, convert)
            try:
                getattr(message, field.name).extend(n for n in converted if type(n) is not str)
                getattr(message, custom).extend(n for n in converted if type(n) is str)
            except ValueError:
                raise unpaired_surrogate() from None

        return read_list if field.is_list else read


def _value_at(document: object, steps: list[list[Part]]) -> object:
    """Return the value in a document at the keys or indexes of a path, if there is one."""
    for names in steps:
        if isinstance(document, dict):
            document = next((document[name] for name in names if name in document), None)
        elif isinstance(document, list) and isinstance(names[0], int):
            document = document[names[0]] if names[0] < len(document) else None
        else:
            return None
    return document


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


@cache
def _read_names(enum: EnumDescriptor) -> dict[str, int]:
    """Return the numbers of an enum by short name, and by full name."""
    full = {value.name: value.number for value in enum.values}
    prefix = vocabulary.prefix(enum)
    short = {
        name.removeprefix(prefix).lower(): number
        for name, number in reversed(full.items())
        if number and name.startswith(prefix)
    }
    return {**short, **full}


@cache
def _written_names(enum: EnumDescriptor) -> dict[int, str]:
    """Return the short names of an enum by number, except those that are read as another value."""
    prefix = vocabulary.prefix(enum)
    known = _read_names(enum)
    written: dict[int, str] = {}
    for value in enum.values:
        short = value.name.removeprefix(prefix).lower()
        if value.name.startswith(prefix) and known.get(short) == value.number:
            written.setdefault(value.number, short)
    return written


YAML = YamlDialect()
