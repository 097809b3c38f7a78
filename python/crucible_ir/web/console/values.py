"""Values of documents as pages show them: short names, few characters."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from crucible_ir.paths import MapKey, parse_path
from crucible_ir.schema import vocabulary
from crucible_ir.schema.fields import Field, fields_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

#: The most characters of a value in a line, and in a cell of a table of differences.
LINE: Final = 60
CELL: Final = 600


def field_at(message: Descriptor, path: str) -> Field | None:
    """Return the field that a path leads to; ``None`` for a path inside opaque JSON.

    >>> from crucible_ir import v1
    >>> field_at(v1.Experiment.DESCRIPTOR, 'pipeline["score"].enabled').name
    'enabled'
    """
    here: Descriptor | None = message
    field: Field | None = None
    for part in parse_path(path):
        if isinstance(part, int | MapKey):
            continue
        if here is None or part not in fields_of(here):
            return None
        field = fields_of(here)[part]
        here = None if field.is_opaque else field.message
    return field


def shown(value: object, field: Field | None, most: int = LINE, *, quoted: bool = False) -> str:
    """Return a value of ProtoJSON as text.

    Args:
        value: The value.
        field: The field that it is a value of, or is inside of; ``None`` in opaque JSON.
        most: The most characters.
        quoted: Whether texts are in quotes.

    >>> from crucible_ir import v1
    >>> field = fields_of(v1.ModelVersion.DESCRIPTOR)["stage"]
    >>> shown("MODEL_STAGE_PRODUCTION", field), shown({"a": 1, "b": 2}, None, 9)
    ('production', '2 entries')
    """
    if field is not None and field.enum is not None and isinstance(value, str):
        return short_name(value, field)
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False) if quoted else value
        return cut(text, most)
    if isinstance(value, list) and field is not None and field.enum is not None:
        return cut(", ".join(shown(item, field) for item in value), most)
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > most and isinstance(value, dict | list):
        return _count(len(value), "entry" if isinstance(value, dict) else "item")
    return cut(text, most)


def filter_text(text: str) -> str:
    r"""Return a text as a value of the exchange's filters.

    >>> filter_text('a"b*')
    '"a\\"b\\*"'
    """
    escaped = re.sub(r'(["\\*])', r"\\\1", text)
    return f'"{escaped}"'


def short_name(name: str, field: Field) -> str:
    """Return the short name of an enum value."""
    assert field.enum is not None
    value = field.enum.values_by_name.get(name)
    return name if value is None else vocabulary.names(field.enum).get(value.number, name)


def cut(text: str, most: int) -> str:
    """Return a text, or its beginning and an ellipsis.

    >>> cut("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _count(number: int, noun: str) -> str:
    """Return a number with a noun.

    >>> _count(1, "entry"), _count(2, "item")
    ('1 entry', '2 items')
    """
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"
