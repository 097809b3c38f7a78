"""The conventions of the services' schema: comments, names, rules and file options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

PACKAGE = "crucible_ir.exchange.v1"
NOUNS = {
    *("record", "violation"),
    *("audit_service", "exchange_service", "feedback_service", "validation_service"),
}

FILES: dict[str, FileDescriptorProto] = {
    file.name.removeprefix("crucible_ir/exchange/v1/").removesuffix(".proto"): file
    for file in FileDescriptorSet.FromString(
        resources.files("crucible_ir").joinpath("schema", "descriptors.binpb").read_bytes()
    ).file
    if file.package == PACKAGE
}


def declared(file: FileDescriptorProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the name and the path in the source info of each declaration in a file."""
    yield "the file", (12,)
    for m, message in enumerate(file.message_type):
        yield message.name, (4, m)
        synthetic = {field.oneof_index for field in message.field if field.proto3_optional}
        for f, field in enumerate(message.field):
            yield f"{message.name}.{field.name}", (4, m, 2, f)
        for o, oneof in enumerate(message.oneof_decl):
            if o not in synthetic:
                yield f"{message.name}.{oneof.name}", (4, m, 8, o)
    for e, enum in enumerate(file.enum_type):
        yield enum.name, (5, e)
        for v, value in enumerate(enum.value):
            yield value.name, (5, e, 2, v)
    for s, service in enumerate(file.service):
        yield service.name, (6, s)
        for r, method in enumerate(service.method):
            yield f"{service.name}.{method.name}", (6, s, 2, r)


def test_the_files_are_the_nouns_of_the_layout() -> None:
    assert FILES.keys() == NOUNS


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_every_declaration_has_a_comment_that_is_a_sentence(noun: str) -> None:
    file = FILES[noun]
    comments = {
        tuple(location.path): " ".join(location.leading_comments.split())
        for location in file.source_code_info.location
    }
    for name, path in declared(file):
        assert re.match(r"[A-Z\"'0-9].*\.$", comments.get(path, "")), name


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_a_file_has_the_options_of_other_languages(noun: str) -> None:
    options = FILES[noun].options
    assert FILES[noun].syntax == "proto3"
    assert re.fullmatch(
        r"github\.com/\S+/crucible_ir/exchange/v1;crucibleirexchangev1", options.go_package
    )
    assert options.java_package == "org.crucibleir.exchange.v1"
    assert options.java_multiple_files


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_a_file_imports_the_schema_and_well_known_types_only(noun: str) -> None:
    for name in FILES[noun].dependency:
        assert name.startswith(("crucible_ir/", "google/protobuf/")), name


@pytest.mark.parametrize("noun", sorted(noun for noun in NOUNS if noun.endswith("_service")))
def test_a_service_has_its_own_file_with_its_requests_and_responses(
    noun: str,
) -> None:
    [service] = FILES[noun].service
    assert re.sub(r"(?<!^)(?=[A-Z])", "_", service.name).lower() == noun
    local = {message.name for message in FILES[noun].message_type}
    for method in service.method:
        assert method.input_type == f".{PACKAGE}.{method.name}Request"
        assert method.output_type == f".{PACKAGE}.{method.name}Response"
        assert {f"{method.name}Request", f"{method.name}Response"} <= local


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_the_comment_of_an_optional_field_says_what_unset_means(noun: str) -> None:
    file = FILES[noun]
    comments = {
        tuple(location.path): " ".join(location.leading_comments.split())
        for location in file.source_code_info.location
    }
    for m, message in enumerate(file.message_type):
        for f, field in enumerate(message.field):
            if field.proto3_optional:
                comment = comments[4, m, 2, f]
                assert "Unset: " in comment, f"{message.name}.{field.name}"
