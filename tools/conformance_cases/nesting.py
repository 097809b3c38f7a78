"""Cases around the deepest nesting: 100 levels below the root, in every way to get there."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor

from conformance_cases.drafts import Draft
from conformance_cases.samples import types
from crucible_ir.serialization.varints import varint

#: The levels below the root that every implementation reads (proto/README.md, "Limits").
DEEPEST = 100

#: The levels that an object and a list in an opaque map take.
_OBJECT_LEVELS, _LIST_LEVELS = 3, 2

TOO_DEEP = "it nests deeper than 100 levels below the root"


def limits() -> Iterator[Draft]:
    """Yield cases for nesting up to the limit and beyond it."""
    backend = types()["BackendRef"]
    for levels in (1, 10, 50, DEEPEST - 1, DEEPEST, DEEPEST + 1, 1000):
        refused = TOO_DEEP if levels > DEEPEST else None
        name = f"fallbacks_{levels}"
        data = _wrapped_binary(backend, "fallback", b"\x0a\x01b", levels)
        yield Draft(f"{name}_in_binary", backend.full_name, binary=data, refused=refused)
        text = b'{"id":"b","fallback":' * levels + b'{"id":"b"}' + b"}" * levels
        yield Draft(f"{name}_in_json", backend.full_name, json=text, refused=refused)
    stage = types()["StageDef"]
    for kind, each, start, end in (
        ("objects", _OBJECT_LEVELS, b'{"a":', b"}"),
        ("lists", _LIST_LEVELS, b"[", b"]"),
    ):
        # The map itself is a level, its entry one, and the value in it one.
        fitting = (DEEPEST - _OBJECT_LEVELS) // each
        for count in (1, fitting // 2, fitting, fitting + 1, 10 * fitting):
            value = start * count + b"1" + end * count
            yield Draft(
                f"opaque_{kind}_{count}",
                stage.full_name,
                json=b'{"name":"s","options":{"k":' + value + b"}}",
                refused=TOO_DEEP if count > fitting else None,
            )


def _wrapped_binary(descriptor: Descriptor, field: str, content: bytes, levels: int) -> bytes:
    """Return a message that is inside itself, innermost content given, so many levels deep."""
    tag = varint(descriptor.fields_by_name[field].number << 3 | 2)
    data = content
    for _ in range(levels):
        data = content + tag + varint(len(data)) + data
    return data
