"""Cases around the nesting limit of 100 levels below the root."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor

from conformance_cases.partial_cases import PartialCase
from conformance_cases.samples import types
from crucible_ir.serialization.wire import encode_varint

#: The limit of levels below the root (proto/README.md, "Limits").
DEEPEST = 100

#: The number of levels of an object and of a list in opaque JSON.
_OBJECT_LEVELS, _LIST_LEVELS = 3, 2

TOO_DEEP = "nested deeper than 100 levels below the root"


def limits() -> Iterator[PartialCase]:
    """Yield cases for nesting up to the limit and beyond it."""
    backend = types()["BackendRef"]
    for levels in (1, 10, 50, DEEPEST - 1, DEEPEST, DEEPEST + 1, 1000):
        decode_error = TOO_DEEP if levels > DEEPEST else None
        name = f"fallbacks_{levels}"
        data = _wrapped_binary(backend, "fallback", b"\x0a\x01b", levels)
        yield PartialCase(
            f"{name}_in_binary", backend.full_name, binary=data, decode_error=decode_error
        )
        text = b'{"id":"b","fallback":' * levels + b'{"id":"b"}' + b"}" * levels
        yield PartialCase(
            f"{name}_in_json", backend.full_name, json=text, decode_error=decode_error
        )
    stage = types()["StageDef"]
    for kind, each, start, end in (
        ("objects", _OBJECT_LEVELS, b'{"a":', b"}"),
        ("lists", _LIST_LEVELS, b"[", b"]"),
    ):
        # The map, its entry and the value in it are a level each.
        fitting = (DEEPEST - _OBJECT_LEVELS) // each
        for count in (1, fitting // 2, fitting, fitting + 1, 10 * fitting):
            value = start * count + b"1" + end * count
            yield PartialCase(
                f"opaque_{kind}_{count}",
                stage.full_name,
                json=b'{"name":"s","options":{"k":' + value + b"}}",
                decode_error=TOO_DEEP if count > fitting else None,
            )


def _wrapped_binary(descriptor: Descriptor, field: str, content: bytes, levels: int) -> bytes:
    """Return a message nested in itself for some levels, each with the same content."""
    tag = encode_varint(descriptor.fields_by_name[field].number << 3 | 2)
    data = content
    for _ in range(levels):
        data = content + tag + encode_varint(len(data)) + data
    return data
