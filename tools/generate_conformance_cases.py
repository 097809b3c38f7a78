"""Write the conformance cases derived from the schema, and complete the handwritten ones.

Run it with ``make conformance-cases``. The expected values come from google's protobuf,
protovalidate and rfc8785 (`conformance_cases.oracle`), never from this package's own code, and must
agree with the facts that the author of a case states. With --check, nothing is written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from conformance_cases import digests, fields, layout, nesting, rules, specification, unknown_fields
from conformance_cases.partial_cases import (
    ContradictionError,
    PartialCase,
    complete,
    complete_handwritten,
)

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "vectors" / "conformance"

#: The topics derived from the schema, and the functions that yield their cases.
DERIVED: dict[str, Callable[[], Iterator[PartialCase]]] = {
    "rules_strings": rules.strings,
    "rules_versions": rules.versions,
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


def main() -> int:
    """Update the files, or with --check report which are out of date."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="fail if a file is out of date")
    check = arguments.parse_args().check
    try:
        fresh = files()
    except ContradictionError as error:
        print(f"generate_conformance_cases: {error}", file=sys.stderr)
        return 1
    stale = [path for path, text in fresh.items() if not path.is_file() or path.read_text() != text]
    for path in stale:
        print(f"{'stale' if check else 'wrote'}: {path.relative_to(ROOT)}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(fresh[path])
    if stale and check:
        print("Run `make conformance-cases` and commit the result.")
        return 1
    return 0


def files() -> dict[Path, str]:
    """Return the content of every file of cases.

    Raises:
        ContradictionError: The author of a case contradicts the oracle.
    """
    made: dict[Path, str] = {}
    for topic, cases in DERIVED.items():
        suite = complete(topic, cases())
        made[FOLDER / f"{topic}.txtpb"] = layout.write(suite, layout.Comments(_note(cases)))
    for path in sorted(FOLDER.glob("*.txtpb")):
        if path not in made:
            suite, comments = layout.read(path.read_text(encoding="utf-8"))
            made[path] = layout.write(complete_handwritten(suite), comments)
    return made


def _note(cases: Callable[[], Iterator[PartialCase]]) -> list[str]:
    summary = (cases.__doc__ or "").partition("\n")[0]
    about = summary.removeprefix("Yield c").rstrip(".")
    return [f"# C{about}.", "# Derived from the schema by `make conformance-cases`; do not edit."]


if __name__ == "__main__":
    sys.exit(main())
