"""The JSON values that conversions read and write: YAML's names, with plain numbers.

An importer builds a document as JSON values with the names of YAML, and this dialect turns them
into a message; an exporter gets the values of a message from it. Unlike YAML, it keeps every custom
name of an open vocabulary as the source has it, and NaN and the infinities are numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crucible_ir.schema.fields import Field, Kind
from crucible_ir.serialization.json import scalars
from crucible_ir.serialization.json.opaque import Writer
from crucible_ir.serialization.json.yaml_dialect import YamlDialect

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.message import Message


class InterchangeDialect(YamlDialect):
    """The dialect of conversions."""

    def scalar_writer(self, field: Field) -> Writer | None:
        """Return the writer of a scalar or enum value; ``None`` if it needs no conversion."""
        if field.kind in (Kind.DOUBLE, Kind.FLOAT):
            return None
        return super().scalar_writer(field)

    def double_map_writer(self, values: Any, depth: int) -> dict[str, object]:
        """Write a map from strings to doubles."""
        return {key: values[key] for key in sorted(values)}

    def scalar_reader(self, field: Field) -> scalars.ScalarReader:
        """Return the reader of a scalar or enum value."""
        read = super().scalar_reader(field)
        if field.kind not in (Kind.DOUBLE, Kind.FLOAT):
            return read
        return lambda value: value if type(value) is float else read(value)

    def needs_custom_key(self, enum: EnumDescriptor, name: str) -> bool:
        """Return whether a custom name cannot have the key of the enum field: never."""
        return False


#: The dialect of conversions.
DIALECT = InterchangeDialect()


def json_values(message: Message) -> dict[str, Any]:
    """Return a message as the JSON values of conversions.

    >>> from crucible_ir import v1
    >>> json_values(v1.ModelRef(id="m", custom_provider="Kaggle"))
    {'id': 'm', 'provider': 'Kaggle'}
    """
    values = DIALECT.encode(message)
    assert isinstance(values, dict)
    return values
