"""Limits: the error has the name and the value of the limit, and the path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message

import crucible_ir as ir
from crucible_ir import v1

WRITERS: dict[str, tuple[Callable[[Message], str | bytes], Callable[..., Message]]] = {
    "binary": (ir.to_binary, ir.from_binary),
    "json": (ir.to_json, ir.from_json),
    "crucible": (ir.to_crucible_json, ir.from_crucible_json),
    "yaml": (ir.to_yaml, ir.from_yaml),
    "text": (ir.to_text, ir.from_text),
}

STAGE = v1.StageDef(name="héllo", options={"list": [1, 2, 3], "inner": {"key": "four"}})


def error_of(format_name: str, message: Message, **limits: int) -> ir.LimitError:
    write, read = WRITERS[format_name]
    with pytest.raises(ir.LimitError) as caught:
        read(write(message), type(message), limits=ir.Limits(**limits))
    return caught.value


#: Limits that the stage is just over, the path of the value, and words of the error.
OVER: list[tuple[dict[str, int], str, str]] = [
    # é has two bytes.
    ({"max_string_bytes": 5}, "name", "a string of 6 bytes is over the limit of 5"),
    ({"max_items": 2}, 'options["list"]', "a list of 3 items is over the limit of 2"),
    # Two Structs, each with the levels of its entry and of its Value.
    ({"max_depth": 5}, 'options["inner"]["key"]', "a depth of 6 is over the limit of 5"),
]


@pytest.mark.parametrize("format_name", WRITERS)
@pytest.mark.parametrize(("limits", "path", "words"), OVER, ids=[next(iter(x[0])) for x in OVER])
def test_the_error_has_the_name_and_value_of_the_limit_and_the_path(
    format_name: str, limits: dict[str, int], path: str, words: str
) -> None:
    error = error_of(format_name, STAGE, **limits)
    (name, allowed), *_ = limits.items()
    assert (error.path, error.limit, error.allowed) == (path, name, allowed)
    assert words in error.reason
    write, read = WRITERS[format_name]
    at_the_limit: Any = {name: allowed + 1}
    assert read(write(STAGE), v1.StageDef, limits=ir.Limits(**at_the_limit)) == STAGE


@pytest.mark.parametrize("format_name", WRITERS)
def test_the_size_of_a_document_is_checked_before_it_is_read(format_name: str) -> None:
    write, read = WRITERS[format_name]
    data = write(STAGE)
    size = len(data.encode() if isinstance(data, str) else data)
    assert read(data, v1.StageDef, limits=ir.Limits(max_bytes=size)) == STAGE
    with pytest.raises(ir.LimitError, match=f"{size} bytes is over the limit of {size - 1}"):
        read(data, v1.StageDef, limits=ir.Limits(max_bytes=size - 1))
    # These bytes would give another error if they were read.
    with pytest.raises(ir.LimitError):
        read(b"\xff" * 100, v1.StageDef, limits=ir.Limits(max_bytes=99))


def test_lists_maps_keys_and_bytes_are_counted() -> None:
    ensemble = v1.Ensemble(models=["a", "b"], weights={"long key": 1.0, "b": 2.0})
    assert error_of("binary", ensemble, max_items=1).path == "models"
    del ensemble.models[:]
    assert error_of("binary", ensemble, max_items=1).path == "weights"
    assert error_of("binary", ensemble, max_string_bytes=7).path == "weights"
    image = v1.ImageContent(base64=b"12345")
    assert error_of("binary", image, max_string_bytes=4).path == "base64"


def test_a_decoder_applies_its_limits() -> None:
    decode = ir.decoder(v1.StageDef, limits=ir.Limits(max_string_bytes=3))
    assert decode(ir.to_binary(v1.StageDef(name="abc"))).name == "abc"
    with pytest.raises(ir.LimitError):
        decode(ir.to_binary(v1.StageDef(name="abcd")))


def test_an_error_of_a_limit_is_not_a_validation_error() -> None:
    error = error_of("json", STAGE, max_items=1)
    assert isinstance(error, ir.DecodeError)
    assert not isinstance(error, ir.ValidationError)


def test_the_default_limits_are_those_of_the_specification() -> None:
    limits = ir.Limits()
    assert (limits.max_bytes, limits.max_frame_bytes) == (64 * 1024**2, 64 * 1024**2)
    assert (limits.max_depth, limits.max_string_bytes, limits.max_items) == (100, None, None)
