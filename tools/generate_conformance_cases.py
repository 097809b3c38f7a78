"""Write the conformance cases that are derived from the schema, and complete those by hand.

Run it with ``make conformance-cases``. What a case expects comes from google's protobuf, from
protovalidate and from rfc8785 (`conformance_cases.truth`), never from this package's own code, and
has to agree with what the author of the case says. With --check nothing is written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from conformance_cases import digests, fields, layout, nesting, rules, specification, strangers
from conformance_cases.drafts import ContradictionError, Draft, complete, complete_by_hand

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "vectors" / "conformance"

#: What yields the cases of each topic that is derived from the schema.
DERIVED: dict[str, Callable[[], Iterator[Draft]]] = {
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
    "unknown_fields": strangers.unknown_fields,
    "unknown_fields_nested": strangers.nested_unknown_fields,
    "unknown_keys": strangers.unknown_keys,
    "oneofs": strangers.oneofs,
    "wrong_types": strangers.wrong_types,
    "limits_nesting": nesting.limits,
    "digests": digests.published,
    "specification": specification.examples,
    "enums_values": fields.enum_values,
    "enums_unknown_numbers": fields.unknown_enum_numbers,
    "enums_unknown_names": fields.unknown_enum_names,
}


def main() -> int:
    """Bring the files up to date, or with --check say which are not."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="change nothing; fail if stale")
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
    """Return the text that every file of cases must have.

    Raises:
        ContradictionError: A case is not what its author says.
    """
    made: dict[Path, str] = {}
    for topic, drafts in DERIVED.items():
        suite = complete(topic, drafts())
        made[FOLDER / f"{topic}.txtpb"] = layout.write(suite, layout.Comments(_note(drafts)))
    for path in sorted(FOLDER.glob("*.txtpb")):
        if path not in made:
            suite, comments = layout.read(path.read_text(encoding="utf-8"))
            made[path] = layout.write(complete_by_hand(suite), comments)
    return made


def _note(drafts: Callable[[], Iterator[Draft]]) -> list[str]:
    summary = (drafts.__doc__ or "").partition("\n")[0]
    about = summary.removeprefix("Yield c").rstrip(".")
    return [f"# C{about}.", "# Derived from the schema by `make conformance-cases`; do not edit."]


if __name__ == "__main__":
    sys.exit(main())
