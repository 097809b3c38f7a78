"""Rules that the schema repeats are the same in every place.

Each field declares its own rules, since predefined rules need a registry in every language.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from crucible_ir.schema.comments import comment
from crucible_ir.schema.fields import Field, Kind, fields_of
from crucible_ir.schema.rules import Parameter, rules_of
from crucible_ir.schema.types import descriptor_of, message_types

FIELDS = {
    f"{name}.{field.name}": field
    for name, cls in message_types().items()
    for field in fields_of(descriptor_of(cls)).values()
}

#: The first and the last timestamp of RFC 3339.
TIMESTAMPS = {"gte": "0001-01-01T00:00:00Z", "lte": "9999-12-31T23:59:59.999999999Z"}


def parameters(field: Field) -> Mapping[str, Parameter]:
    """Return the parameters of the rules of a field itself, by their names."""
    owner: Any = field.descriptor.containing_type
    return {
        name: value
        for rule in rules_of(owner)
        if rule.field_path == field.name
        for name, value in rule.parameters.items()
    }


def test_every_timestamp_has_the_range_of_rfc_3339() -> None:
    found = {
        path: parameters(field)
        for path, field in FIELDS.items()
        if field.message is not None and field.message.full_name == "google.protobuf.Timestamp"
    }
    assert len(found) > 12
    assert {path: rules for path, rules in found.items() if rules != TIMESTAMPS} == {}


def test_every_required_string_has_the_same_limit_except_for_signed_urls() -> None:
    limits = {}
    for path, field in FIELDS.items():
        rules = parameters(field)
        if field.kind is Kind.STRING and not field.is_list and "required" in rules:
            limits[path] = rules.get("max_bytes")
            is_long = "signed URLs" in comment(field.descriptor)
            assert limits[path] == (8192 if is_long else 512), path
    assert sum(limit == 512 for limit in limits.values()) > 25


def test_a_limit_in_bytes_is_one_of_a_required_string() -> None:
    limited = {path for path, field in FIELDS.items() if "max_bytes" in parameters(field)}
    required = {path for path, field in FIELDS.items() if "required" in parameters(field)}
    assert limited - required == set()


def test_fields_with_one_name_have_the_same_pattern() -> None:
    patterns = defaultdict(set)
    for field in FIELDS.values():
        pattern = parameters(field).get("pattern")
        if pattern is not None:
            patterns[field.name].add(pattern)
    assert {"digest", "version"} <= patterns.keys()
    assert all(len(found) == 1 for found in patterns.values())


def test_a_fraction_is_at_least_0_and_at_most_1_and_a_percentage_at_most_100() -> None:
    bounds = defaultdict(set)
    for field in FIELDS.values():
        rules = parameters(field)
        if field.kind is Kind.DOUBLE and "lte" in rules:
            bounds[field.name.endswith("percent")].add((rules.get("gte"), rules["lte"]))
    assert bounds[True] == {(0.0, 100.0)}
    assert (0.0, 1.0) in bounds[False]
