"""The conformance cases: those derived from the schema, and the completed handwritten ones.

The expected values come from google's protobuf, protovalidate and rfc8785
(`conformance_cases.oracle`), never from this package's own code, and must agree with the facts that
the author of a case states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance_cases import digests, fields, layout, nesting, rules, specification, unknown_fields
from conformance_cases.partial_cases import (
    PartialCase,
    complete,
    complete_handwritten,
)
from generated_files import ROOT

FOLDER = "tests/vectors/conformance"

#: The topics derived from the schema, and the functions that yield their cases.
DERIVED: dict[str, Callable[[], Iterator[PartialCase]]] = {
    "rules_strings": rules.strings,
    "rules_versions": rules.versions,
    "rules_digests": rules.digests,
    "rules_numbers": rules.numbers,
    "rules_enums": rules.enums,
    "rules_presence": rules.presence,
    "rules_timestamps": rules.timestamps,
    "rules_own": rules.own,
    "rules_nested": rules.nested,
    "rules_together": rules.several,
    "fields_alone": fields.one_at_a_time,
    "fields_names": fields.names,
    "fields_null": fields.nulls,
    "fields_zero": fields.zeros,
    "fields_defaults": fields.defaults,
    "unknown_fields": unknown_fields.unknown_fields,
    "unknown_fields_nested": unknown_fields.nested_unknown_fields,
    "unknown_fields_in_map_entries": unknown_fields.map_entries,
    "unknown_fields_malformed": unknown_fields.malformed_groups,
    "unknown_keys": unknown_fields.unknown_keys,
    "oneofs": unknown_fields.oneofs,
    "wrong_types": unknown_fields.wrong_types,
    "limits_nesting": nesting.limits,
    "digests": digests.published,
    "specification": specification.examples,
    "enums_values": fields.enum_values,
    "enums_unknown_numbers": fields.unknown_enum_numbers,
    "enums_unknown_names": fields.unknown_enum_names,
}


def files() -> dict[str, str]:
    """Return the content of every file of cases by its path in the repository.

    Raises:
        ContradictionError: The author of a case contradicts the oracle.
    """
    made: dict[str, str] = {}
    for topic, cases in DERIVED.items():
        suite = complete(topic, cases())
        made[f"{FOLDER}/{topic}.txtpb"] = layout.write(suite, layout.Comments(_note(cases)))
    for file in sorted((ROOT / FOLDER).glob("*.txtpb")):
        path = f"{FOLDER}/{file.name}"
        if path not in made:
            suite, comments = layout.read(file.read_text(encoding="utf-8"))
            made[path] = layout.write(complete_handwritten(suite), comments)
    return made


def _note(cases: Callable[[], Iterator[PartialCase]]) -> list[str]:
    summary = (cases.__doc__ or "").partition("\n")[0]
    about = summary.removeprefix("Yield c").rstrip(".")
    return [f"# C{about}.", "# Derived from the schema by `make generate`; do not edit."]
